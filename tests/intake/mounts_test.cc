// The tree of mounts from files with hostile content, and a watch of it on files and on real mounts.
// Nothing sleeps: every wait is a poll() with a timeout that only a failing test reaches.
#include "engine/intake/mounts.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "engine/intake/mount_files.h"
#include "tests/intake/temp_tree.h"

using namespace devmux;

namespace {

constexpr int kTimeout = 20'000;

std::string on(const Mount& mount) { return mount.type + " " + mount.source + " at " + mount.point; }

MountTable table_of(const std::string& text) {
    TempTree files;
    files.file("mountinfo", text);
    auto table = read_mountinfo(files.at("mountinfo"));
    REQUIRE(table);
    return *table;
}

MountList list_of(const std::string& text) {
    TempTree files;
    files.file("fstab", text);
    auto list = read_fstab(files.at("fstab"));
    REQUIRE(list);
    return *list;
}

std::string line(int id, int parent, const std::string& point, const std::string& type, const std::string& source) {
    return std::to_string(id) + " " + std::to_string(parent) + " 0:1 / " + point + " rw,relatime shared:1 - " + type +
           " " + source + " rw\n";
}

const std::string kRoot = line(20, 1, "/", "ext4", "/dev/vda2");

// The answers of a watch, as they come.
struct Answers {
    MountWatch& watch;
    std::map<std::string, MountSeen> seen{};

    bool readable(int timeout) const {
        pollfd fd{watch.fd(), POLLIN, 0};
        return poll(&fd, 1, timeout) == 1;
    }
    void take() {
        for (const MountSeen& mount : watch.take().mounts) seen[mount.path] = mount;
    }
    bool becomes(const std::string& path, const std::string& wanted) {
        while (true) {
            take();
            if (seen.contains(path) && on(seen[path].now) == wanted) return true;
            if (!readable(kTimeout)) return false;
        }
    }
};

}  // namespace

