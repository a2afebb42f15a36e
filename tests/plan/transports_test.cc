// The bug that this project descends from: the helper and netlink announce the same events to a daemon
// that starts in their midst, and the first word of the one made it deaf to the other. Here they race in
// every manner, in memory. Whatever the order: each event is taken in once, and run once; each device's
// in their order; and the end is what sysfs says.
//
// A walk or a look at sysfs may be quicker than the news: then its word is run, without a number, and not
// the event's. And a helper's word on what has gone when it comes is no more than a reason to look.
//
// DEVMUX_RACES: how many; DEVMUX_RACE: this one alone, with its trace.
#include <doctest/doctest.h>

#include <array>

#include "tests/plan/seeds.h"
#include "tests/plan/storm_oracle.h"
#include "tests/plan/storm_trace.h"

using namespace devmux;
using namespace devmux::test;
using namespace std::chrono_literals;

namespace {

enum class Manner : unsigned char {
    NetlinkAlone,
    HelperAlone,
    HelperFirst,  // with each event
    HelperLast,
    Mixed,
    Shared,    // each event comes one of the two ways, or both
    Retried,   // the helper says all of it several times
    VeryLate,  // … when netlink has long been done with it
};
constexpr std::array kManners{"netlink alone", "the helper alone", "the helper first", "the helper last",
                              "both as they come", "the one or the other", "the helper several times", "the helper very late"};

struct Race {
    std::mt19937 random;
    Manner manner;
    Machine machine;
    Daemon daemon;
    uint64_t directed = 0;  // up to which helpers have been told when to come

    // What the daemon heard, by numbers.
    uint64_t received = 0, repeated = 0;  // events that were fed, and those that had been taken in before
    std::set<uint64_t> by_netlink, taken;
    std::set<uint64_t> to_be_run;  // taken in after all that went before on their path, and before what came after
    struct Fed {
        uint64_t seqnum;
        std::string devpath;
        bool here;  // an arrival, or of a device that is known
    };
    std::optional<Fed> last;
    uint64_t listens_from = 0;
    // What a walk, or a look at one path, may have seen already.
    uint64_t walked_upto = 0;
    std::map<std::string, uint64_t> looked_upto;
    std::set<std::string> in_a_moment;  // paths to be looked at then: until then nobody knows

    static std::shared_ptr<const Configuration> configuration() {
        static const auto one = storm_configuration(Plan::One);
        return one;
    }
    static Machine::Shape shape(Manner manner, std::mt19937& random) {
        Machine::Shape s;
        s.netlink = manner != Manner::HelperAlone;
        s.helper = manner != Manner::NetlinkAlone;
        s.udevd = Machine::Udevd::Absent;
        s.misnumbers = random() % 2 == 0;
        return s;
    }

    explicit Race(unsigned seed, const Daemon::Observer& observer = {})
        : random(seed), manner(static_cast<Manner>(seed % kManners.size())), machine(random, shape(manner, random)),
          daemon(machine, configuration()) {
        daemon.jobs_end_at_once = true;
        daemon.observer = observer;
        daemon.observer.fed = [this, observer](const Event& event, Time now) {
            hear(event);
            if (observer.fed) observer.fed(event, now);
        };
        daemon.observer.decided = [this, observer](const PlanAction& action, Time now) {
            const auto* look = std::get_if<LookAgain>(&action);
            if (look && look->delay > 0s) in_a_moment.insert(look->devpath);
            if (observer.decided) observer.decided(action, now);
        };
    }

    void hear(const Event& event) {
        see_what_became_of_the_last();
        if (const auto* e = std::get_if<DeviceEvent>(&event)) {
            ++received;
            repeated += taken.contains(e->uevent.seqnum);
            if (e->via == Transport::Kernel) by_netlink.insert(e->uevent.seqnum);
            bool here = e->uevent.action == Action::Add || daemon.engine().knows(e->uevent.devpath);
            last = Fed{e->uevent.seqnum, std::string(e->uevent.devpath), here};
        } else if (const auto* look = std::get_if<LookedAt>(&event)) {
            looked_upto[look->devpath] = machine.newest();
            in_a_moment.erase(look->devpath);
        } else if (std::get_if<Snapshot>(&event)) {
            walked_upto = machine.newest();
        }
    }

