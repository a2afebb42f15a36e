// The graph: long chains and wide fans, and random graphs under random events against a naive oracle, which
// knows of each unit what its programs did, and nothing of the engine.
#include <doctest/doctest.h>

#include <random>
#include <set>

#include "engine/run/record_text.h"
#include "engine/run/saved_state.h"
#include "tests/plan/seeds.h"
#include "tests/support/net_machine.h"

using namespace devmux;
using namespace devmux::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kService = "command: {start: [/a], stop: [/b]}";

std::string unit_text(const std::string& keys) { return "{" + keys + ", " + kService + "}"; }
std::string named(const char* prefix, size_t i) { return prefix + std::to_string(i); }

// What the programs of a unit have done.
struct Seen {
    bool up = false, done = false;
    std::optional<RunJob> job;
    std::optional<RunJob> unseen;  // it ended, and the engine died with the news
};

class GraphMachine {
  public:
    explicit GraphMachine(const NetMachine::Units& units, EngineTimes times = {})
        : configuration_(NetMachine::with(units)), times_(times) {
        REQUIRE(configuration_->broken.empty());
        for (const auto& [name, unit] : configuration_->units) {
            seen_[name];
            meet_[name].push_back(name);
            for (const std::string& facility : unit->links.provides) meet_[facility].push_back(name);
        }
        begin();
    }

    // An engine that finds what the last one wrote.
    void begin() {
        StateReader reader("boot");
        reader.feed(journal_);
        LoadedState loaded = reader.finish();
        CHECK(loaded.skipped == 0);
        loaded.state.carried = Truth::False;  // nobody looks at mounts here
        journal_ = text_of(loaded.state, "boot");
        engine_.emplace(configuration_, "", now_, times_);
        Actions actions;
        engine_->start(loaded.state, now_, actions);
        carry_out(actions);
        feed(UdevSeen{UdevPresence::Absent, true});
        feed(Snapshot{});
        feed(CaughtUp{});
        feed(ColdplugComplete{});
        for (const auto& [path, there] : std::map(files_)) file(path, there);
    }
    // The engine dies when it has written so much of what it decides about `event`, or right behind it.
    void die_during(size_t writes, const std::function<void()>& event) {
        writes_left_ = writes;
        event();
        writes_left_.reset();
        begin();
    }

    void feed(const Event& event) {
        Actions actions;
        engine_->handle(event, now_, actions);
        carry_out(actions);
        for (auto ended = std::exchange(ended_unseen_, {}); const JobEnded& end : ended) feed(end);
    }
    void file(const std::string& path, bool there) {
        files_[path] = there;
        if (there) were_there_.insert(path);
        feed(FileSeen{path, truth_of(there)});
    }
    // Time goes by; who takes long waits in something that does not end.
    void pass(Duration duration) {
        Time until = now_ + duration;
        while (engine_->next_deadline() <= until) {
            now_ = std::max(now_, engine_->next_deadline());
            feed(DeadlineReached{});
            for (JobId job : std::exchange(looked_at_, {})) feed(JobSeen{.job = job, .text = "a (pid 1) waits"});
            if (std::exchange(modules_asked_, false)) feed(ModulesSeen{false});
        }
        now_ = until;
    }
    void by_hand(const std::string& unit, UnitEvent event) {
        touched_.insert(unit);
        if (event == UnitEvent::Reset && !seen_.at(unit).job) seen_.at(unit).done = false;
        feed(HandRequest{unit, event});
    }
    // Ends the job of a unit.
    void end(const std::string& unit, int code = 0) {
        Seen& s = seen_.at(unit);
        RunJob job = *std::exchange(s.job, std::nullopt);
        note_end(s, job, code == 0);
        s.unseen = job;
        feed(JobEnded{.job = job.job, .code = code});
    }
    bool end_any(std::mt19937& random, int code) {
        std::vector<std::string> running = running_units();
        if (running.empty()) return false;
        end(running[random() % running.size()], code);
        return true;
    }
    std::vector<std::string> running_units() const {
        std::vector<std::string> out;
        for (const auto& [name, s] : seen_)
            if (s.job) out.push_back(name);
        return out;
    }
    void end_all() {
        for (auto running = running_units(); !running.empty(); running = running_units())
            for (const std::string& unit : running) end(unit);
    }

