// Attributes that are not there yet: when a device of a table is read again, in milliseconds since it came,
// and what is known of its file meanwhile.
#include "engine/plan/late_attributes.h"

#include <doctest/doctest.h>

#include <string>

#include "engine/intake/uevent.h"

using namespace devmux;
using namespace std::chrono_literals;

namespace {

const std::string kPath = "/devices/a";

// The part of the engine that it is about: a device `a`, whose file "size" may be there.
struct Bench {
    DeviceTable table{std::make_shared<ClassSet>()};
    LateAttributes late;
    Time began = 100s, now = began;
    uint64_t seqnum = 0, inode = 7;
    std::optional<std::string> file;
    bool answers = true;  // whether what is asked for is read at all
    std::string looks;

    explicit Bench(LateAttributes::Times times = {}) : late(times) {}

    std::vector<Attribute> attributes() const { return {{"size", file}}; }
    void carry(const std::vector<DeviceChange>& changes) {
        for (const DeviceChange& c : changes)
            if (c.kind != DeviceChange::Kind::Removed && late.concerns(*c.device, now)) late.await(*c.device, now);
    }
    // The kernel says so, and the file is read as after every event.
    void say(const std::string& action) {
        std::string text = action + "@" + kPath + '\0' + "ACTION=" + action + '\0' + "DEVPATH=" + kPath + '\0' +
                           "SUBSYSTEM=x" + '\0' + "SEQNUM=" + std::to_string(++seqnum) + '\0';
        auto uevent = parse_uevent(text);
        REQUIRE(uevent);
        Standing standing;
        standing.exists = standing.device = action != "remove";
        standing.generation.inode = inode;
        std::vector<DeviceChange> changes;
        table.apply(DeviceEvent{*uevent, standing, Transport::Kernel}, now, changes);
        carry(changes);
        if (action != "remove") read();
    }
    void read() {
        const Device* device = table.find(kPath);
        if (!device) return;
        std::vector<DeviceChange> changes;
        table.apply(AttributesRead{kPath, {.inode = inode}, attributes()}, late.is_over(*device), now, changes);
        carry(changes);
    }
    void until(Duration end) {
        while (late.next() <= began + end) {
            now = late.next();
            bool again = !late.due(table, now).empty();
            if (again) looks += (looks.empty() ? "" : " ") + std::to_string((now - began) / 1ms);
            if (again && answers) read();
            REQUIRE(late.next() > now);
        }
        now = began + end;
    }
    // true: the file is there; false: there is none; unknown: it may still come.
    std::string known() const {
        Truth exists = table.find(kPath)->attribute("size").exists;
        return exists == Truth::True ? "true" : exists == Truth::False ? "false" : "unknown";
    }
};

constexpr const char* kAll = "10 20 40 80 160 320 640 1280 1920 2560 3200 3840 4480 5000";

}  // namespace

