// Whose the runtime directory is: one daemon's at a time, and nobody else's to write into.
#include "engine/run/runtime_dir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "engine/run/process_stat.h"
#include "tests/run/temp_dir.h"

using namespace devmux;

namespace {

std::string refusal(const std::string& path) {
    auto runtime = RuntimeDir::open(path, "/proc", Duration{});
    REQUIRE(!runtime);
    return runtime.error().to_string();
}

mode_t mode_of(const std::string& path) {
    struct stat status {};
    REQUIRE(lstat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

}  // namespace

TEST_SUITE("run/runtime_dir") {
    TEST_CASE("made as it must be, whatever the umask, and opened again") {
        TempDir dir;
        mode_t old = umask(077);
        {
            auto runtime = RuntimeDir::open(dir / "run", "/proc");
            umask(old);
            REQUIRE(runtime);
            CHECK(mode_of(dir / "run") == 0755);
            CHECK(mode_of(dir / "run/log") == 0755);
            CHECK(runtime->log_path() == dir / "run/log");
            auto self = process_stat("/proc", getpid());
            REQUIRE(self);
            CHECK(dir.read("run/lock") ==
                  std::to_string(getpid()) + " " + std::to_string(self->start_ticks) + "\n");
            CHECK((fcntl(runtime->fd(), F_GETFD) & FD_CLOEXEC) != 0);
        }
        dir.write("run/lock", "999999999 12345678901234567890 and more than before\n");
        CHECK(RuntimeDir::open(dir / "run", "/proc", Duration{}));
        CHECK(dir.read("run/lock").find("more") == std::string::npos);
    }

    TEST_CASE("directories that are not ours alone") {
        TempDir dir;
        std::string run = dir / "run";
        mkdir(run.c_str(), 0755);
        chmod(run.c_str(), 0775);
        CHECK(refusal(run).find("may be written by others (mode 0775)") != std::string::npos);
        CHECK(refusal(run).find("chmod go-w " + run) != std::string::npos);
        chmod(run.c_str(), 01757);
        CHECK(refusal(run).find("(mode 1757)") != std::string::npos);
        chmod(run.c_str(), 0755);
        mkdir((run + "/log").c_str(), 0755);
        chmod((run + "/log").c_str(), 0777);
        CHECK(refusal(run).starts_with(run + "/log: may be written"));
        chmod((run + "/log").c_str(), 0700);
        std::filesystem::create_symlink("run", dir / "link");
        CHECK(refusal(dir / "link").find("symbolic link") != std::string::npos);
        dir.write("file", "");
        CHECK(refusal(dir / "file").find("no directory") != std::string::npos);
        CHECK(refusal(dir / "not/there").find("No such file") != std::string::npos);
        if (geteuid() == 0) {
            REQUIRE(chown(run.c_str(), 65534, 65534) == 0);
            CHECK(refusal(run).find("belongs to user 65534, expected 0") != std::string::npos);
            REQUIRE(chown(run.c_str(), 0, 0) == 0);
        }
        CHECK(RuntimeDir::open(run, "/proc", Duration{}));
    }

    TEST_CASE("a second daemon is refused, and told who has it") {
        TempDir dir;
        int ready[2], quit[2];
        REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
        REQUIRE(pipe2(quit, O_CLOEXEC) == 0);
        pid_t daemon = fork();
        if (daemon == 0) {
            close(quit[1]);
            auto runtime = RuntimeDir::open(dir / "run", "/proc");
            char x = runtime ? 'y' : 'n';
            if (write(ready[1], &x, 1) != 1 || read(quit[0], &x, 1) != 0) _exit(2);
            _exit(0);
        }
        char x = 0;
        REQUIRE(read(ready[0], &x, 1) == 1);
        CHECK(x == 'y');
        auto second = RuntimeDir::open(dir / "run", "/proc");  // at once, not after the patience
        REQUIRE(!second);
        CHECK(second.error().to_string().starts_with(
            "already running as pid " + std::to_string(daemon) + " on " + (dir / "run")));
        // Dead but not reaped: nobody's any more.
        close(quit[1]);
        siginfo_t info{};
        REQUIRE(waitid(P_PID, static_cast<id_t>(daemon), &info, WEXITED | WNOWAIT) == 0);
        CHECK(RuntimeDir::open(dir / "run", "/proc", Duration{}));
        REQUIRE(waitpid(daemon, nullptr, 0) == daemon);
        for (int fd : {ready[0], ready[1], quit[0]}) close(fd);
    }

    TEST_CASE("a number in the lock file that is now somebody else's, or no number") {
        TempDir dir;
        { REQUIRE(RuntimeDir::open(dir / "run", "/proc")); }
        Descriptor held(open((dir / "run/lock").c_str(), O_RDWR | O_CLOEXEC));
        REQUIRE(flock(held.get(), LOCK_EX) == 0);
        for (std::string text : {"1 1\n", "", "x", "-1 0", "999999999 1"}) {
            if (text == "1 1\n" && process_stat("/proc", 1)->start_ticks == 1) continue;
            dir.write("run/lock", text);
            CHECK(refusal(dir / "run").find("still held") != std::string::npos);
        }
        auto self = process_stat("/proc", getpid());
        dir.write("run/lock", std::to_string(getpid()) + " " + std::to_string(self->start_ticks));
        CHECK(refusal(dir / "run").starts_with("already running as pid"));
    }
}