    // Nobody but if-never can have asked for it, and that has to have: its file never was there.
    bool is_left_to_never(const Unit& unit) const {
        if (unit.if_never != IfNever::Start || touched_.contains(unit.name)) return false;
        for (const std::string& path : were_there_)
            if (unit.condition_text.find('"' + path + '"') != std::string::npos) return false;
        return true;
    }
    const Seen& seen(const std::string& unit) const { return seen_.at(unit); }
    const Managed& managed(const std::string& unit) const {
        return engine_->planner().units()[*engine_->planner().find(unit)];
    }
    std::string waits(const std::string& unit) const {
        return engine_->planner().waiting_text(*engine_->planner().find(unit), now_);
    }
    const Configuration& configuration() const { return *configuration_; }
    const std::vector<std::string>& order() const { return order_; }  // "+a" started, "-a" stopped

    // Who meets a need: the unit, or all who provide the facility.
    const std::vector<std::string>& meet(const std::string& name) const {
        static const std::vector<std::string> nobody;
        auto it = meet_.find(name);
        return it == meet_.end() ? nobody : it->second;
    }
    bool met(const std::string& name, const std::string& without = "") const {
        for (const std::string& other : meet(name))
            if (other != without && (seen(other).up || seen(other).done) && !(seen(other).job && seen(other).up)) return true;
        return false;
    }

  private:
    void carry_out(const Actions& actions) {
        for (const PlanAction& action : actions) {
            bool writes = std::holds_alternative<Record>(action) || std::holds_alternative<RunJob>(action);
            if (writes && writes_left_ && (*writes_left_)-- == 0) {
                writes_left_ = 0;
                return;
            }
            if (const auto* record = std::get_if<Record>(&action)) append_line(*record, journal_);
            else if (const auto* run = std::get_if<RunJob>(&action)) begun(*run);
            else if (const auto* adopt = std::get_if<AdoptJob>(&action)) adopted(*adopt);
            else if (const auto* look = std::get_if<LookAtJob>(&action)) looked_at_.push_back(look->job);
            else if (std::get_if<LookAtModules>(&action)) modules_asked_ = true;
            else if (const auto* report = std::get_if<Report>(&action); report && report->level == Report::Level::Error)
                CHECK_MESSAGE(report->text.find("bug") == std::string::npos, report->text);
        }
    }
    // What ended while no engine saw it counts as ended well.
    void adopted(const AdoptJob& adopt) {
        Seen& s = seen_.at(adopt.unit);
        if (s.job && s.job->job == adopt.job) return;
        REQUIRE(s.unseen);
        CHECK(s.unseen->job == adopt.job);
        note_end(s, *s.unseen, true);
        ended_unseen_.push_back(JobEnded{.job = adopt.job});
    }
    static void note_end(Seen& s, const RunJob& job, bool well) {
        bool start = job.verb == Verb::Start;
        s.up = start && well && !job.unit->task;
        s.done = start && well && job.unit->task;
    }
    // The oracle: whether this program may run now, for all that the others have done.
    void begun(const RunJob& run) {
        const std::string& name = run.unit->name;
        Seen& s = seen_.at(name);
        CAPTURE(name);
        order_.push_back((run.verb == Verb::Start ? "+" : "-") + name);
        CHECK_FALSE(s.job);
        const UnitLinks& links = run.unit->links;
        auto has = [](const std::vector<std::string>& list, const std::string& name) {
            return std::find(list.begin(), list.end(), name) != list.end();
        };
        if (run.verb == Verb::Start) {
            for (const std::string& need : links.required) CHECK_MESSAGE(met(need), need);
            for (const auto* list : {&links.required, &links.wanted, &links.after})
                for (const std::string& need : *list)
                    for (const std::string& other : meet(need)) CHECK_MESSAGE(!seen(other).job, other);
            for (const auto& entry : configuration_->units) {
                const std::string& other = entry.first;
                const auto& unit = entry.second;
                if (has(unit->links.before, name)) CHECK_MESSAGE(!seen(other).job, other);
                if (has(links.conflicts, other) || has(unit->links.conflicts, name))
                    CHECK_MESSAGE((!seen(other).up && !seen(other).job), other);
            }
            CHECK_FALSE(s.up);
        } else {
            for (const auto& entry : configuration_->units) {
                const std::string& other = entry.first;
                const auto& unit = entry.second;
                const Seen& o = seen(other);
                for (const std::string& need : unit->links.required) {
                    const std::vector<std::string>& who = meet(need);
                    if (std::find(who.begin(), who.end(), name) == who.end() || (!o.up && !o.job)) continue;
                    CHECK_MESSAGE(met(need, name), other);
                }
                bool behind = has(unit->links.after, name) || has(unit->links.wanted, name) || has(links.before, other);
                if (behind) CHECK_MESSAGE(!(o.job && o.job->verb == Verb::Stop), other);
            }
        }
        append_line(SavedMark{run.job, 1, now_}, journal_);
        s.job = run;
        s.done = false;
    }

