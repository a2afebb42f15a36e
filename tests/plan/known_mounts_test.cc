// What conditions make of mounts: now, and of what boot is going to mount.
#include "engine/plan/known_mounts.h"

#include <doctest/doctest.h>

#include "conditions/condition.h"
#include "conditions/grammar.h"
#include "engine/plan/kernel_arguments.h"
#include "engine/plan/watch_index.h"
#include "tests/support/facts.h"

using namespace devmux;

namespace {

const Mount kExt4{"/", "ext4", "/dev/vda2"}, kEmpty{"/", "rootfs", "rootfs"};

struct Row {
    const char* text;
    Mount now, listed;
    const char* command_line;
    Truth truth;     // as any condition asks
    Truth expected;  // as boot-if asks
    const char* seen;
};

FactKey key_of(const std::string& text, bool expected) {
    test::TestClasses classes;
    auto condition = parse_condition(text, classes);
    REQUIRE(condition);
    if (expected) ask_expected(*condition);
    return condition->fact;
}

}  // namespace

TEST_SUITE("plan/known_mounts") {
    constexpr Truth T = Truth::True, F = Truth::False, U = Truth::Unknown;

    TEST_CASE("mounted, on a type, and what boot is going to mount") {
        const Mount none, nfs{"/usr", "nfs4", "s:/usr"}, listed{"/usr", "nfs", "s:/usr"}, waits{"/usr", "autofs", "systemd-1"};
        for (const Row& row : std::initializer_list<Row>{
                 {"/usr mounted", none, none, "", U, U, ""},
                 {"/usr on nfs", none, listed, "root=/dev/nfs", U, U, ""},
                 {"/usr mounted", nfs, none, "", T, T, "on nfs4 (s:/usr)"},
                 {"/usr mounted", kExt4, listed, "", F, F, "not mounted; it lies on ext4 (/dev/vda2), mounted at /"},
                 {"/usr mounted", waits, listed, "", F, F, "not mounted: an automount that nobody has used yet"},
                 {"/usr on nfs", nfs, none, "", T, T, "on nfs4 (s:/usr)"},
                 {"/usr on nfs4", nfs, none, "", T, T, "on nfs4 (s:/usr)"},
                 {"/usr on nfs4", {"/usr", "nfs", "s:/usr"}, none, "", F, F, "on nfs (s:/usr)"},
                 {"/usr on ext4", nfs, none, "", F, F, "on nfs4 (s:/usr)"},
                 {"/usr on fuse.x", {"/usr", "fuse.X", ""}, none, "", T, T, "on fuse.X"},
                 // Below a mount point: what it lies on.
                 {"/usr/share on nfs", nfs, none, "", T, T, "on nfs4 (s:/usr), mounted at /usr"},
                 {"/usr on ext4", kExt4, none, "", T, T, "on ext4 (/dev/vda2), mounted at /"},
                 // Not mounted yet, and listed.
                 {"/usr on nfs", kExt4, listed, "", F, T, "not mounted yet; /etc/fstab says nfs (s:/usr)"},
                 {"/usr on nfs4", kExt4, listed, "", F, F, "not mounted yet; /etc/fstab says nfs (s:/usr)"},
                 {"/usr on ext4", kExt4, listed, "", T, F, "not mounted yet; /etc/fstab says nfs (s:/usr)"},
                 {"/usr on nfs", waits, listed, "", F, T, "not mounted yet; /etc/fstab says nfs (s:/usr)"},
                 {"/usr on nfs", waits, none, "", F, F, "not mounted: an automount that nobody has used yet"},
                 // Mounted already: what is there counts, whatever the list says.
                 {"/usr on nfs", {"/usr", "xfs", "/dev/vdb"}, listed, "", F, F, "on xfs (/dev/vdb)"},
                 {"/usr/local/bin on xfs", {"/usr/local", "xfs", "/dev/vdb"}, listed, "", T, T, "on xfs (/dev/vdb), mounted at /usr/local"},
                 {"root on nfs", kExt4, {"/", "nfs", "s:/"}, "root=/dev/nfs nfsroot=s:/", F, F, "on ext4 (/dev/vda2)"},
                 // The kernel's first root: its command line says which one comes.
                 {"root on nfs", kEmpty, none, "quiet root=/dev/nfs nfsroot=10.0.2.2:/srv", F, T,
                  "not mounted yet; the kernel's command line says nfs (10.0.2.2:/srv)"},
                 {"/usr on nfs", kEmpty, none, "root=/dev/nfs", F, T, nullptr},
                 {"root on nfs", kEmpty, none, "nfsroot=10.0.2.2:/srv", F, T, nullptr},
                 {"root on nfs", kEmpty, none, "root=dhcp nfsroot=10.0.2.2:/srv", F, T, nullptr},
                 {"root on nfs", kEmpty, none, "boot=nfs", F, T, nullptr},
                 {"root on nfs4", kEmpty, none, "root=nfs4:10.0.2.2:/srv", F, T,
                  "not mounted yet; the kernel's command line says nfs4 (10.0.2.2:/srv)"},
                 {"root on nfs", kEmpty, none, "root=nfs:/srv", F, T, nullptr},
                 {"root on nfs", kEmpty, none, "root=/dev/vda2 nfsroot=10.0.2.2:/srv", F, F, nullptr},
                 {"root on ext4", kEmpty, none, "root=/dev/vda2 rootfstype=ext4", F, T, nullptr},
                 {"root on btrfs", kEmpty, {"/", "btrfs", "LABEL=r"}, "root=/dev/vda2", F, T,
                  "not mounted yet; /etc/fstab says btrfs (LABEL=r)"},
                 {"root on nfs", kEmpty, none, "", F, F, "on rootfs (rootfs)"},
                 {"root on nfs", kEmpty, none, "xroot=/dev/nfs nfsrootdebug", F, F, "on rootfs (rootfs)"},
                 // In a chroot whose own mount cannot be seen.
                 {"/usr on nfs", {"/", "", ""}, none, "", U, U, "on a file system that cannot be seen from here, mounted at /"},
                 {"/usr mounted", {"/", "", ""}, none, "", F, F, nullptr},
                 // What a server or a user called it.
                 {"/usr on nfs", {"/usr", "n\033fs", "\033[31m"}, none, "", F, F, "on n\\x1bfs (\\x1b[31m)"},
             }) {
            CAPTURE(row.text);
            CAPTURE(row.command_line);
            FactKey key = key_of(row.text, false), asked = key_of(row.text, true);
            KnownMounts mounts;
            take_in({std::string(mount_path(key)), row.now, row.listed}, mounts);
            auto truth = [&](const FactKey& k) {
                return k.kind == FactKind::Mounted ? is_mounted(mounts, k) : is_on_type(mounts, k, row.command_line);
            };
            CHECK(truth(key) == row.truth);
            CHECK(truth(asked) == row.expected);
            if (row.seen) CHECK(seen_of_mounts(mounts, asked, row.command_line) == row.seen);
        }
    }

    TEST_CASE("what boot is going to mount is asked for by types alone, at any depth of a condition") {
        test::TestClasses classes;
        auto condition = parse_condition("not (/usr on nfs or (mouse and root on nfs for 2s)) and /usr mounted", classes);
        REQUIRE(condition);
        std::string before = to_string(*condition);
        ask_expected(*condition);
        std::string expected;
        each_leaf(*condition, [&](const Condition& leaf) {
            if (leaf.fact.expected) expected += to_string(leaf) + "; ";
        });
        CHECK(expected == "/usr on nfs; root on nfs; ");
        CHECK(to_string(*condition) == before);
    }

    TEST_CASE("news that are none") {
        KnownMounts mounts;
        CHECK_FALSE(take_in({"/a", {}, {}}, mounts));
        CHECK(take_in({"/a", kExt4, {}}, mounts));
        CHECK_FALSE(take_in({"/a", kExt4, {}}, mounts));
        CHECK(take_in({"/a", kExt4, {"/a", "nfs", "x"}}, mounts));
        CHECK(take_in({"/a", {}, {}}, mounts));
        CHECK(mounts.empty());
    }

    TEST_CASE("units are indexed by the path that they ask about") {
        WatchIndex index;
        index.add(key_of("/usr mounted", false), 1);
        index.add(key_of("/usr on nfs", true), 2);
        index.add(key_of("root on nfs", false), 3);
        index.add(key_of("/srv on ext4", false), 4);
        CHECK(index.facts(FactKind::Mounted).size() == 3);
        auto concerned = [&](const char* path) {
            std::string out;
            index.each_watching({FactKind::Mounted, path}, [&](UnitIndex unit) { out += std::to_string(unit); });
            return out;
        };
        CHECK(concerned("/usr") == "12");
        CHECK(concerned("/") == "3");
        CHECK(concerned("/srv") == "4");
        CHECK(concerned("/usr/share").empty());
    }
}
