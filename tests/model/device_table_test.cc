// The sharp corners of the device table: late events and later walks, graves, moves with all that stands
// below, udev's word and its records, and doubt. A line of a test is an event, a look or a walk.
#include "engine/model/device_table.h"

#include <doctest/doctest.h>

#include "engine/intake/uevent.h"

using namespace devmux;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<const ClassSet> classes() {
    auto set = std::make_shared<ClassSet>();
    DeviceClass c;
    c.name = "link";
    c.subsystems = {"net"};
    REQUIRE_FALSE(set->add(std::move(c)));
    REQUIRE(set->finish().empty());
    return set;
}

struct Say {
    std::string action, path;
    uint64_t seqnum = 0;
    uint64_t inode = 0;  // of what stands there when it is read; 0: nothing does
    Transport via = Transport::Kernel;
    std::string from{}, more{};
    bool synthetic = false;
    uint64_t ifindex = 0;
};

struct Table {
    DeviceTable table{classes()};
    std::vector<DeviceChange> changes;
    Time now{100s};

    static std::string block(const std::string& more) {
        return "SUBSYSTEM=net" + std::string(1, '\0') + more + (more.empty() ? "" : std::string(1, '\0'));
    }
    Effect say(const Say& s, bool raise = false) {
        std::string text = s.action + "@" + s.path + '\0' + "ACTION=" + s.action + '\0' + "DEVPATH=" + s.path + '\0' +
                           (s.from.empty() ? "" : "DEVPATH_OLD=" + s.from + '\0') +
                           (s.synthetic ? "SYNTH_UUID=0" + std::string(1, '\0') : "") + block(s.more) +
                           "SEQNUM=" + std::to_string(s.seqnum) + '\0';
        auto uevent = parse_uevent(text);
        REQUIRE(uevent);
        Standing standing;
        standing.exists = standing.device = s.inode != 0;
        standing.generation = {.inode = s.inode, .ifindex = s.ifindex};
        changes.clear();
        DeviceEvent event{*uevent, standing, s.via};
        return raise ? table.raise(event, now, changes) : table.apply(event, now, changes);
    }
    struct Found {
        std::string path;
        uint64_t inode;
        std::optional<std::string> udev{};
        std::string more{};
    };
    static FoundDevice found(const Found& f) {
        FoundDevice out{.devpath = f.path, .subsystem = "net", .block = "DEVPATH=" + f.path + '\0' + block(f.more),
                        .standing = {.exists = true, .device = true, .generation = {.inode = f.inode}}, .udev = f.udev};
        return out;
    }
    void walk(uint64_t seqnum, const std::vector<Found>& all) {
        Snapshot snapshot{.devices = {}, .seqnum = seqnum};
        for (const Found& f : all) snapshot.devices.push_back(found(f));
        changes.clear();
        table.apply(snapshot, now, changes);
    }
    void look(const std::string& path, std::optional<Found> f, uint64_t seqnum) {
        changes.clear();
        table.apply(LookedAt{path, f ? std::optional(found(*f)) : std::nullopt, seqnum}, now, changes);
    }
    // "a b": who is known; with "?" where it is not ready.
    std::string known() const {
        std::string out;
        table.each([&](const Device& d) {
            out += (out.empty() ? "" : " ") + std::string(d.devpath().substr(9)) + (d.ready() ? "" : "?");
        });
        return out;
    }
    uint64_t inode(const std::string& path) const { return table.find(path)->generation().inode; }
    // How many of a kind there were in the last step.
    size_t count(DeviceChange::Kind kind) const {
        size_t n = 0;
        for (const DeviceChange& c : changes) n += c.kind == kind;
        return n;
    }
};

using Kind = DeviceChange::Kind;

}  // namespace