    Time now_{100s};
    std::shared_ptr<const Configuration> configuration_;
    EngineTimes times_;
    std::optional<Engine> engine_;
    std::string journal_ = text_of({}, "boot");
    std::optional<size_t> writes_left_;
    std::vector<JobEnded> ended_unseen_;
    std::vector<JobId> looked_at_;
    std::map<std::string, bool> files_;
    std::set<std::string> were_there_, touched_;
    bool modules_asked_ = false;
    std::map<std::string, Seen> seen_;
    std::map<std::string, std::vector<std::string>> meet_;
    std::vector<std::string> order_;
};

// A graph without circles: each unit is linked to earlier ones.
NetMachine::Units random_graph(std::mt19937& random) {
    NetMachine::Units units;
    size_t count = 2 + random() % 9;
    auto one_in = [&](unsigned n) { return random() % n == 0; };
    for (size_t i = 0; i < count; ++i) {
        std::map<std::string, std::string> lists;
        for (size_t j = 0; j < i; ++j) {
            if (!one_in(3)) continue;
            const char* keys[] = {"requires", "wants", "after", "conflicts", "then", "requires"};
            std::string key = keys[random() % 6];
            // Who is started by `then` comes later.
            if (key == "then") continue;
            std::string target = one_in(6) ? "$f" + std::to_string(j % 3) : named("u", j);
            if (target[0] == '$' && key == "conflicts") target = named("u", j);
            lists[key] += (lists[key].empty() ? "" : ", ") + target;
        }
        for (size_t j = i + 1; j < count; ++j) {
            if (one_in(8)) lists["before"] += (lists["before"].empty() ? "" : ", ") + named("u", j);
            if (one_in(8)) lists["then"] += (lists["then"].empty() ? "" : ", ") + named("u", j);
            if (one_in(12)) lists["on-failure"] += (lists["on-failure"].empty() ? "" : ", ") + named("u", j);
        }
        // One choice after the other: what order a sum is worked out in is the compiler's own.
        std::string text;
        if (!one_in(4)) {
            text = one_in(3) ? "when: file /" : "while: file /";
            text += std::to_string(random() % 4) + " exists";
        }
        for (const auto& [key, list] : lists) text += (text.empty() ? "" : ", ") + key + ": [" + list + "]";
        text += text.empty() ? "" : ", ";
        if (one_in(3) && text.find("exists") != text.npos) text += "if-never: start, ";
        if (one_in(4) && text.find("while") == text.npos) text += "task: true, ";
        units[named("u", i)] = "{" + text + kService + "}";
    }
    // Facilities are provided by the first ones, so that nothing leads back.
    for (size_t f = 0; f < 3; ++f) {
        for (const char* who : {"p", "q"}) {
            if (who[0] == 'q' && !one_in(3)) continue;
            std::string text = "{provides: $f" + std::to_string(f);
            if (!one_in(3)) text += ", while: file /" + std::to_string(f) + " exists";
            units[who + std::to_string(f)] = text + ", " + kService + "}";
        }
    }
    return units;
}

// What is missing was asked for: a unit without a condition, or the only one of that kind for a facility,
// unless it was stopped by hand, failed, or waits itself.
void check_asked(const GraphMachine& machine, const std::string& need) {
    std::vector<std::string> startable;
    for (const std::string& other : machine.meet(need))
        if (machine.configuration().units.at(other)->condition_kind == ConditionKind::None) startable.push_back(other);
    if (startable.size() != 1) return;
    CAPTURE(startable.front());
    const UnitState& state = machine.managed(startable.front()).state;
    CHECK((state.wanted == Wanted::Up || state.hold == Hold::Down || state.actual == Actual::Failed));
}