TEST_SUITE("intake/mounts") {
    TEST_CASE("a path lies on the mount that one sees there") {
        MountTable table = table_of(kRoot + line(21, 20, "/usr", "nfs4", "server:/usr") + line(22, 21, "/usr/local", "xfs", "/dev/vdb") +
                                    line(23, 20, "/a\\040b", "tmpfs", "t") + line(24, 20, "/usr2", "btrfs", "x"));
        for (auto [path, wanted] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"/", "ext4 /dev/vda2 at /"},
                 {"/etc", "ext4 /dev/vda2 at /"},
                 {"/usr", "nfs4 server:/usr at /usr"},
                 {"/usr/share/x", "nfs4 server:/usr at /usr"},
                 {"/usr/local", "xfs /dev/vdb at /usr/local"},
                 {"/usr/local/bin", "xfs /dev/vdb at /usr/local"},
                 {"/usr/localx", "nfs4 server:/usr at /usr"},
                 {"/usr2", "btrfs x at /usr2"},
                 {"/us", "ext4 /dev/vda2 at /"},
                 {"/a b", "tmpfs t at /a b"},
                 {"/a b/c", "tmpfs t at /a b"},
                 {"/1/2/3/4/5/6/7/8/9", "ext4 /dev/vda2 at /"},
                 {"/usr/local/1/2/3/4/5/6/7/8/9", "xfs /dev/vdb at /usr/local"},
             }) {
            const auto* path_shown = path;
            CAPTURE(path_shown);
            CHECK(on(table.at(path)) == wanted);
        }
    }

    TEST_CASE("of mounts at one place the topmost counts, and what is covered does not") {
        // /a/b was mounted before something was mounted over /a; twice on /s; and the root itself is covered.
        std::string text = kRoot + line(21, 20, "/a/b", "ext4", "old") + line(22, 20, "/a", "tmpfs", "new") +
                           line(23, 20, "/s", "xfs", "below") + line(24, 23, "/s", "nfs", "top:/");
        MountTable table = table_of(text);
        CHECK(on(table.at("/a/b")) == "tmpfs new at /a");
        CHECK(on(table.at("/s")) == "nfs top:/ at /s");
        CHECK(on(table.at("/s/x")) == "nfs top:/ at /s");
        table = table_of(text + line(25, 20, "/", "overlay", "overlay") + line(26, 25, "/s", "btrfs", "seen"));
        CHECK(on(table.at("/a/b")) == "overlay overlay at /");
        CHECK(on(table.at("/s")) == "btrfs seen at /s");
        // The order of the lines says nothing.
        table = table_of(line(24, 23, "/s", "nfs", "top:/") + line(23, 20, "/s", "xfs", "below") + kRoot);
        CHECK(on(table.at("/s")) == "nfs top:/ at /s");
    }

    TEST_CASE("a root that is its own parent, and mounts in a chroot whose parents are out of sight") {
        CHECK(on(table_of(line(1, 1, "/", "rootfs", "rootfs")).at("/usr")) == "rootfs rootfs at /");
        MountTable table = table_of(line(30, 7, "/proc", "proc", "proc") + line(31, 30, "/proc/x", "tmpfs", "x"));
        CHECK(table.at("/etc").point.empty());
        CHECK(on(table.at("/proc/x/y")) == "tmpfs x at /proc/x");
    }

    TEST_CASE("lines that make no sense are passed over, and nothing leads in a circle") {
        std::string nonsense = "\n# comment\n36 35\nx y z\n36 20 98:0 / /bad rw -\n36 20 98:0 / relative rw - ext4 x rw\n";
        nonsense += std::string(100'000, 'x') + "\n" + std::string("\0\xff\xfe\n", 4) + "99999999999999999999 1 0:1 / /big rw - a b rw\n";
        MountTable table = table_of(kRoot + nonsense + line(21, 20, "/usr", "xfs", "x"));
        CHECK(on(table.at("/usr")) == "xfs x at /usr");
        CHECK(on(table.at("/bad")) == "ext4 /dev/vda2 at /");
        table = table_of(kRoot + line(40, 41, "/c", "a", "a") + line(41, 40, "/c", "b", "b") + line(50, 20, "/d", "c", "c") +
                         line(20, 50, "/d", "d", "d"));
        table.at("/c/x");
        table.at("/d/x");
        CHECK(table_of("").at("/").point.empty());
        std::string source(5000, 's');
        CHECK(table_of(line(20, 1, "/", "ext4", source)).at("/").source.size() == kMountSourceBytes);
        TempTree files;
        CHECK_FALSE(read_mountinfo(files.at("none")));
    }

    TEST_CASE("the server of a network file system: an address, never a name") {
        auto server = [](const std::string& type, const std::string& options) {
            return table_of("20 1 0:1 / / rw,relatime shared:1 - " + type + " s:/srv rw," + options + "\n").at("/").server;
        };
        CHECK(server("nfs4", "vers=4.2,clientaddr=10.0.2.15,local_lock=none,addr=10.0.2.2") == "10.0.2.2");
        CHECK(server("nfs", "mountaddr=10.0.2.3,mountvers=3,addr=10.0.2.2") == "10.0.2.2");
        CHECK(server("nfs4", "addr=2001:DB8:0:0::1") == "2001:db8::1");
        CHECK(server("nfs4", "addr=fe80::1%eth0") == "fe80::1");
        CHECK(server("nfs4", "addr=::ffff:10.0.2.2") == "10.0.2.2");
        CHECK(server("cifs", "vers=3.1.1,addr=10.0.2.2,file_mode=0755") == "10.0.2.2");
        for (const char* none : {"vers=4.2", "addr=", "addr", "addr=server", "addr=10.0.2", "addr=10.0.2.2.2", "xaddr=10.0.2.2"}) {
            CAPTURE(none);
            CHECK(server("nfs4", none).empty());
        }
        CHECK(server("nfs4", "addr=" + std::string(100'000, '1')).empty());
        CHECK(server("ext4", "addr=10.0.2.2").empty());
    }

    TEST_CASE("ten thousand lines") {
        std::string text = kRoot;
        for (int i = 0; i < 10'000; ++i) text += line(100 + i, 20, "/m/" + std::to_string(i), "tmpfs", "t" + std::to_string(i));
        MountTable table = table_of(text);
        CHECK(on(table.at("/m/9999/x")) == "tmpfs t9999 at /m/9999");
        CHECK(on(table.at("/m")) == "ext4 /dev/vda2 at /");
    }

    TEST_CASE("what boot is going to mount") {
        MountList list = list_of("# comment\n"
                                 "UUID=1-2 / ext4 defaults 0 1\n"
                                 "server:/usr /usr/ nfs ro 0 0\n"
                                 "server:/home\t/home\tauto\tdefaults\n"
                                 "/dev/sdb /data auto defaults 0 0\n"
                                 "/dev/sdc /later ext4 noauto 0 0\n"
                                 "server:/auto /used nfs4 noauto,x-systemd.automount 0 0\n"
                                 "/usr/share/doc /doc none bind 0 0\n"
                                 "/doc/x /doc2 none ro,rbind 0 0\n"
                                 "/loop/a /loop none bind 0 0\n"
                                 "/dev/sdd none swap sw 0 0\n"
                                 "/dev/sde relative ext4\n"
                                 "broken\n"
                                 "s:/x /with\\040space nfs4 _netdev 0 0\n");
        for (auto [path, wanted] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"/", "ext4 UUID=1-2 at /"},
                 {"/usr", "nfs server:/usr at /usr"},
                 {"/usr/share", "nfs server:/usr at /usr"},
                 {"/home/x", "nfs server:/home at /home"},
                 {"/data", "auto /dev/sdb at /data"},
                 {"/later", "ext4 UUID=1-2 at /"},
                 {"/used", "nfs4 server:/auto at /used"},
                 {"/doc", "nfs server:/usr at /doc"},
                 {"/doc2/y", "nfs server:/usr at /doc2"},
                 {"/loop", "  at "},
                 {"/with space/x", "nfs4 s:/x at /with space"},
             }) {
            const auto* path_shown = path;
            CAPTURE(path_shown);
            CHECK(on(list.at(path)) == wanted);
        }
        TempTree files;
        auto none = read_fstab(files.at("fstab"));
        REQUIRE(none);
        CHECK(none->at("/usr").point.empty());
    }

    TEST_CASE("facilities: all that is listed is mounted, the local or also that of the network") {
        const std::string fstab = "/dev/vda2 / ext4 defaults 0 1\n/dev/vdb /home xfs defaults\n/dev/vdc /data ext4 noauto\n"
                                  "/dev/vdd /maybe ext4 nofail\ns:/srv /srv nfs4 defaults\n/dev/sde none swap sw\n"
                                  "/dev/nbd0 /nbd ext4 _netdev\n/dev/vdf /used ext4 noauto,x-systemd.automount\n"
                                  "server:/x /auto auto defaults\n";
        MountList list = list_of(fstab);
        auto missing = [&](const MountTable& table, const std::string& facility, const std::string& root = "") {
            return on(look_at(table, list, root, facility).now);
        };
        std::string text = kRoot;
        CHECK(missing(table_of(text), "$local_fs") == "xfs /dev/vdb at /home");
        text += line(21, 20, "/home", "xfs", "/dev/vdb");
        CHECK(missing(table_of(text), "$local_fs") == "ext4 /dev/vdf at /used");
        text += line(22, 20, "/used", "autofs", "systemd-1");
        CHECK(missing(table_of(text), "$local_fs") == "  at $local_fs");
        CHECK(missing(table_of(text), "$remote_fs") == "nfs server:/x at /auto");
        text += line(23, 20, "/auto", "nfs4", "server:/x") + line(24, 20, "/nbd", "ext4", "/dev/nbd0");
        CHECK(missing(table_of(text), "$remote_fs") == "nfs4 s:/srv at /srv");
        text += line(25, 20, "/srv", "nfs4", "s:/srv");
        CHECK(missing(table_of(text), "$remote_fs") == "  at $remote_fs");
        // A root that is a folder has none of these.
        CHECK(missing(table_of(text), "$local_fs", "/home") == "xfs /dev/vdb at /home");
        list = list_of("");
        CHECK(missing(table_of(kRoot), "$remote_fs") == "  at $remote_fs");
    }

    TEST_CASE("a simulated table: mounts over mounts, and away again") {
        MountTable table;
        table.mount({"/", "ext4", "r"});
        table.mount({"/a", "xfs", "1"});
        table.mount({"/a/b", "nfs", "2"});
        table.mount({"/a", "tmpfs", "3"});
        CHECK(on(table.at("/a/b")) == "tmpfs 3 at /a");
        CHECK_FALSE(table.unmount("/a/b"));
        CHECK(table.unmount("/a"));
        CHECK(on(table.at("/a/b")) == "nfs 2 at /a/b");
        CHECK(table.unmount("/a"));
        CHECK(on(table.at("/a/b")) == "ext4 r at /");
        CHECK_FALSE(table.unmount("/a"));
    }

    TEST_CASE("a watch answers each path, and again for a new set") {
        TempTree files;
        files.file("mountinfo", kRoot + line(21, 20, "/usr", "nfs", "s:/usr"));
        files.file("etc/fstab", "s:/srv /srv nfs4 defaults\n");
        MountWatch watch("", files.at("mountinfo"));
        Answers answers{watch};
        CHECK_FALSE(answers.readable(0));
        watch.watch({"/usr", "/srv/x"});
        CHECK(answers.becomes("/usr", "nfs s:/usr at /usr"));
        CHECK(answers.becomes("/srv/x", "ext4 /dev/vda2 at /"));
        files.file("mountinfo", kRoot);
        watch.watch({"/usr"});
        CHECK(answers.becomes("/usr", "ext4 /dev/vda2 at /"));
        // The same answer, because it is another set.
        answers.seen.clear();
        watch.watch({"/usr"});
        CHECK(answers.becomes("/usr", "ext4 /dev/vda2 at /"));
        CHECK_FALSE(watch.take_trouble());
        // Gone: nothing is known, and why is told once.
        files.remove("mountinfo");
        watch.watch({"/usr"});
        CHECK(answers.becomes("/usr", "  at "));
        auto trouble = watch.take_trouble();
        REQUIRE(trouble);
        CHECK(trouble->to_string().find("mountinfo: cannot be read") != std::string::npos);
        CHECK_FALSE(watch.take_trouble());
    }

    TEST_CASE("below a root: paths, fstab, and a root that is no mount itself") {
        TempTree files;
        std::string root = std::filesystem::canonical(files.path()).string();
        files.file("etc/fstab", "s:/srv /srv nfs4 defaults\n");
        files.file("mountinfo", kRoot + line(21, 20, root + "/usr", "nfs", "s:/usr") + line(22, 20, "/usr", "xfs", "not below it"));
        MountWatch watch(root, files.at("mountinfo"));
        Answers answers{watch};
        watch.watch({"/usr", "/srv/x", "/"});
        CHECK(answers.becomes("/usr", "nfs s:/usr at /usr"));
        CHECK(answers.becomes("/srv/x", "ext4 /dev/vda2 at /"));
        CHECK(on(answers.seen["/srv/x"].listed) == "nfs4 s:/srv at /srv");
        CHECK(answers.becomes("/", "ext4 /dev/vda2 at /"));
    }

    // In a child with a mount namespace of its own: nothing of this is seen elsewhere.
    int with_real_mounts(const std::string& folder) {
        if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
        std::string at = std::filesystem::canonical(folder).string() + "/m m";
        std::filesystem::create_directory(at);
        MountWatch watch("", "/proc/self/mountinfo");
        Answers answers{watch};
        watch.watch({at, at + "/below"});
        if (!answers.readable(kTimeout)) return 1;
        answers.take();
        if (answers.seen[at].now.point.empty() || answers.seen[at].now.point == at) return 2;
        std::string before = on(answers.seen[at].now);
        if (mount("one", at.c_str(), "tmpfs", 0, "size=64k") != 0) return 77;
        if (!answers.becomes(at, "tmpfs one at " + at)) return 3;
        if (mount("two", at.c_str(), "tmpfs", 0, "size=64k") != 0) return 4;
        if (!answers.becomes(at + "/below", "tmpfs two at " + at)) return 5;
        for (int i = 0; i < 1000; ++i) {
            if (umount2(at.c_str(), MNT_DETACH) != 0) return 6;
            if (mount("three", at.c_str(), "tmpfs", 0, "size=64k") != 0) return 7;
        }
        if (!answers.becomes(at, "tmpfs three at " + at)) return 8;
        if (umount2(at.c_str(), MNT_DETACH) != 0 || umount2(at.c_str(), 0) != 0) return 9;
        if (!answers.becomes(at, before)) return 10;
        return answers.becomes(at + "/below", before) ? 0 : 11;
    }

    TEST_CASE("real mounts: stacked, a thousand quick ones, and gone") {
        TempTree files;
        pid_t child = fork();
        if (child == 0) _exit(with_real_mounts(files.path()));
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        REQUIRE(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77) MESSAGE("nothing may be mounted here");
        else CHECK(WEXITSTATUS(status) == 0);
    }
}