TEST_SUITE("model/device_table") {
    TEST_CASE("what is older than what was taken in changes nothing") {
        Table t;
        CHECK(t.say({"add", "/devices/a", 10, 1}) == Effect::Taken);
        CHECK(t.say({"change", "/devices/a", 9, 1}) == Effect::Late);
        CHECK(t.say({"remove", "/devices/a", 8}) == Effect::Late);
        CHECK(t.known() == "a");
        CHECK(t.say({"remove", "/devices/a", 11}) == Effect::Taken);
        CHECK(t.say({"add", "/devices/a", 10, 1}) == Effect::Late);
        CHECK(t.known().empty());
        // A removal that comes before its `add` is remembered as well.
        CHECK(t.say({"remove", "/devices/b", 21}) == Effect::Ignored);
        CHECK(t.say({"add", "/devices/b", 20}) == Effect::Late);
        CHECK(t.say({"add", "/devices/b", 22, 3}) == Effect::Taken);
        CHECK(t.known() == "b");
    }

    TEST_CASE("graves that were forgotten leave a number behind: sysfs is asked") {
        Table t;
        for (uint64_t n = 1; n <= 9000; ++n) {
            t.say({"add", "/devices/d" + std::to_string(n), 2 * n, n});
            t.say({"remove", "/devices/d" + std::to_string(n), 2 * n + 1});
        }
        CHECK(t.say({"add", "/devices/d1", 2, 0}) == Effect::Look);
        CHECK(t.say({"add", "/devices/d9000", 18000, 0}) == Effect::Late);
        CHECK(t.say({"add", "/devices/new", 20000, 7}) == Effect::Taken);
        CHECK(t.known() == "new");
    }

    TEST_CASE("an event that a walk was quicker than happened all the same") {
        Table t;
        t.walk(10, {{"/devices/a", 1}});
        CHECK(t.say({"add", "/devices/a", 9, 1}) == Effect::Behind);
        CHECK(t.say({"change", "/devices/a", 10, 1}) == Effect::Behind);
        CHECK(t.say({"change", "/devices/a", 8, 1}) == Effect::Late);  // in its order
        CHECK(t.say({"remove", "/devices/a", 10}) == Effect::Late);
        CHECK(t.say({"add", "/devices/gone", 10}) == Effect::Look);
        CHECK(t.say({"change", "/devices/a", 11}) == Effect::Taken);
        CHECK(t.known() == "a");
    }

    TEST_CASE("what is said before the `add` of who was found in another's place is of that one") {
        Table t;
        t.say({"add", "/devices/a", 5, 1});
        t.walk(10, {{"/devices/a", 2}});
        CHECK(t.inode("/devices/a") == 2);
        CHECK(t.say({"change", "/devices/a", 6}) == Effect::Late);
        CHECK(t.say({"change", "/devices/a", 6, 0, Transport::Udev}, true) == Effect::Late);
        CHECK(t.say({"add", "/devices/a", 8, 2}) == Effect::Behind);
        CHECK(t.say({"change", "/devices/a", 9}) == Effect::Behind);
    }

    TEST_CASE("a walk ends nobody who came after it began, and brings nobody back who went") {
        Table t;
        t.say({"add", "/devices/a", 11, 1});
        t.say({"add", "/devices/b", 12, 2});
        t.say({"remove", "/devices/b", 13});
        t.walk(10, {{"/devices/b", 2}});
        CHECK(t.known() == "a");
        t.walk(13, {});
        CHECK(t.known().empty());
    }

    TEST_CASE("an event since a walk began may have been of the one that the walk has found") {
        Table t;
        t.say({"add", "/devices/a", 5, 1});
        t.say({"change", "/devices/a", 11});  // its removal and the other's arrival were lost
        t.walk(10, {{"/devices/a", 2}});
        CHECK(t.inode("/devices/a") == 2);
        // Who got there since stays.
        t.say({"remove", "/devices/a", 12});
        t.say({"add", "/devices/a", 13, 3});
        t.walk(11, {{"/devices/a", 2}});
        CHECK(t.inode("/devices/a") == 3);
        t.say({"move", "/devices/b", 15, 3, Transport::Kernel, "/devices/a"});
        t.walk(14, {{"/devices/a", 3}, {"/devices/b", 4}});
        CHECK(t.known() == "b");
        CHECK(t.inode("/devices/b") == 3);
    }

    TEST_CASE("the kernel's announcement of who a walk has found is not of who has the path since") {
        Table t;
        t.walk(10, {{"/devices/a", 1}});
        CHECK(t.say({"add", "/devices/a", 11, 2}) == Effect::Taken);
        CHECK(t.count(Kind::Removed) == 0);
        CHECK(t.say({"remove", "/devices/a", 12}) == Effect::Taken);
        CHECK(t.say({"add", "/devices/a", 13, 2}) == Effect::Taken);
        CHECK(t.inode("/devices/a") == 2);
        // Helpers come in any order: there the path itself must be believed.
        CHECK(t.say({"change", "/devices/a", 15, 3, Transport::Hotplug}) == Effect::Taken);
        CHECK(t.inode("/devices/a") == 3);
        CHECK(t.say({"remove", "/devices/a", 14, 0, Transport::Hotplug}) == Effect::Late);
        CHECK(t.known() == "a");
    }

    TEST_CASE("a directory that stands a moment longer than its device is looked at once more") {
        Table t;
        t.say({"add", "/devices/a", 5, 1});
        t.say({"remove", "/devices/a", 6});
        t.walk(6, {{"/devices/a", 1}});
        CHECK(t.known().empty());
        CHECK(t.table.take_dying() == std::vector<std::string>{"/devices/a"});
        // … and believed then: the `add` may have been read when another had the path already.
        t.now += 1s;
        t.look("/devices/a", {{"/devices/a", 1}}, 6);
        CHECK(t.known() == "a");
        CHECK(t.table.take_dying().empty());
    }

    TEST_CASE("an old look at a device does not undo what came since") {
        Table t;
        t.say({"add", "/devices/a", 5, 1});
        t.look("/devices/a", std::nullopt, 4);
        CHECK(t.known() == "a");
        t.say({"change", "/devices/a", 6, 0, Transport::Kernel, "", "X=6"});
        t.look("/devices/a", {{"/devices/a", 1, {}, "X=5"}}, 5);
        CHECK(t.table.find("/devices/a")->property("X") == "6");
        t.look("/devices/a", {{"/devices/a", 1, {}, "X=7"}}, 6);
        CHECK(t.table.find("/devices/a")->property("X") == "7");
        t.say({"remove", "/devices/a", 8});
        t.look("/devices/a", {{"/devices/a", 9}}, 7);
        CHECK(t.known().empty());
    }

    TEST_CASE("who is gone has nothing below it") {
        Table t;
        t.say({"add", "/devices/a", 1, 1});
        t.say({"add", "/devices/a/b", 2, 2});
        t.say({"add", "/devices/a/b/c", 9, 3});
        t.look("/devices/a", std::nullopt, 5);
        CHECK(t.known() == "a/b/c");  // it came later, and with it, what its own events will tell
        CHECK(t.count(Kind::Removed) == 2);
    }

    TEST_CASE("a synthetic event is a word on what is there, and has its place in the order of words") {
        Table t;
        CHECK(t.say({"add", "/devices/a", 4, 0, Transport::Kernel, "", "", true}) == Effect::Look);
        t.say({"add", "/devices/a", 5, 1, Transport::Kernel, "", "X=5"});
        CHECK(t.say({"change", "/devices/a", 7, 0, Transport::Kernel, "", "X=7", true}) == Effect::Taken);
        CHECK(t.table.find("/devices/a")->property("X") == "7");
        // A helper that is late, with another one's word, or with an event.
        CHECK(t.say({"change", "/devices/a", 6, 1, Transport::Hotplug, "", "X=6", true}) == Effect::Taken);
        CHECK(t.say({"bind", "/devices/a", 6, 1, Transport::Hotplug, "", "X=6"}) == Effect::Taken);
        CHECK(t.table.find("/devices/a")->property("X") == "7");
        CHECK(t.say({"remove", "/devices/a", 8, 1, Transport::Kernel, "", "", true}) == Effect::Ignored);
        CHECK(t.say({"remove", "/devices/a", 9, 0, Transport::Kernel, "", "", true}) == Effect::Look);
        CHECK(t.known() == "a");
    }

    TEST_CASE("a move takes along all below, and their own word for where they are") {
        Table t;
        for (auto [path, n] : {std::pair("/devices/a", 1), {"/devices/a/b", 2}, {"/devices/a/b/c", 3}})
            t.say({"add", path, static_cast<uint64_t>(n), static_cast<uint64_t>(n)});
        CHECK(t.say({"move", "/devices/z", 4, 1, Transport::Kernel, "/devices/a"}) == Effect::Taken);
        CHECK(t.known() == "z z/b z/b/c");
        CHECK(t.count(Kind::Added) + t.count(Kind::Removed) == 0);
        CHECK(t.table.find("/devices/z/b/c")->property("DEVPATH") == "/devices/z/b/c");
        CHECK(t.table.find("/devices/z/b/c")->parent() == t.table.find("/devices/z/b"));
        // A walk that began before, and found them under their old paths.
        t.walk(3, {{"/devices/a", 1}, {"/devices/a/b", 2}, {"/devices/a/b/c", 3}});
        CHECK(t.known() == "z z/b z/b/c");
        t.look("/devices/a/b", {{"/devices/a/b", 2}}, 3);
        CHECK(t.known() == "z z/b z/b/c");
    }

    TEST_CASE("a move that a walk was quicker than, or that was lost, is a move") {
        Table t;
        t.say({"add", "/devices/a", 1, 1});
        t.say({"add", "/devices/a/b", 2, 2});
        t.walk(5, {{"/devices/z", 1}, {"/devices/z/b", 2}});
        CHECK(t.known() == "z z/b");
        CHECK(t.count(Kind::Added) + t.count(Kind::Removed) == 0);
        // Somebody was announced under the old path before the event is read.
        t.say({"add", "/devices/a/c", 6, 0});
        CHECK(t.say({"move", "/devices/z", 7, 1, Transport::Kernel, "/devices/a"}) == Effect::Taken);
        CHECK(t.known() == "z z/b z/c");
        // The same for a look.
        t.look("/devices/y", {{"/devices/y", 1}}, 9);
        CHECK(t.known() == "y y/b y/c");
    }

    TEST_CASE("a move seen twice by a walk is one device") {
        Table t;
        t.walk(4, {});
        CHECK(t.say({"move", "/devices/z", 6, 1, Transport::Kernel, "/devices/a"}) == Effect::Taken);
        t.walk(5, {{"/devices/a", 1}, {"/devices/z", 1}});
        CHECK(t.known() == "z");
    }

    TEST_CASE("a late move renames nobody who came to that path since") {
        Table t;
        t.say({"add", "/devices/a", 9, 2});
        CHECK(t.say({"move", "/devices/z", 5, 1, Transport::Hotplug, "/devices/a"}) == Effect::Look);
        CHECK(t.known() == "a");
    }

    TEST_CASE("udev raises whom it speaks of, once it is done") {
        Table t;
        t.table.await_udev(true, t.now, t.changes);
        t.say({"add", "/devices/a", 1, 1});
        CHECK(t.known() == "a?");
        CHECK(t.say({"add", "/devices/a", 1, 0, Transport::Udev, "", "ID_X=1"}, true) == Effect::Taken);
        CHECK(t.known() == "a");
        CHECK(t.table.find("/devices/a")->property("ID_X") == "1");
        // What the kernel says later counts more than udev's copy of something earlier.
        t.say({"change", "/devices/a", 3, 0, Transport::Kernel, "", "X=3"});
        t.say({"change", "/devices/a", 2, 0, Transport::Udev, "", "X=2"}, true);
        CHECK(t.table.find("/devices/a")->property("X") == "3");
        // Of who is gone, and of whoever had the path before.
        t.say({"remove", "/devices/a", 4});
        CHECK(t.say({"change", "/devices/a", 3, 0, Transport::Udev}, true) == Effect::Late);
        t.say({"add", "/devices/a", 5, 2});
        CHECK(t.say({"change", "/devices/a", 3, 0, Transport::Udev}, true) == Effect::Late);
        CHECK(t.known() == "a?");
        t.say({"remove", "/devices/a", 6});
        t.walk(9, {{"/devices/a", 3}});
        CHECK(t.say({"add", "/devices/a", 5, 0, Transport::Udev}, true) == Effect::Late);
        CHECK(t.say({"add", "/devices/a", 7, 0, Transport::Udev}, true) == Effect::Taken);
    }

    TEST_CASE("an interface that udev renames is ready under its new name") {
        Table t;
        t.table.await_udev(true, t.now, t.changes);
        t.say({"add", "/devices/net/eth0", 1, 1, Transport::Kernel, "", "IFINDEX=2"});
        // udev's copy comes before the kernel's word of the move.
        std::string word = std::string("IFINDEX=2") + '\0' + "INTERFACE_OLD=eth0" + '\0' + "ID_RENAMING=1";
        CHECK(t.say({"add", "/devices/net/lan", 1, 1, Transport::Udev, "", word}, true) == Effect::Taken);
        CHECK(t.known() == "net/eth0?");
        t.say({"move", "/devices/net/lan", 2, 1, Transport::Kernel, "/devices/net/eth0", "IFINDEX=2"});
        CHECK(t.known() == "net/lan?");
        t.say({"move", "/devices/net/lan", 2, 1, Transport::Udev, "/devices/net/eth0", "IFINDEX=2"}, true);
        CHECK(t.known() == "net/lan");
        CHECK(t.table.find("/devices/net/lan")->property("ID_RENAMING") == std::nullopt);
    }

    TEST_CASE("udev's copy of a move may come first") {
        Table t;
        t.table.await_udev(true, t.now, t.changes);
        t.say({"add", "/devices/net/eth0", 1, 1, Transport::Kernel, "", "IFINDEX=2"});
        CHECK(t.say({"move", "/devices/net/lan", 2, 1, Transport::Udev, "/devices/net/eth0", "IFINDEX=2"}) == Effect::Taken);
        CHECK(t.known() == "net/lan");
        // … or after a walk that was quicker than either.
        Table w;
        w.table.await_udev(true, w.now, w.changes);
        w.walk(5, {{"/devices/a", 1, {}, "IFINDEX=2"}});
        CHECK(w.known() == "a?");
        CHECK(w.say({"add", "/devices/a", 5, 1, Transport::Udev, "", "IFINDEX=2"}) == Effect::Behind);
        CHECK(w.known() == "a");
    }

    TEST_CASE("a record counts if it is of this device, and finished") {
        auto record = [](const char* us, const char* more = "") {
            return "USEC_INITIALIZED=" + std::string(us) + '\0' + more;
        };
        Table t;
        t.table.await_udev(true, t.now, t.changes);
        t.walk(1, {{"/devices/a", 1, record("5"), "IFINDEX=2"},
                   {"/devices/b", 2, std::nullopt, "IFINDEX=3"},
                   {"/devices/c", 3, std::string("ID_RENAMING=1") + '\0', "IFINDEX=4"}});
        CHECK(t.known() == "a b? c?");
        // Of a device that was announced, only one that is younger than that.
        t.say({"add", "/devices/d", 2, 4, Transport::Kernel, "", "IFINDEX=5"});
        t.look("/devices/d", {{"/devices/d", 4, record("5"), "IFINDEX=5"}}, 2);
        CHECK(t.known() == "a b? c? d?");
        t.look("/devices/d", {{"/devices/d", 4, record("100000001"), "IFINDEX=5"}}, 2);
        CHECK(t.known() == "a b? c? d");
    }

    TEST_CASE("of whom udev need not say anything is ready when it is done with all the others") {
        Table t;
        t.table.await_udev(true, t.now, t.changes);
        t.walk(1, {{"/devices/a", 1}, {"/devices/b", 2, std::nullopt, "MAJOR=1"}});
        CHECK(t.known() == "a? b?");
        t.say({"add", "/devices/b", 1, 0, Transport::Udev, "", "MAJOR=1"}, true);
        CHECK(t.known() == "a b");
        // Who is announced by itself waits for its own.
        t.say({"add", "/devices/c", 2, 3});
        t.say({"add", "/devices/d", 3, 4, Transport::Kernel, "", "MAJOR=1"});
        t.table.give_up_udev("/devices/d", t.now, t.changes);
        CHECK(t.known() == "a b c? d");
        t.table.await_udev(false, t.now, t.changes);
        CHECK(t.known() == "a b c d");
    }

    TEST_CASE("who is seen again is not in doubt, the others are until a walk") {
        Table t;
        t.walk(1, {{"/devices/a", 1}, {"/devices/b", 2}});
        t.table.doubt_all();
        t.say({"change", "/devices/a", 2});
        CHECK_FALSE(t.table.find("/devices/a")->in_doubt());
        CHECK(t.table.find("/devices/b")->in_doubt());
        t.walk(3, {{"/devices/a", 1}, {"/devices/b", 2}});
        CHECK_FALSE(t.table.find("/devices/b")->in_doubt());
        // udev speaks of a directory that is not there any more; of a helper it is not even taken.
        t.say({"add", "/devices/c", 4, 0, Transport::Udev});
        CHECK(t.table.find("/devices/c")->in_doubt());
        t.look("/devices/c", std::nullopt, 4);
        CHECK(t.known() == "a b");
    }

    TEST_CASE("an event of which nothing was read takes away nothing that is known of who it is") {
        Table t;
        // The directory had gone when the announcement was read; the event itself has the index.
        t.say({.action = "add", .path = "/devices/a", .seqnum = 10, .ifindex = 6});
        t.say({.action = "change", .path = "/devices/a", .seqnum = 11});
        CHECK(t.table.find("/devices/a")->generation().ifindex == 6);
        // So another of that name is another.
        t.say({.action = "add", .path = "/devices/a", .seqnum = 14, .inode = 2, .via = Transport::Hotplug, .ifindex = 8});
        CHECK(t.count(Kind::Removed) == 1);
        CHECK(t.count(Kind::Added) == 1);
    }

    TEST_CASE("attributes that were read tell who it is, and of nobody else") {
        Table t;
        t.say({"add", "/devices/a", 1, 0});
        t.changes.clear();
        t.table.apply(AttributesRead{"/devices/a", {.inode = 5}, {{"speed", "9"}}}, false, t.now, t.changes);
        CHECK(t.inode("/devices/a") == 5);
        CHECK(t.table.find("/devices/a")->attribute("speed").text == "9");
        t.table.apply(AttributesRead{"/devices/a", {.inode = 6}, {{"speed", "3"}}}, false, t.now, t.changes);
        CHECK(t.table.find("/devices/a")->attribute("speed").text == "9");
    }

    TEST_CASE("a walk that contradicts a read makes doubt, until a read, a look or another walk ends it") {
        Table t;
        const Device* a = nullptr;
        auto read = [&](const char* text) {
            t.changes.clear();
            t.table.apply(AttributesRead{"/devices/a", {.inode = 1}, {{"size", text}}}, false, t.now, t.changes);
        };
        auto sees = [&](const char* text) {
            FoundDevice found = Table::found({"/devices/a", 1});
            found.standing.attributes = {{"size", text}};
            return found;
        };
        auto walk = [&](const char* text) {
            t.changes.clear();
            t.table.apply(Snapshot{.devices = {sees(text)}, .seqnum = 1}, t.now, t.changes);
        };
        auto look = [&](const char* text) {
            t.changes.clear();
            t.table.apply(LookedAt{"/devices/a", sees(text), 1}, t.now, t.changes);
        };
        t.say({"add", "/devices/a", 1, 1});
        read("B");
        a = t.table.find("/devices/a");
        auto says = [&](const char* text, bool in_doubt) {
            CHECK(a->attribute("size").text == text);
            CHECK(a->in_doubt() == in_doubt);
        };
        walk("A");
        says("B", true);
        CHECK(t.table.reread().size() == 1);
        read("B");
        says("B", false);
        CHECK(t.count(Kind::Changed) == 1);
        // The queue of reads joins a read to a look: that is all that comes.
        walk("A");
        look("B");
        says("B", false);
        CHECK(t.count(Kind::Changed) == 1);
        walk("A");
        look("C");
        says("C", false);
        // A walk stands for all reads that were too many.
        walk("A");
        says("C", true);
        walk("C");
        says("C", false);
        CHECK(t.table.reread().empty());
    }
}