// At rest: whoever is wanted and does not run has somebody to wait for, and says so.
void check_rest(const GraphMachine& machine) {
    for (const auto& entry : machine.configuration().units) {
        const std::string& name = entry.first;
        const auto& unit = entry.second;
        const Managed& m = machine.managed(name);
        CAPTURE(name);
        CHECK(m.job == 0);
        CHECK((m.state.actual == Actual::Active) == machine.seen(name).up);
        CHECK_FALSE(m.pending);
        bool was_run = std::find(machine.order().begin(), machine.order().end(), "+" + name) != machine.order().end();
        if (machine.is_left_to_never(*unit)) {
            bool waits = m.is_held_back(), failed = m.state.actual == Actual::Failed;
            CHECK((was_run || waits || failed));
        }
        if (m.state.actual == Actual::Active) {
            CHECK(m.state.wanted == Wanted::Up);
            for (const std::string& need : unit->links.required) CHECK(machine.met(need));
        }
        if (m.state.wanted != Wanted::Up || m.state.actual != Actual::Waiting) continue;
        std::string text = machine.waits(name);
        CHECK(text.starts_with("waits for "));
        bool blocked = false;
        for (const std::string& need : unit->links.required) {
            blocked |= !machine.met(need);
            // What was done, and is wanted once more, is waited for as well.
            for (const std::string& other : machine.meet(need)) blocked |= machine.managed(other).is_held_back();
            if (!machine.met(need)) check_asked(machine, need);
        }
        for (const auto& neighbour : machine.configuration().units) {
            const std::string& other = neighbour.first;
            const auto& o = neighbour.second;
            auto has = [](const std::vector<std::string>& list, const std::string& x) {
                return std::find(list.begin(), list.end(), x) != list.end();
            };
            blocked |= (has(unit->links.conflicts, other) || has(o->links.conflicts, name)) && machine.seen(other).up;
        }
        CHECK_MESSAGE(blocked, text);
    }
}

}  // namespace

