// Instances of for-each units beyond what a scenario shows: names, arguments, what is remembered, what an event
// costs.
#include <doctest/doctest.h>

#include "engine/plan/placeholders.h"
#include "tests/support/allocations.h"
#include "tests/support/net_machine.h"

using namespace devmux;
using namespace devmux::test;
using namespace std::string_literals;
using namespace std::chrono_literals;

namespace {

const NetMachine::Units kLinks{{"u", "{for-each: link, command: {start: [/a, '{name}'], stop: [/b, '{name}']}}"}};

// "u@a active, u@b waiting"
std::string instances(const Engine& engine) {
    const Planner& planner = engine.planner();
    std::string out;
    for (UnitIndex i : planner.instances_of(planner.find("u").value())) {
        const Managed& m = planner.units()[i];
        out += (out.empty() ? "" : ", ") + m.unit->name + " " + std::string(to_string(m.state.actual));
    }
    return out;
}

// Ends the job that was asked for last, well.
void end(NetMachine& machine) {
    auto runs = machine.all<RunJob>();
    REQUIRE(runs.size() == 1);
    machine.feed(JobEnded{.job = runs[0].job, .code = 0});
}

std::string argument(const NetMachine& machine) {
    auto runs = machine.all<RunJob>();
    REQUIRE(runs.size() == 1);
    const Service& s = runs[0].unit->service;
    return (runs[0].verb == Verb::Stop ? s.stop : s.start).at(1);
}

struct Filled {
    std::string value, why;
};

Filled filled(const std::string& argument, const std::string& block, const std::string& before = "",
              const char* name = "eth0") {
    Service service;
    service.start = {"/a", argument};
    auto why = fill_in(service, Verb::Start, name, block, before);
    return {service.start[1], why.value_or("")};
}

}  // namespace

