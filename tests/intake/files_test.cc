// FileWatch on real directories. Nothing sleeps: every wait is a poll() on the watch's descriptor
// with a timeout that only a failing test reaches.
#include "engine/intake/files.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>

#include "engine/system/descriptor.h"
#include "tests/intake/temp_tree.h"

using namespace devmux;

namespace {

constexpr int kTimeout = 60'000;

struct Watch : TempTree {
    FileWatch files{path(), "/proc/self/mountinfo"};
    std::map<std::string, Truth> seen;

    bool readable(int timeout) const {
        pollfd fd{files.fd(), POLLIN, 0};
        return poll(&fd, 1, timeout) == 1;
    }
    // Whether the answer for `name` becomes `truth`.
    bool becomes(const std::string& name, Truth truth) {
        while (true) {
            for (const FileSeen& file : files.take()) seen[file.path] = file.exists;
            if (seen.contains(name) && seen[name] == truth) return true;
            if (!readable(kTimeout)) return false;
        }
    }
    bool there(const std::string& name) { return becomes(name, Truth::True); }
    bool gone(const std::string& name) { return becomes(name, Truth::False); }
    bool unknown(const std::string& name) { return becomes(name, Truth::Unknown); }
};

// How many directories this process watches by inotify: proc_pid_fdinfo(5).
size_t watched_directories() {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
        std::ifstream lines(entry.path());
        for (std::string line; std::getline(lines, line);) count += line.starts_with("inotify wd:");
    }
    return count;
}

// A FUSE file system at dead/ that says hello (FUSE_INIT) and then never answers.
struct DeadMount : TempTree {
    DeadMount() : fuse(open("/dev/fuse", O_RDWR | O_CLOEXEC)) {
        directory("dead");
        std::string options =
            "fd=" + std::to_string(fuse.get()) + ",rootmode=40000,user_id=0,group_id=0";
        mounted = fuse && mount("devmux-test", at("dead").c_str(), "fuse", MS_NOSUID | MS_NODEV,
                                options.c_str()) == 0;
        if (!mounted) MESSAGE("skipped: needs root and FUSE");
        if (!mounted) return;
        std::array<char, FUSE_MIN_READ_BUFFER> request;
        REQUIRE(read(fuse.get(), request.data(), request.size()) > 0);
        struct {
            fuse_out_header header{};
            fuse_init_out init{};
        } reply;
        fuse_in_header asked{};
        std::memcpy(&asked, request.data(), sizeof asked);
        REQUIRE(asked.opcode == FUSE_INIT);
        reply.header = {.len = sizeof reply, .error = 0, .unique = asked.unique};
        reply.init.major = FUSE_KERNEL_VERSION;
        reply.init.minor = FUSE_KERNEL_MINOR_VERSION;
        reply.init.max_write = 4096;
        REQUIRE(write(fuse.get(), &reply, sizeof reply) == sizeof reply);
    }
    ~DeadMount() { end(); }
    void end() {
        if (!mounted) return;
        mounted = false;
        umount2(at("dead").c_str(), MNT_DETACH);
        fuse = Descriptor();
    }
    // Whether somebody is in there, waiting for an answer.
    bool asked() const {
        pollfd request{fuse.get(), POLLIN, 0};
        return poll(&request, 1, kTimeout) == 1;
    }
    Descriptor fuse;
    bool mounted = false;
};

}  // namespace

TEST_SUITE_BEGIN("intake/files");

TEST_CASE_FIXTURE(Watch, "every path is answered first") {
    file("etc/here");
    directory("etc/dir");
    files.watch({"/etc/here", "/etc/missing", "/etc/dir", "/", "/etc/here/below", "/no/such/dir"});
    CHECK(there("/etc/here"));
    CHECK(gone("/etc/missing"));
    CHECK(there("/etc/dir"));
    CHECK(there("/"));
    CHECK(gone("/etc/here/below"));
    CHECK(gone("/no/such/dir"));
    CHECK(seen.size() == 6);
}

TEST_CASE_FIXTURE(Watch, "nothing to watch, nothing to say") {
    files.watch({});
    CHECK_FALSE(readable(0));
    CHECK(files.take().empty());
}

TEST_CASE_FIXTURE(Watch, "a file comes and goes") {
    directory("run");
    files.watch({"/run/pid"});
    CHECK(gone("/run/pid"));
    for (int i = 0; i < 20; ++i) {
        file("run/pid");
        REQUIRE(there("/run/pid"));
        remove("run/pid");
        REQUIRE(gone("/run/pid"));
    }
    // By rename, as careful programs write.
    file("run/pid.new");
    rename("run/pid.new", "run/pid");
    CHECK(there("/run/pid"));
    rename("run/pid", "run/pid.old");
    CHECK(gone("/run/pid"));
}