TEST_SUITE("plan/graph") {
    // What may happen to a graph, at random. `dying`: now and then the engine is killed between two of its writes.
    void live_through(unsigned seed, bool dying) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        NetMachine::Units units = random_graph(random);
        std::string all;
        for (const auto& [name, text] : units) all += name + ": " + text + "\n";
        CAPTURE(all);
        // Circles by way of facilities are refused: try another one.
        if (!NetMachine::with(units)->broken.empty()) return;
        EngineTimes times;
        times.parallel = 1 + random() % 4;
        GraphMachine machine(units, times);
        for (size_t f = 0; f < 4; ++f) machine.file("/" + std::to_string(f), false);
        std::vector<std::string> names;
        for (const auto& [name, text] : units) names.push_back(name);
        for (int step = 0; step < 60; ++step) {
            const std::string& name = names[random() % names.size()];
            unsigned what = random() % 10;
            auto event = [&] {
                switch (what) {
                    case 0:
                    case 1:
                    case 2: {
                        std::string path = "/" + std::to_string(random() % 4);
                        machine.file(path, random() % 2);
                        break;
                    }
                    case 3: machine.by_hand(name, random() % 2 ? UnitEvent::HandStart : UnitEvent::HandRestart); break;
                    case 4: machine.by_hand(name, random() % 2 ? UnitEvent::HandStop : UnitEvent::Reset); break;
                    case 5: machine.end_any(random, random() % 3 == 0); break;
                    default: machine.end_any(random, 0);
                }
            };
            // A reset that nobody wrote down is one that nobody made: it is not cut off.
            size_t writes = what == 4 ? 1000 : random() % 12;
            if (dying && random() % 8 == 0) machine.die_during(writes, event);
            else event();
            CHECK(machine.running_units().size() <= times.parallel + units.size());
            // It settles before all has happened.
            if (step == 40) machine.pass(6s);
        }
        machine.pass(6s);
        machine.end_all();
        check_rest(machine);
    }

    TEST_CASE("random graphs under random events: nobody runs out of order, and nobody waits without a reason") {
        auto [first, last] = seeds_of("DEVMUX_GRAPH", 500);
        for (unsigned seed = first; seed <= last; ++seed) live_through(seed, false);
    }

    TEST_CASE("the same, while the engine is killed between any two of its writes, and begins again") {
        auto [first, last] = seeds_of("DEVMUX_GRAPH", 500);
        for (unsigned seed = first; seed <= last; ++seed) live_through(seed, true);
    }

    TEST_CASE("killed between the records of who was asked and of who asked: a chain goes on once") {
        NetMachine::Units units;
        units["a"] = "{when: file /x exists, task: true, then: b, command: {start: [/a]}}";
        units["b"] = "{when: file /y exists, task: true, command: {start: [/b]}}";
        for (size_t writes = 0; writes < 8; ++writes) {
            CAPTURE(writes);
            GraphMachine machine(units);
            machine.file("/y", true);
            machine.end_all();
            machine.file("/x", false);
            machine.file("/x", true);
            machine.die_during(writes, [&] { machine.end("a"); });
            machine.end_all();
            CHECK(machine.order() == std::vector<std::string>{"+b", "+a", "+b"});
        }
    }

    TEST_CASE("what is overdue takes no place of those that are starting") {
        NetMachine::Units units;
        for (const char* name : {"a", "b", "c"}) units[name] = unit_text("when: file /x exists, timeout: {start: 30s}");
        EngineTimes times;
        times.parallel = 1;
        GraphMachine machine(units, times);
        machine.file("/x", true);
        CHECK(machine.order() == std::vector<std::string>{"+a"});
        machine.pass(29s);
        CHECK(machine.order() == std::vector<std::string>{"+a"});
        machine.pass(2s);
        CHECK(machine.order() == std::vector<std::string>{"+a", "+b"});
        // Its end makes no second place: b still starts.
        machine.end("a");
        CHECK(machine.order() == std::vector<std::string>{"+a", "+b"});
        machine.end("b");
        CHECK(machine.order() == std::vector<std::string>{"+a", "+b", "+c"});
        machine.end_all();
        check_rest(machine);
    }

    TEST_CASE("who is ordered after one that waits for an overdue one does not wait") {
        NetMachine::Units units;
        units["a"] = unit_text("when: file /x exists, timeout: {start: 30s}");
        units["b"] = unit_text("when: file /x exists, requires: a");
        units["c"] = unit_text("when: file /x exists, after: b");
        GraphMachine machine(units);
        machine.file("/x", true);
        machine.pass(29s);
        CHECK(machine.order() == std::vector<std::string>{"+a"});
        machine.pass(2s);
        CHECK(machine.order() == std::vector<std::string>{"+a", "+c"});
        CHECK(machine.waits("b") == "waits for a, which is starting");
        machine.end_all();
        CHECK(machine.order() == std::vector<std::string>{"+a", "+c", "+b"});
        check_rest(machine);
    }

    TEST_CASE("a chain of 1,000 units starts from its end, and stops from its beginning") {
        NetMachine::Units units;
        constexpr size_t kLong = 1000;
        units["u0"] = unit_text("while: file /x exists");
        for (size_t i = 1; i < kLong; ++i) units[named("u", i)] = unit_text("requires: " + named("u", i - 1));
        GraphMachine machine(units);
        machine.file("/x", false);
        machine.by_hand(named("u", kLong - 1), UnitEvent::HandStart);
        CHECK(machine.order().empty());
        CHECK(machine.waits("u999").starts_with("waits for u998, which waits for u997, which"));
        CHECK(machine.waits("u3") == "waits for u2, which waits for u1, which waits for u0, which waits for file \"/x\" exists");
        machine.file("/x", true);
        machine.end_all();
        REQUIRE(machine.order().size() == kLong);
        for (size_t i = 0; i < kLong; ++i) CHECK(machine.order()[i] == named("+u", i));
        machine.file("/x", false);
        machine.end_all();
        REQUIRE(machine.order().size() == 2 * kLong);
        for (size_t i = 0; i < kLong; ++i) CHECK(machine.order()[kLong + i] == named("-u", kLong - 1 - i));
        check_rest(machine);
    }

    TEST_CASE("a fan of 1,000: all wait for one, start as many at a time as may, and stop before it") {
        NetMachine::Units units;
        constexpr size_t kWide = 1000;
        units["one"] = unit_text("while: file /x exists");
        for (size_t i = 0; i < kWide; ++i) units[named("u", i)] = unit_text("while: file /y exists, requires: one");
        EngineTimes times;
        times.parallel = 16;
        GraphMachine machine(units, times);
        machine.file("/x", false);
        machine.file("/y", true);
        CHECK(machine.order().empty());
        machine.file("/x", true);
        CHECK(machine.order() == std::vector<std::string>{"+one"});
        machine.end("one");
        CHECK(machine.running_units().size() == 16);
        CHECK(machine.waits("u999") == "waits for its turn: 16 units are starting already");
        machine.end(machine.running_units().front());
        CHECK(machine.running_units().size() == 16);
        machine.end_all();
        CHECK(machine.order().size() == kWide + 1);
        machine.file("/x", false);
        CHECK(machine.running_units().size() == kWide);  // stops are many at a time, and `one` is the last
        machine.end_all();
        REQUIRE(machine.order().size() == 2 * (kWide + 1));
        CHECK(machine.order().back() == "-one");
        check_rest(machine);
    }

    TEST_CASE("the limit is on starts: what has started makes room, and so does what failed") {
        NetMachine::Units units;
        for (const char* name : {"a", "b", "c"}) units[name] = unit_text("when: file /x exists");
        EngineTimes times;
        times.parallel = 1;
        GraphMachine machine(units, times);
        machine.file("/x", false);
        machine.file("/x", true);
        CHECK(machine.order() == std::vector<std::string>{"+a"});
        machine.end("a");
        CHECK(machine.order() == std::vector<std::string>{"+a", "+b"});
        machine.end("b", 1);
        CHECK(machine.order() == std::vector<std::string>{"+a", "+b", "+c"});
        machine.file("/x", false);
        machine.end("c");
        check_rest(machine);
    }
}
