// Random storms against a naive oracle: whatever arrives, in whatever order, doubled, late, lost, with
// udevd and the engine killed and begun again and units reloaded in between - at rest the end depends
// only on what is there, nothing ran twice for one edge, nothing was started or stopped on unknown, and
// every device's events were run in their order.
//
// DEVMUX_STORMS: how many; DEVMUX_STORM: this one alone, with its trace.
#include <doctest/doctest.h>

#include "tests/plan/seeds.h"
#include "tests/plan/storm_oracle.h"
#include "tests/plan/storm_trace.h"

using namespace devmux;
using namespace devmux::test;
using namespace std::chrono_literals;

namespace {

struct Storm {
    std::mt19937 random;
    Machine machine;
    Daemon daemon;
    Plan plan = Plan::One;
    Past past;
    std::string trouble;

    static std::shared_ptr<const Configuration> configuration(Plan plan) {
        static const auto one = storm_configuration(Plan::One), other = storm_configuration(Plan::Other);
        return plan == Plan::One ? one : other;
    }

    static Machine::Shape shape(std::mt19937& random) {
        auto chance = [&](unsigned percent) { return random() % 100 < percent; };
        Machine::Shape s;
        s.netlink = !chance(15);
        s.helper = !s.netlink || chance(50);
        s.udevd = chance(30) ? Machine::Udevd::Absent : chance(10) ? Machine::Udevd::Down : Machine::Udevd::Running;
        s.renames = s.netlink && chance(50);
        s.calm = chance(30);
        s.misnumbers = !s.calm && chance(20);
        s.remembers = chance(50);
        return s;
    }

    // Not everything happens in every storm: what goes wrong without it is plainer, and more can be asked.
    struct May {
        bool move, trigger, lose, sleep, kill_udevd, crash, reload, fail;
    };
    May may{};

    explicit Storm(unsigned seed, Daemon::Observer observer = {})
        : random(seed), machine(random, shape(random)), daemon(machine, configuration(Plan::One)) {
        daemon.observer = std::move(observer);
        may = {machine.chance(60), machine.chance(60), machine.chance(40), machine.chance(25),
               machine.chance(40), machine.chance(25), machine.chance(30), machine.chance(30)};
        if (machine.shape.calm) may.lose = may.sleep = may.kill_udevd = may.crash = false;
        // What a lack of devices cannot do, while nobody knows who is there.
        daemon.needs_presence = {"both", "two", "chain", "seen", "held", "lingers", "quick", "left", "zero", "bound", "boots"};
        // What a stop that never came to run leaves behind is stopped again.
        if (may.crash || may.reload) daemon.needs_presence.erase("held");
        daemon.needs_absence = {"none"};
        for (int i = machine.pick(8); i > 0; --i) machine.plug(machine.pick(8));
        machine.finish_all();
        daemon.start();
    }

    void check() {
        if (trouble.empty()) trouble = daemon.fault;
        if (trouble.empty() && daemon.runs()) trouble = trouble_of_runs(machine, daemon);
    }

    void happen() {
        int d = machine.pick(Machine::kDevices + Machine::kInterfaces);
        switch (machine.pick(40)) {
            default: machine.plug(d); break;
            case 1: case 2: machine.exchange(d); break;
            case 3: case 4: machine.plug_hub(machine.pick(2)); break;
            case 5: case 6: if (may.move && machine.shape.netlink && machine.shape.calm) machine.move_hub(machine.pick(2)); break;
            case 7: case 8: if (may.move && machine.shape.netlink) machine.rename(machine.pick(2)); break;
            case 9: case 10: case 11: machine.change(d); break;
            case 12: case 13: machine.bind(d); break;
            case 14: case 15: if (may.trigger) machine.trigger(d); break;
            case 16: if (may.lose) machine.lose_netlink(); break;
            case 17: if (may.lose) machine.lose_udev(); break;
            case 18: if (may.sleep) machine.lose_silently(d); break;
            case 19: if (may.sleep && daemon.runs()) daemon.doubt(InDoubt::Why::Resumed); break;
            case 20: if (may.kill_udevd) machine.udevd_dies(), told(); break;
            case 21: case 22: machine.udevd_starts(); told(); break;
            case 23: if (may.crash) crash(); break;
            case 24: if (may.reload) reload(); break;
            case 25: case 26: pass(std::chrono::milliseconds(machine.pick(3000))); break;
            case 27: pass(std::chrono::milliseconds(machine.pick(15000))); break;
            case 28: case 29: case 30: end_job(); break;
        }
    }

