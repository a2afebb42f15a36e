// each-event units beyond what a scenario shows: what is kept of devices and units that have gone, and what
// an event costs.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "tests/support/allocations.h"
#include "tests/support/net_machine.h"

using namespace devmux;
using namespace devmux::test;
using namespace std::chrono_literals;

namespace {

const NetMachine::Units kEach{{"each", "{each-event: link, command: {start: [/a]}}"}};
// With others, of which none is concerned.
const NetMachine::Units kMany = [] {
    NetMachine::Units units = kEach;
    for (int i = 0; i < 50; ++i) units["disk" + std::to_string(i)] = "{each-event: disk, command: {start: [/a]}}";
    return units;
}();

std::string name(char c, int i) { return c + std::to_string(i); }

// How often memory is asked for, by one of 40 renames among so many interfaces.
size_t of_a_rename(const NetMachine::Units& units, int count) {
    NetMachine machine(units);
    for (int i = 0; i < count; ++i) machine.say("add", name('v', i), static_cast<uint64_t>(i) + 1);
    size_t before = allocations();
    for (int i = 0; i < 40; ++i) machine.say("move", name('w', i), static_cast<uint64_t>(i) + 1, name('v', i));
    size_t cost = (allocations() - before) / 40;
    CHECK(machine.engine.knows(NetMachine::path("w39")));
    CHECK_FALSE(machine.engine.knows(NetMachine::path("v39")));
    return cost;
}

// The same, of a walk that finds them all under other names.
size_t of_a_rename_by_walk(const NetMachine::Units& units, int count) {
    NetMachine machine(units);
    Snapshot walk;
    for (int i = 0; i < count; ++i) {
        machine.say("add", name('v', i), static_cast<uint64_t>(i) + 1);
        walk.devices.push_back(NetMachine::found(name('w', i), static_cast<uint64_t>(i) + 1));
    }
    walk.seqnum = machine.seqnum;
    size_t before = allocations();
    machine.feed(walk);
    size_t cost = (allocations() - before) / static_cast<size_t>(count);
    CHECK(machine.engine.world().table.size() == static_cast<size_t>(count));
    CHECK(machine.engine.knows(NetMachine::path("w0")));
    return cost;
}

// Interfaces come, go and take over each other's names, among few names; runs take their time. Says what was wrong.
class Renames {
  public:
    explicit Renames(unsigned seed) : random_(seed) {}

    std::string run() {
        for (int i = 0; i < 60 && trouble_.empty(); ++i) {
            machine_.now += 30s;  // nobody is suspected to cause what runs it
            if (running_.empty() || one_of(3) != 0) happen();
            else end_one();
        }
        while (!running_.empty() && trouble_.empty()) end_one();
        if (trouble_.empty() && began_ != machine_.seqnum) return std::to_string(machine_.seqnum - began_) + " were not run";
        return trouble_;
    }
    size_t waited = 0;  // of the runs, those that did not begin with their event

  private:
    struct Running {
        JobId job;
        std::set<std::string> touches;  // paths, and the device
        std::string what;
    };

    unsigned one_of(unsigned count) { return static_cast<unsigned>(random_() % count); }

    void happen() {
        std::string name = names_[one_of(names_.size())];
        auto here = there_.find(name);
        if (here == there_.end()) {
            there_[name] = ++last_;
            machine_.say("add", name, last_);
        } else if (std::string free = names_[one_of(names_.size())]; !there_.contains(free) && one_of(2) == 0) {
            auto moved = there_.extract(here);
            machine_.say("move", free, moved.mapped(), name);
            moved.key() = free;
            there_.insert(std::move(moved));
        } else {
            std::string number = "IFINDEX=" + std::to_string(here->second);
            there_.erase(here);
            gone_[machine_.seqnum + 1] = number;
            machine_.say("remove", name, 0);
        }
        note();
    }

    void end_one() {
        auto ended = running_.begin() + one_of(running_.size());
        JobId job = ended->job;
        running_.erase(ended);
        machine_.feed(JobEnded{.job = job, .code = 0});
        note();
    }

    void note() {
        for (const RunJob& run : machine_.all<RunJob>()) {
            uint64_t seqnum = std::stoull(std::string(find_in(run.block, "SEQNUM").value()));
            auto number = gone_.find(seqnum);
            Running next{run.job, {}, run.reason + " (" + std::to_string(seqnum) + ")"};
            next.touches.insert(number != gone_.end() ? number->second : "IFINDEX=" + std::string(find_in(run.block, "IFINDEX").value()));
            for (const char* key : {"DEVPATH", "DEVPATH_OLD"})
                if (auto path = find_in(run.block, key)) next.touches.insert(std::string(*path));
            for (const std::string& touched : next.touches) {
                uint64_t& newest = newest_[touched];
                if (seqnum < newest) trouble_ = next.what + " after " + std::to_string(newest) + " of " + touched;
                newest = seqnum;
                for (const Running& other : running_)
                    if (other.touches.contains(touched)) trouble_ = next.what + " beside " + other.what;
            }
            running_.push_back(std::move(next));
            waited += seqnum != machine_.seqnum;
            ++began_;
        }
    }

    std::mt19937 random_;
    NetMachine machine_{{{"each", "{each-event: link, actions: [add, remove, move], command: {start: [/a]}}"}}};
    std::array<std::string, 4> names_{"a", "b", "c", "d"};
    std::map<std::string, uint64_t> there_;
    std::map<uint64_t, std::string> gone_;  // a removal says of nobody who it was
    std::vector<Running> running_;
    std::map<std::string, uint64_t> newest_;
    uint64_t last_ = 1, began_ = 0;
    std::string trouble_;
};

}  // namespace

TEST_SUITE("plan/planner_events") {
    TEST_CASE("what is run for a path, and for a device, is run in the order of its events, one after the other") {
        size_t waited = 0;
        for (unsigned seed = 1; seed <= 500; ++seed) {
            Renames renames(seed);
            CHECK_MESSAGE(renames.run() == "", seed);
            waited += renames.waited;
        }
        CHECK(waited > 5000);
    }

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

    TEST_CASE("a rename costs what it touches, however many others there are") {
        for (const auto& units : {NetMachine::Units{}, kEach, kMany}) {
            CAPTURE(units.size());
            size_t few = of_a_rename(units, 100), many = of_a_rename(units, 1500);
            CHECK(many <= few + few / 4);
            few = of_a_rename_by_walk(units, 100), many = of_a_rename_by_walk(units, 1500);
            CHECK(many <= few + few / 4);
        }
        size_t alone = of_a_rename(kEach, 100), among = of_a_rename(kMany, 100);
        CHECK(among <= alone + 5);
    }

    TEST_CASE("since when the first event waits for udev is known whatever happens, and to who takes over") {
        auto oldest = [](const PlannerCheckpoint& kept) {
            std::optional<Time> since;
            for (const auto& run : kept.waiting)
                if (run.for_udev && (!since || run.at < *since)) since = run.at;
            return since;
        };
        size_t waits = 0;
        for (unsigned seed = 1; seed <= 100; ++seed) {
            CAPTURE(seed);
            RandomWorld world(seed);
            for (int i = 0; i < 200; ++i) {
                world.step();
                std::optional<Time> since = oldest(world.engine().checkpoint().planner);
                REQUIRE(world.engine().planner().event_waits_since() == since);
                waits += since.has_value();
            }
        }
        CHECK(waits > 1000);
    }
}
