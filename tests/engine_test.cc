// The core as a whole: what it asks of the shell, and that it takes any answer for one.
#include "engine/engine.h"

#include <doctest/doctest.h>

#include "tests/support/net_machine.h"

using namespace devmux;
using namespace devmux::test;
using namespace std::chrono_literals;

namespace {

const NetMachine::Units kEach{{"each", "{each-event: link, command: {start: [/a]}}"}};

// An interface of which udev, which is idle, has said nothing for ten seconds.
struct Forgotten : NetMachine {
    Forgotten() : NetMachine(kEach, UdevPresence::Running) {
        say("add", "v0", 7);
        CHECK(all<RunJob>().empty());
        now += 10s;
        feed(DeadlineReached{});
        CHECK(all<LookAtUdev>().size() == 1);
        feed(UdevSeen{UdevPresence::Running, true});
        CHECK(all<LookAgain>().size() == 1);
    }
};

}  // namespace

TEST_SUITE("engine") {
    TEST_CASE("a last look at a device that udev never spoke of may be answered by a walk") {
        Forgotten machine;
        Snapshot walk{.devices = {NetMachine::found("v0", 7)}, .seqnum = machine.seqnum};
        machine.feed(walk);
        CHECK(machine.all<RunJob>().size() == 1);
        CHECK(machine.engine.world().table.waiting().empty());
        CHECK_FALSE(machine.engine.planner().event_waits_since());
        CHECK(machine.engine.checkpoint().last_looks.empty());
        CHECK(machine.engine.counters().unready == 1);
        // The answer to the look, if it comes yet, is one more look.
        machine.feed(LookedAt{NetMachine::path("v0"), NetMachine::found("v0", 7), machine.seqnum});
        CHECK(machine.all<RunJob>().empty());
        CHECK(machine.engine.counters().unready == 1);
    }

    TEST_CASE("a last look that no walk has answered is asked for again") {
        Forgotten machine;
        // It came after the walk began, and was not found.
        machine.feed(Snapshot{.devices = {}, .seqnum = 0 + machine.seqnum - 1});
        REQUIRE(machine.engine.knows(NetMachine::path("v0")));
        CHECK(machine.all<RunJob>().empty());
        machine.now += 10s;
        machine.feed(UdevSeen{UdevPresence::Running, true});
        REQUIRE(machine.all<LookAgain>().size() == 1);
        machine.feed(LookedAt{NetMachine::path("v0"), NetMachine::found("v0", 7), machine.seqnum});
        CHECK(machine.all<RunJob>().size() == 1);
    }
}