    void see_what_became_of_the_last() {
        auto fed = std::exchange(last, std::nullopt);
        if (!fed || !daemon.engine().has_taken(fed->seqnum) || !taken.insert(fed->seqnum).second) return;
        uint64_t seen = std::max(walked_upto, looked_upto[fed->devpath]);
        if (!fed->here || walked_upto == 0 || fed->seqnum <= seen || in_a_moment.contains(fed->devpath)) return;
        for (const Message& m : machine.said)
            if (m.devpath == fed->devpath && m.seqnum > listens_from &&
                taken.contains(m.seqnum) != (m.seqnum <= fed->seqnum)) return;
        to_be_run.insert(fed->seqnum);
    }

    void happen() {
        int d = machine.pick(Machine::kDevices + Machine::kInterfaces);
        switch (machine.pick(10)) {
            default: machine.plug(d); break;
            case 4: machine.exchange(d); break;
            case 5: machine.plug_hub(machine.pick(Machine::kHubs)); break;
            case 6: case 7: machine.change(d); break;
            case 8: machine.bind(d); break;
        }
        direct_helpers();
    }

    // When those come that the kernel has executed since.
    void direct_helpers() {
        std::map<uint64_t, Message> fresh;
        for (auto it = machine.helpers.begin(); it != machine.helpers.end();) {
            auto here = it++;
            if (here->second.seqnum <= directed || manner == Manner::Mixed || manner == Manner::HelperAlone) continue;
            fresh.emplace(here->second.seqnum, std::move(here->second));
            machine.helpers.erase(here);
        }
        if (manner == Manner::Shared) share(fresh);
        directed = machine.newest();
        for (const auto& [seqnum, message] : fresh)
            for (int n = manner == Manner::Retried ? 1 + machine.pick(4) : 1; n > 0; --n)
                machine.helpers.emplace(machine.now + delay(), message);
    }
    // Who listens to one way alone misses something now.
    void share(std::map<uint64_t, Message>& fresh) {
        std::deque<Message> heard;
        for (Message& m : machine.kernel.queue) {
            int which = m.seqnum > directed ? machine.pick(3) : 0;
            if (which == 1) fresh.erase(m.seqnum);
            if (which != 2) heard.push_back(std::move(m));
        }
        machine.kernel.queue = std::move(heard);
    }
    Duration delay() {
        switch (manner) {
            case Manner::Shared: return std::chrono::milliseconds(machine.pick(50));
            case Manner::Retried: return std::chrono::milliseconds(machine.pick(5000));
            case Manner::VeryLate: return std::chrono::milliseconds(60000 + machine.pick(30000));
            default: return {};
        }
    }

    bool read_sockets() {
        if (manner == Manner::HelperFirst) return daemon.read_helpers() || daemon.read_kernel();
        if (manner == Manner::HelperLast) return daemon.read_kernel() || daemon.read_helpers();
        return machine.chance(50) ? daemon.read_kernel() : daemon.read_helpers();
    }

    void go_on() {
        for (int i = machine.pick(6); i > 0; --i) {
            switch (machine.pick(4)) {
                case 0: daemon.read_sysfs(); break;
                case 1: machine.finish_one(); direct_helpers(); break;
                default: read_sockets(); break;
            }
            if (machine.chance(30)) machine.now += 1ms;
        }
        if (machine.chance(10)) pass(std::chrono::milliseconds(machine.pick(3000)));
    }

    void pass(Duration by) {
        machine.finish_all();
        direct_helpers();
        daemon.advance(by);
    }

    void rest() {
        for (int i = 0; i < 130; ++i) {
            pass(1s);
            for (bool moved = true; moved;) {
                moved = read_sockets();
                moved |= daemon.read_kernel();
                moved |= daemon.read_helpers();
                moved |= daemon.read_sysfs();
            }
        }
    }