TEST_SUITE("plan/instances") {
    TEST_CASE("arguments: what a device says, checked") {
        const std::string block = "DEVNAME=sda\0ID=A 1;\x1b'\0EMPTY=\0OPTION=-rf\0LONG="s + std::string(5000, 'x') + '\0';
        CHECK(filled("{name}", block).value == "eth0");
        CHECK(filled("{number}", block).value == "0");  // of eth0
        CHECK(filled("{number}", block, "", "card12").value == "12");
        CHECK(filled("{number}", block, "", "007").value == "007");
        CHECK(filled("{number}", block, "", "br-lan").why == "it needs the number at the end of the name of its device, which has none");
        CHECK(filled("{devnode}", block).value == "/dev/sda");
        CHECK(filled("{devnode}", "DEVNAME=/dev/x/y\0"s).value == "/dev/x/y");
        CHECK(filled("{property.ID}", block).value == "A 1;_'");
        CHECK(filled("plain {name}", block).value == "plain {name}");
        CHECK(filled("{property.GONE}", block, "GONE=was\0"s).value == "was");
        CHECK(filled("{property.EMPTY}", block).why == "it needs EMPTY of its device, which has none");
        CHECK(filled("{property.NONE}", block).why == "it needs NONE of its device, which has none");
        CHECK(filled("{devnode}", "X=1\0"s).why == "it needs the node in /dev of its device, which has none");
        CHECK(filled("{devnode}", "DEVNAME=../etc/passwd\0"s).why.find("climbs out") != std::string::npos);
        CHECK(filled("{property.OPTION}", block).why.find("for an option") != std::string::npos);
        CHECK(filled("{property.LONG}", block).why.find("longer than 4096") != std::string::npos);
    }

    TEST_CASE("a name that others have, and one that cannot be a unit's") {
        NetMachine machine(kLinks);
        machine.say("add", "a", 1);
        auto at = [&](const std::string& path, const std::string& subsystem, uint64_t inode) {
            std::string text = "add@" + path + '\0' + "ACTION=add" + '\0' + "DEVPATH=" + path + '\0' + "SUBSYSTEM=" + subsystem + '\0' +
                               "SEQNUM=" + std::to_string(++machine.seqnum) + '\0';
            auto uevent = parse_uevent(text);
            REQUIRE(uevent);
            machine.feed(DeviceEvent{*uevent, NetMachine::standing(inode)});
        };
        at("/devices/x/a", "net", 2);
        CHECK(instances(machine.engine) == "u@a starting, u@net:a starting");
        at("/devices/y/a", "net", 3);
        CHECK(instances(machine.engine) == "u@a starting, u@net:a starting, u@net:a-2 starting");
        at("/devices/y/b;$(x) \xff", "net", 4);
        CHECK(machine.engine.planner().find("u@b___x___"));
    }

    TEST_CASE("another comes in its place: at each moment of a start and a stop") {
        for (bool by_walk : {false, true}) {
            CAPTURE(by_walk);
            NetMachine machine(kLinks);
            auto replace = [&](uint64_t inode) {
                if (!by_walk) {
                    machine.say("remove", "a", 0);
                    machine.say("add", "a", inode);
                    return;
                }
                Snapshot walk;
                walk.devices.push_back(NetMachine::found("a", inode));
                walk.seqnum = machine.seqnum;
                machine.feed(walk);
                machine.feed(CaughtUp{});
            };
            machine.say("add", "a", 1);
            JobId job = machine.all<RunJob>().at(0).job;
            replace(2);
            CHECK(instances(machine.engine) == "u@a starting");
            replace(3);
            machine.feed(JobEnded{.job = job, .code = 0});  // of 1
            CHECK(instances(machine.engine) == "u@a stopping");
            job = machine.all<RunJob>().at(0).job;
            replace(4);
            machine.feed(JobEnded{.job = job, .code = 0});
            CHECK(instances(machine.engine) == "u@a starting");
            const Managed& m = machine.engine.planner().units()[*machine.engine.planner().find("u@a")];
            CHECK(m.instance->device.generation.inode == 4);
            end(machine);
            CHECK(instances(machine.engine) == "u@a active");
            CHECK(machine.all<RunJob>().empty());
            machine.say("remove", "a", 0);
            CHECK(argument(machine) == "a");
            end(machine);
            CHECK(instances(machine.engine) == "");
        }
    }

    TEST_CASE("a renamed device is stopped by its present name, and its instance keeps its own") {
        NetMachine machine(kLinks);
        machine.say("add", "a", 1);
        CHECK(argument(machine) == "a");
        end(machine);
        machine.say("move", "b", 1, "a");
        CHECK(machine.all<RunJob>().empty());
        CHECK(instances(machine.engine) == "u@a active");
        machine.say("remove", "b", 0);
        CHECK(argument(machine) == "b");
        CHECK(machine.all<RunJob>()[0].action == "remove");
        end(machine);
        CHECK(instances(machine.engine) == "");
        CHECK_FALSE(machine.engine.planner().find("u@a"));
    }

    TEST_CASE("what a new engine is told: nothing twice, none forgotten, wherever the old one was killed") {
        // Each record of the life of an instance, and what an engine makes of them up to any one.
        std::vector<Record> records;
        std::vector<std::string> happened;
        NetMachine machine(kLinks);
        auto note = [&] {
            for (const Record& r : machine.all<Record>()) records.push_back(r);
        };
        machine.say("add", "a", 1);
        note();
        JobId start = machine.all<RunJob>().at(0).job;
        machine.feed(JobEnded{.job = start, .code = 0});
        note();
        machine.say("remove", "a", 0);
        note();
        machine.say("add", "a", 2);
        note();
        SavedState all;
        for (size_t cut = 0; cut <= records.size(); ++cut) {
            CAPTURE(cut);
            SavedState saved;
            for (size_t i = 0; i < cut; ++i) {
                if (const auto* unit = std::get_if<SavedUnit>(&records[i])) saved.units[unit->unit] = *unit;
                if (const auto* one = std::get_if<SavedInstance>(&records[i])) saved.instances[one->unit] = *one;
            }
            NetMachine::Units units = kLinks;
            Engine engine(NetMachine::with(units), "", Time(1s));
            Actions actions;
            engine.start(saved, Time(1s), actions);
            Snapshot walk;
            walk.devices.push_back(NetMachine::found("a", 2));
            engine.handle(walk, Time(2s), actions);
            engine.handle(CaughtUp{}, Time(2s), actions);
            engine.handle(ColdplugComplete{}, Time(2s), actions);
            for (int i = 0; i < 9; ++i) {
                Actions next;
                for (const PlanAction& action : actions)
                    if (const auto* run = std::get_if<RunJob>(&action)) engine.handle(JobEnded{.job = run->job, .code = 0}, Time(3s), next);
                actions = std::move(next);
            }
            CHECK(instances(engine) == "u@a active");
            const Managed& m = engine.planner().units()[*engine.planner().find("u@a")];
            CHECK(m.instance->device.generation.inode == 2);
            CHECK(m.starts == 1);
        }
    }

    TEST_CASE("an event costs nothing for instances that it does not concern") {
        auto cost = [](int others) {
            NetMachine machine(kLinks);
            for (int i = 0; i < others; ++i) {
                machine.say("add", "o" + std::to_string(i), static_cast<uint64_t>(i) + 10);
                end(machine);
            }
            machine.say("add", "a", 1);
            end(machine);
            size_t before = allocations();
            for (int i = 0; i < 20; ++i) {
                machine.say("remove", "a", 0);
                end(machine);
                machine.say("add", "a", static_cast<uint64_t>(i) + 1000);
                end(machine);
                machine.now += 60s;
            }
            return (allocations() - before) / 20;
        };
        size_t few = cost(2), many = cost(60);
        CHECK(many < few + few / 4);
    }
}