TEST_CASE_FIXTURE(Watch, "its directories come one by one, and go") {
    files.watch({"/a/b/c/file"});
    CHECK(gone("/a/b/c/file"));
    directory("a");
    directory("a/b");
    directory("a/b/c");
    file("a/b/c/file");
    CHECK(there("/a/b/c/file"));
    remove("a");
    CHECK(gone("/a/b/c/file"));
    file("a/b/c/file");
    CHECK(there("/a/b/c/file"));
}

TEST_CASE_FIXTURE(Watch, "a parent is renamed, and replaced by another") {
    file("one/sub/file");
    directory("two/sub");
    files.watch({"/one/sub/file"});
    CHECK(there("/one/sub/file"));
    rename("one", "three");
    CHECK(gone("/one/sub/file"));
    rename("two", "one");
    file("one/sub/file");
    CHECK(there("/one/sub/file"));
    // What happens in the directory that was renamed away is of no concern.
    remove("three/sub/file");
    file("one/sub/other");
    remove("one/sub/file");
    CHECK(gone("/one/sub/file"));
}

TEST_CASE_FIXTURE(Watch, "links: to the file, in the middle, absolute below the root, in circles") {
    directory("real");
    directory("other");
    link("link", "real");
    link("absolute", "/real/file");
    link("deep/down/absolute", "/real/file");
    link("circle", "circle");
    link("out", "../../../../real/file");
    files.watch({"/link/file", "/absolute", "/deep/down/absolute", "/circle", "/out"});
    CHECK(gone("/link/file"));
    CHECK(gone("/absolute"));
    CHECK(gone("/circle"));
    CHECK(gone("/out"));
    file("real/file");
    CHECK(there("/link/file"));
    CHECK(there("/absolute"));
    CHECK(there("/deep/down/absolute"));
    CHECK(there("/out"));
    remove("link");
    link("link", "other");
    CHECK(gone("/link/file"));
    file("other/file");
    CHECK(there("/link/file"));
}

TEST_CASE_FIXTURE(Watch, "dots and slashes") {
    file("a/file");
    directory("b");
    files.watch({"//a///file", "/a/./file", "/b/../a/file", "/../../a/file", "/a/file/..", "/a/"});
    CHECK(there("//a///file"));
    CHECK(there("/a/./file"));
    CHECK(there("/b/../a/file"));
    CHECK(there("/../../a/file"));
    CHECK(there("/a/"));
    CHECK(gone("/a/file/.."));
    remove("a/file");
    CHECK(gone("/b/../a/file"));
    CHECK(gone("/../../a/file"));
}

TEST_CASE_FIXTURE(Watch, "watch replaces the set and answers anew") {
    file("a");
    files.watch({"/a", "/b"});
    CHECK(there("/a"));
    CHECK(gone("/b"));
    seen.clear();
    files.watch({"/a", "/c"});
    CHECK(there("/a"));
    CHECK(gone("/c"));
    CHECK_FALSE(seen.contains("/b"));
    file("b");
    file("c");
    CHECK(there("/c"));
    CHECK_FALSE(seen.contains("/b"));
    files.watch({});
    remove("a");
    files.watch({"/c"});
    seen.clear();
    CHECK(there("/c"));
    CHECK_FALSE(seen.contains("/a"));
}

TEST_CASE_FIXTURE(Watch, "what is not absolute, and what is too much, is unknown") {
    std::set<std::string> paths{"relative", ""};
    for (size_t i = 0; i < kWatchedFilesMax + 2; ++i)
        paths.insert("/" + std::to_string(10'000 + i));
    paths.insert("/" + std::string(5000, 'x'));
    files.watch(paths);
    CHECK(unknown("relative"));
    CHECK(unknown(""));
    CHECK(unknown("/" + std::string(5000, 'x')));
    CHECK(unknown("/10257"));
    CHECK(unknown("/10256"));
    CHECK(gone("/10255"));
}

TEST_CASE("a root that is not there: unknown") {
    FileWatch files("/nonexistent/root");
    files.watch({"/etc"});
    pollfd fd{files.fd(), POLLIN, 0};
    REQUIRE(poll(&fd, 1, kTimeout) == 1);
    std::vector<FileSeen> seen = files.take();
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].exists == Truth::Unknown);
}

TEST_CASE_FIXTURE(Watch, "the root may be a link, and is watched through it") {
    directory("root");
    link("to-root", "root");
    FileWatch linked(at("to-root"));
    linked.watch({"/file"});
    pollfd fd{linked.fd(), POLLIN, 0};
    REQUIRE(poll(&fd, 1, kTimeout) == 1);
    REQUIRE(linked.take().at(0).exists == Truth::False);
    file("root/file");
    REQUIRE(poll(&fd, 1, kTimeout) == 1);
    CHECK(linked.take().at(0).exists == Truth::True);
}