    std::string run() {
        for (int i = machine.pick(20); i > 0; --i) happen();
        // A removal that is announced before anybody listens, and done after the walk, is told to nobody.
        machine.finish_all();
        direct_helpers();
        listens_from = machine.newest();
        daemon.start();
        for (int i = 0; i < 80; ++i) {
            happen();
            go_on();
        }
        rest();
        if (!daemon.fault.empty()) return daemon.fault;
        if (std::string trouble = trouble_of_counts(); !trouble.empty()) return trouble;
        for (const char* unit : {"events", "events-seen"})
            if (std::string trouble = trouble_of_runs(unit); !trouble.empty()) return trouble;
        return trouble_of_table(machine, daemon);
    }

    // By the engine's own count.
    std::string trouble_of_counts() {
        see_what_became_of_the_last();
        const Counters& c = daemon.engine().counters();
        if (c.received[0] + c.received[1] + c.received[2] != received) return "not all that was fed was received";
        if (c.duplicate != repeated)
            return std::to_string(repeated) + " events came again, and " + std::to_string(c.duplicate) + " were dropped";
        for (uint64_t seqnum : by_netlink)
            if (!taken.contains(seqnum)) return std::to_string(seqnum) + " was not taken in";
        return "";
    }

    std::string trouble_of_runs(const std::string& unit) {
        std::set<uint64_t> numbers, walked;
        struct Life {
            uint64_t newest = 0;
            bool here = false;
        };
        std::map<std::string, Life> lives;
        for (const Daemon::Run& run : daemon.runs_of[unit]) {
            std::string what = unit + ": " + run.action + " " + run.devpath + " (" + std::to_string(run.seqnum) + ")";
            if (run.seqnum != 0 && !numbers.insert(run.seqnum).second) return what + " was run twice";
            Life& life = lives[run.devpath];
            if (run.seqnum != 0 && run.seqnum < life.newest) return what + " after a newer one";
            life.newest = std::max(life.newest, run.seqnum);
            bool add = run.action == "add";
            if (add == life.here) return what + (add ? " of one that is here" : " of one that is not");
            life.here = run.action != "remove";
            if (add && run.seqnum == 0) walked.insert(run.generation);
        }
        for (const Message& m : machine.said) {
            bool by_walk = m.action == "add" && walked.contains(m.inode);
            if (to_be_run.contains(m.seqnum) && !numbers.contains(m.seqnum) && !by_walk && !looked_between(unit, m))
                return unit + " was not run: " + m.action + " " + m.devpath + " (" + std::to_string(m.seqnum) + ")";
        }
        return "";
    }

    // Where the event belongs among the runs of its path there is one without a number.
    bool looked_between(const std::string& unit, const Message& m) {
        bool looked = false;
        for (const Daemon::Run& run : daemon.runs_of[unit]) {
            if (run.devpath != m.devpath) continue;
            if (run.seqnum > m.seqnum) break;
            looked = run.seqnum == 0;
        }
        return looked;
    }
};

}  // namespace

TEST_SUITE("plan/transports") {
    TEST_CASE("races of the helper with netlink end where sysfs says") {
        auto [first, last] = seeds_of("DEVMUX_RACE", 1000);
        unsigned failures = 0;
        struct Sum {
            size_t races = 0, taken = 0, again = 0, asked = 0;
        };
        std::array<Sum, kManners.size()> sums;
        for (unsigned seed = first; seed <= last && failures < 20; ++seed) {
            Race race(seed);
            std::string trouble = race.run();
            Sum& sum = sums[static_cast<size_t>(race.manner)];
            ++sum.races;
            sum.taken += race.taken.size();
            sum.again += race.repeated;
            sum.asked += race.to_be_run.size();
            if (trouble.empty()) continue;
            ++failures;
            StormTrace trace;
            if (failures == 1) Race(seed, trace.observer()).run();
            FAIL_CHECK("race " << seed << ", " << std::string(kManners[static_cast<size_t>(race.manner)]) << ": " << trouble
                               << (failures == 1 ? "\n" + trace.text() : ""));
        }
        // They did race.
        for (size_t i = 0; i < sums.size(); ++i) {
            const Sum& sum = sums[i];
            if (sum.races < 20) continue;
            bool both = static_cast<Manner>(i) > Manner::HelperAlone;
            CHECK_MESSAGE(sum.asked > 4 * sum.races, std::string(kManners[i]));
            CHECK_MESSAGE(sum.again >= (both ? sum.taken / 5 : 0), std::string(kManners[i]));
        }
    }
}