TEST_SUITE("plan/late_attributes") {
    TEST_CASE("a file that never comes is looked for less and less often, for five seconds") {
        Bench b;
        b.say("add");
        b.until(4999ms);
        CHECK(b.known() == "unknown");
        b.until(5000ms);
        CHECK(b.known() == "false");
        CHECK(b.looks == kAll);
        b.until(1h);
        CHECK(b.looks == kAll);
        CHECK(b.late.next() == kNever);
        CHECK(b.late.checkpoint().empty());
    }

    TEST_CASE("a file that comes is known at the next look, and looked for no more") {
        struct Row {
            Duration comes, known;
            const char* looks;
        };
        for (const Row& row : {Row{5ms, 10ms, "10"}, Row{21ms, 40ms, "10 20 40"},
                               Row{500ms, 640ms, "10 20 40 80 160 320 640"}, Row{4900ms, 5000ms, kAll}}) {
            CAPTURE(row.looks);
            Bench b;
            b.say("add");
            b.until(row.comes);
            b.file = "1";
            b.until(row.known - 1ms);
            CHECK(b.known() == "unknown");
            b.until(row.known);
            CHECK(b.known() == "true");
            b.until(1h);
            CHECK(b.looks == row.looks);
            CHECK(b.late.next() == kNever);
        }
    }

    TEST_CASE("who has its file is not looked at again") {
        Bench b;
        b.file = "1";
        b.say("add");
        CHECK(b.known() == "true");
        CHECK(b.late.next() == kNever);
    }

    TEST_CASE("a file that is gone after a change is false at once; one that never was is awaited on") {
        Bench b;
        b.file = "1";
        b.say("add");
        b.file.reset();
        b.say("change");
        CHECK(b.known() == "false");
        b.file = "2";
        b.say("change");
        CHECK(b.known() == "true");

        // A driver that begins may make it anew, and tells nobody.
        Bench d;
        d.file = "1";
        d.say("add");
        d.until(1s);
        d.file.reset();
        d.say("change");
        CHECK(d.known() == "false");
        d.file = "2";
        d.until(2s);
        CHECK(d.known() == "true");
        d.until(6s);
        d.file.reset();
        d.say("change");
        CHECK(d.known() == "false");
        CHECK(d.late.next() == kNever);

        Bench c;
        c.say("add");
        c.until(1s);
        c.say("change");
        CHECK(c.known() == "unknown");
        c.until(5s);
        CHECK(c.known() == "false");
        CHECK(c.looks == kAll);  // the change began nothing again
    }

    TEST_CASE("a change or a driver brings it before the next look is due") {
        for (const char* action : {"change", "bind"}) {
            CAPTURE(action);
            Bench b;
            b.say("add");
            b.until(700ms);
            b.file = "1";
            b.say(action);
            CHECK(b.known() == "true");
            b.until(1h);
            CHECK(b.looks == "10 20 40 80 160 320 640");
        }
    }

    TEST_CASE("a driver that is bound gives it five seconds more") {
        Bench b;
        b.say("add");
        b.until(8s);
        REQUIRE(b.known() == "false");
        b.looks.clear();
        b.say("bind");
        CHECK(b.known() == "unknown");
        b.until(12999ms);
        CHECK(b.known() == "unknown");
        b.until(13s);
        CHECK(b.known() == "false");
        CHECK(b.looks == "8010 8020 8040 8080 8160 8320 8640 9280 9920 10560 11200 11840 12480 13000");
    }

    TEST_CASE("a module or a driver that came makes us look at once") {
        Bench b;
        b.say("add");
        b.until(3s);
        b.file = "1";
        b.late.wake(b.now);
        CHECK(b.late.next() == b.now);
        b.until(3001ms);
        CHECK(b.known() == "true");
        CHECK(b.looks == "10 20 40 80 160 320 640 1280 1920 2560 3000");

        Bench nobody;
        nobody.late.wake(nobody.now);
        CHECK(nobody.late.next() == kNever);

        // Who is due already is not put off.
        Bench due;
        due.say("add");
        due.late.wake(due.now + 20ms);
        CHECK(due.late.next() == due.now + 10ms);
    }

    TEST_CASE("an early look that finds nothing does not end the window early") {
        Bench b;
        b.say("add");
        b.until(3s);
        b.late.wake(b.now);
        b.until(4999ms);
        CHECK(b.known() == "unknown");
        b.until(5s);
        CHECK(b.known() == "false");
        CHECK(b.looks == "10 20 40 80 160 320 640 1280 1920 2560 3000 3640 4280 4920 5000");
    }

    TEST_CASE("only the answer to the last look says that it does not exist") {
        Bench b;
        b.say("add");
        b.answers = false;
        b.until(4999ms);
        b.read();  // an answer to one of the others
        CHECK(b.known() == "unknown");
        b.until(6s);
        CHECK(b.known() == "unknown");  // the last was asked, and has not answered
        b.read();
        CHECK(b.known() == "false");
    }

    TEST_CASE("an answer that never came is asked for once more, a minute later") {
        Bench b;
        b.say("add");
        b.answers = false;
        b.until(64999ms);
        CHECK(b.looks == kAll);
        b.answers = true;
        b.until(65s);
        CHECK(b.looks == std::string(kAll) + " 65000");
        CHECK(b.known() == "false");
        b.until(1h);
        CHECK(b.late.next() == kNever);
    }

    TEST_CASE("who has gone is forgotten, and who has its path begins anew") {
        Bench b;
        b.say("add");
        b.until(2s);
        b.say("remove");
        b.until(1h);
        CHECK(b.looks == "10 20 40 80 160 320 640 1280 1920");
        CHECK(b.late.checkpoint().empty());

        Bench c;
        c.say("add");
        c.until(2s);
        c.say("remove");
        c.inode = 8;
        c.say("add");
        c.looks.clear();
        c.until(6999ms);
        CHECK(c.known() == "unknown");
        c.until(7s);
        CHECK(c.known() == "false");
        CHECK(c.looks == "2010 2020 2040 2080 2160 2320 2640 3280 3920 4560 5200 5840 6480 7000");
    }

    TEST_CASE("all times can be others") {
        Bench b({.window = 1s, .first = 100ms, .longest = 200ms, .afterwards = 3s});
        b.say("add");
        b.answers = false;
        b.until(4s);
        CHECK(b.looks == "100 200 400 600 800 1000 4000");
    }
}