TEST_CASE_FIXTURE(Watch, "a mount covers a file and lays it bare again") {
    file("mnt/file");
    files.watch({"/mnt/file", "/mnt/new"});
    CHECK(there("/mnt/file"));
    CHECK(gone("/mnt/new"));
    if (mount("devmux-test", at("mnt").c_str(), "tmpfs", 0, "size=64k") != 0) {
        MESSAGE("skipped: needs root to mount");
        return;
    }
    CHECK(gone("/mnt/file"));
    file("mnt/new");
    CHECK(there("/mnt/new"));
    CHECK(umount2(at("mnt").c_str(), MNT_DETACH) == 0);
    CHECK(there("/mnt/file"));
    CHECK(gone("/mnt/new"));
}

TEST_CASE_FIXTURE(Watch, "an automount that nobody has mounted is not triggered, and unknown") {
    // An autofs whose daemon is this pipe: a lookup that triggered it would write into it, and
    // hang until the kernel is answered. Documentation/filesystems/autofs.rst
    directory("auto");
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    Descriptor requests(ends[0]), kernel(ends[1]);
    // The daemon's own process group sees no automounts ("oz mode"): be in another one.
    pid_t daemon = fork();
    if (daemon == 0) {
        setpgid(0, 0);
        std::string options = "fd=" + std::to_string(kernel.get()) +
                              ",pgrp=" + std::to_string(getpid()) + ",minproto=5,maxproto=5,direct";
        _exit(mount("devmux-test", at("auto").c_str(), "autofs", 0, options.c_str()) == 0 ? 0 : 1);
    }
    siginfo_t end{};
    REQUIRE(waitid(P_PID, static_cast<id_t>(daemon), &end, WEXITED) == 0);
    if (end.si_status != 0) {
        MESSAGE("skipped: needs root and autofs");
        return;
    }
    files.watch({"/auto", "/auto/file", "/auto/dir/file"});
    CHECK(there("/auto"));
    CHECK(unknown("/auto/file"));
    CHECK(unknown("/auto/dir/file"));
    pollfd asked{requests.get(), POLLIN, 0};
    CHECK(poll(&asked, 1, 0) == 0);
    CHECK(umount2(at("auto").c_str(), MNT_DETACH) == 0);
    CHECK(gone("/auto/file"));
}

TEST_CASE_FIXTURE(Watch, "idle is idle, and directories of no more concern are let go") {
    file("deep/er/file");
    files.watch({"/deep/er/file", "/deep/er/other"});
    CHECK(there("/deep/er/file"));
    remove("deep/er/file");
    CHECK(gone("/deep/er/file"));
    CHECK(watched_directories() == 3);
    files.watch({"/x"});
    CHECK(gone("/x"));
    file("x");
    CHECK(there("/x"));
    CHECK(watched_directories() == 1);
    // The worker must not be kept awake by its own watches: so long a silence costs no CPU time.
    std::clock_t before = std::clock();
    CHECK_FALSE(readable(100));
    CHECK(std::clock() - before < CLOCKS_PER_SEC / 20);
}

TEST_CASE("a dead mount holds up neither the caller nor the end") {
    DeadMount dead;
    if (!dead.mounted) return;
    auto begin = std::chrono::steady_clock::now();
    {
        FileWatch files(dead.path());
        files.watch({"/alive", "/dead/file"});
        REQUIRE(dead.asked());
        std::vector<FileSeen> seen = files.take();
        REQUIRE(seen.size() == 1);
        CHECK(seen[0].path == "/alive");
        files.watch({"/alive"});
        CHECK(files.take().empty());
    }
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(50));
    // The end of `dead` ends the request, and with it the worker that was left behind.
}

TEST_CASE("a dead mount that comes to an end: the set of now is answered, not the one of then") {
    DeadMount dead;
    if (!dead.mounted) return;
    FileWatch files(dead.path());
    files.watch({"/alive", "/dead/file"});
    REQUIRE(dead.asked());
    files.watch({"/other"});
    dead.end();
    pollfd fd{files.fd(), POLLIN, 0};
    REQUIRE(poll(&fd, 1, kTimeout) == 1);
    std::vector<FileSeen> seen = files.take();
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].path == "/other");
    CHECK(seen[0].exists == Truth::False);
}

TEST_CASE("more changes than the kernel keeps: looked at again, all of it") {
    DeadMount dead;
    if (!dead.mounted) return;
    dead.directory("busy");
    FileWatch files(dead.path());
    files.watch({"/busy/mine", "/dead/file"});
    // With the worker stuck in the dead mount, nobody reads the events of busy/.
    REQUIRE(dead.asked());
    REQUIRE(files.take().at(0).exists == Truth::False);
    int kept = 0;
    std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> kept;
    REQUIRE(kept > 0);
    const std::string other = dead.at("busy/other");
    for (int i = 0; i <= kept / 2; ++i) {
        Descriptor made(open(other.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        unlink(other.c_str());
    }
    dead.file("busy/mine");
    dead.end();
    Truth mine = Truth::False;
    pollfd fd{files.fd(), POLLIN, 0};
    while (mine != Truth::True && poll(&fd, 1, kTimeout) == 1)
        for (const FileSeen& file : files.take())
            if (file.path == "/busy/mine") mine = file.exists;
    CHECK(mine == Truth::True);
}

TEST_SUITE_END();
