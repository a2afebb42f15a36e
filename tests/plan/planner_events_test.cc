// each-event units beyond what a scenario shows: what is kept of devices and units that have gone, and what
// an event costs.
#include <doctest/doctest.h>

#include "tests/support/net_machine.h"

using namespace devmux;
using namespace devmux::test;
using namespace std::chrono_literals;

namespace {

const NetMachine::Units kEach{{"each", "{each-event: link, command: {start: [/a]}}"}};

}  // namespace

TEST_SUITE("plan/planner_events") {
    TEST_CASE("nothing is kept of a unit that a reload took away, when it was the last of its kind") {
        NetMachine machine(kEach, UdevPresence::Running);
        machine.say("add", "v0", 7);
        REQUIRE(machine.engine.planner().event_waits_since());
        machine.feed(NewConfiguration{NetMachine::with({})});
        CHECK_FALSE(machine.engine.planner().event_waits_since());
        machine.say("remove", "v0", 0);
        PlannerCheckpoint kept = machine.engine.checkpoint().planner;
        CHECK(kept.waiting.empty());
        CHECK(kept.ran_upto.empty());
        machine.now += 1h;
        machine.feed(DeadlineReached{});
        machine.feed(DeadlineReached{});
        CHECK(machine.engine.next_deadline() == kNever);
    }

    TEST_CASE("the end of a device is known also when nobody asks for it any more") {
        NetMachine machine(kEach);
        machine.say("add", "v0", 7);
        REQUIRE(machine.all<RunJob>().size() == 1);
        machine.feed(NewConfiguration{NetMachine::with({})});
        // Its file comes back: what it was run for it is not run for again.
        machine.feed(NewConfiguration{NetMachine::with(kEach)});
        CHECK(machine.all<RunJob>().empty());
        machine.feed(NewConfiguration{NetMachine::with({})});
        machine.say("move", "v1", 7, "v0");
        machine.say("remove", "v1", 0);
        CHECK(machine.engine.checkpoint().planner.handled.empty());
        auto records = machine.all<Record>();
        REQUIRE(records.size() == 1);
        const auto& run = std::get<SavedRun>(records[0]);
        CHECK(run.devpath == NetMachine::path("v1"));
        CHECK(run.job == 0);
    }
}