    void told() {
        if (daemon.runs()) daemon.look_at_udevd();
    }

    void crash() {
        past.crashed = true;
        machine.finish_all();
        if (daemon.runs()) daemon.crash(machine.chance(30));
        else daemon.start();
    }

    void reload() {
        if (machine.chance(50)) {
            plan = plan == Plan::One ? Plan::Other : Plan::One;
            past.other_plan = true;
        }
        daemon.reload(configuration(plan));
    }

    void end_job() {
        bool fails = may.fail && machine.chance(10);
        past.failed |= fails && daemon.end_job(false);
        if (!fails)
            for (int i = 1 + machine.pick(20); i > 0; --i) daemon.end_job(true);
    }

    // What the kernel has begun takes less than that.
    void pass(Duration by) {
        machine.finish_all();
        if (daemon.runs()) daemon.advance(by);
        else machine.now += by;
    }

    // What goes on beside: sockets are read, sysfs is read, udevd works.
    void go_on() {
        for (int i = machine.pick(6); i > 0; --i) {
            switch (machine.pick(8)) {
                case 0: case 1: daemon.read_kernel(); break;
                case 2: daemon.read_udev(); break;
                case 3: daemon.read_helpers(); break;
                case 4: machine.udev_works(); break;
                case 5: machine.finish_one(); break;
                default: daemon.read_sysfs(); break;
            }
            if (machine.chance(30)) machine.now += 1ms;
        }
    }

    bool drain() {
        for (int i = 0; i < 20000; ++i) {
            bool moved = daemon.read_kernel();
            moved |= daemon.read_udev();
            moved |= daemon.read_helpers();
            moved |= daemon.read_sysfs();
            moved |= daemon.end_job(true);
            if (!machine.udev_idle()) machine.udev_works();
            bool udev_goes_on = machine.udevd == Machine::Udevd::Running && !machine.udev_idle();
            machine.finish_all();
            if (!moved && !udev_goes_on) return true;
        }
        return false;
    }

    void rest() {
        machine.finish_all();
        if (!daemon.runs()) daemon.start();
        // One of them may have begun without these units.
        if (machine.lost_in_silence) daemon.doubt(InDoubt::Why::Resumed);
        for (int i = 0; i < 60; ++i) {
            if (!drain()) trouble = "there is no end of it";
            pass(i < 20 ? 1s : i < 40 ? 2s : 10s);
        }
        if (!drain() && trouble.empty()) trouble = "there is no end of it";
        check();
        if (trouble.empty()) trouble = trouble_at_rest(plan, machine, daemon, past);
    }

    std::string run() {
        for (int i = 0; i < 200 && trouble.empty(); ++i) {
            happen();
            go_on();
            if (trouble.empty()) trouble = daemon.fault;
        }
        check();
        if (trouble.empty()) rest();
        return trouble;
    }
};

}  // namespace

TEST_SUITE("plan/storm") {
    TEST_CASE("random storms end where the devices say") {
        auto [first, last] = seeds_of("DEVMUX_STORM", 10000);
        unsigned failures = 0;
        for (unsigned seed = first; seed <= last && failures < 20; ++seed) {
            std::string trouble = Storm(seed).run();
            if (trouble.empty()) continue;
            ++failures;
            StormTrace trace;
            if (failures == 1) Storm(seed, trace.observer()).run();
            FAIL_CHECK("storm " << seed << ": " << trouble << (failures == 1 ? "\n" + trace.text() : ""));
        }
    }
}
