// Init scripts that somebody else runs: a start that counts, once, whoever tells of it how often.
#include <doctest/doctest.h>

#include "engine/run/record_text.h"
#include "engine/run/saved_state.h"
#include "tests/support/net_machine.h"
#include "tools/simulation.h"
#include "tools/trace_recorded.h"

using namespace devmux;
using namespace devmux::test;

namespace {

// One engine after the other, each with what the last one has written and with what is chosen then.
struct Chosen {
    std::optional<Engine> engine;
    std::vector<RunJob> runs;
    std::vector<AdoptJob> adopted;  // by the last one
    bool marks = true;              // programs come to run
    std::string journal = text_of(SavedState{}, "boot");
    Time now{std::chrono::seconds(100)};

    static std::shared_ptr<const Configuration> with(const std::string& script) {
        return NetMachine::with({{"dm", "{while: file /w exists, chosen-by: /x, init-script: " + script + "}"}});
    }
    explicit Chosen(const char* script) { begin(script); }
    void begin(const char* script) {
        adopted.clear();
        StateReader reader("boot");
        reader.feed(journal);
        engine.emplace(with(script), "", now);
        Actions actions;
        engine->start(reader.finish().state, now, actions);
        take(actions);
        for (const Event& event : std::vector<Event>{UdevSeen{UdevPresence::Absent, true}, Snapshot{}, CaughtUp{}, ColdplugComplete{}})
            feed(event);
    }
    void feed(const Event& event) {
        Actions actions;
        engine->handle(event, now, actions);
        take(actions);
    }
    void take(const Actions& actions) {
        for (const PlanAction& action : actions) {
            if (const auto* record = std::get_if<Record>(&action)) append_line(*record, journal);
            if (const auto* adopt = std::get_if<AdoptJob>(&action)) adopted.push_back(*adopt);
            const auto* run = std::get_if<RunJob>(&action);
            if (!run) continue;
            runs.push_back(*run);
            if (marks) append_line(SavedMark{run->job, 7, now}, journal);
        }
    }
    void file(bool there) { feed(FileSeen{"/w", truth_of(there)}); }
    void end() { feed(JobEnded{.job = runs.back().job, .code = 0}); }
    std::string script() const { return runs.back().unit->service.init_script; }
};

const NetMachine::Units kUnits{
    {"waits", "{when: file /w exists, init-script: x, then: next}"},
    {"while", "{while: file /l exists, init-script: x}"},
    {"task", "{when: file /t exists, init-script: x, task: true, then: next}"},
    {"slow", "{init-script: x, timeout: {start: 9s, then: kill}}"},
    {"next", "{init-script: x, task: true}"},
    {"each", "{each-event: link, init-script: x}"},
};

struct Machine {
    Simulation s{NetMachine::with(kUnits), ""};
    Machine() { s.jobs_end_at_once = false; }
    void start() {
        s.start();
        s.snapshot({});
        s.coldplug_complete();
    }
    const Managed& of(const char* unit) { return s.engine().planner().units()[*s.engine().planner().find(unit)]; }
    Actual state(const char* unit) { return of(unit).state.actual; }
    void file(const char* path, bool there) { s.feed(FileSeen{path, truth_of(there)}); }
};

}  // namespace

TEST_SUITE("plan/scripts") {
    TEST_CASE("another script is chosen while it runs: that one is stopped, and the other started the next time") {
        auto with = [](const char* script) {
            return NetMachine::with({{"dm", std::string("{while: file /w exists, chosen-by: /x, init-script: ") + script + "}"}});
        };
        NetMachine machine(NetMachine::Units{{"dm", "{while: file /w exists, chosen-by: /x, init-script: old}"}});
        auto script = [&] { return machine.all<RunJob>().at(0).unit->service.init_script; };
        auto kept = [&] { return machine.engine.planner().units()[0].unit->service.init_script; };
        auto end = [&] { machine.feed(JobEnded{.job = machine.engine.planner().units()[0].job, .code = 0}); };
        auto file = [&](bool there) { machine.feed(FileSeen{"/w", truth_of(there)}); };
        // At rest it is the new one at once; while it starts, and runs, the old one.
        machine.feed(NewConfiguration{with("first")});
        file(true);
        CHECK(script() == "first");
        machine.feed(NewConfiguration{with("second")});
        CHECK(machine.all<Report>().at(0).text == "its script is first until it has stopped, and then second");
        end();
        CHECK(kept() == "first");
        machine.feed(NewConfiguration{with("third")});
        machine.feed(NewConfiguration{with("third")});
        file(false);
        CHECK(script() == "first");
        end();
        CHECK(kept() == "third");
        file(true);
        CHECK(script() == "third");
        end();
        // A restart stops the one and starts the other.
        machine.feed(NewConfiguration{with("fourth")});
        machine.feed(HandRequest{"dm", UnitEvent::HandRestart});
        CHECK(script() == "third");
        end();
        CHECK(script() == "fourth");
        end();
        // Chosen back meanwhile: nothing has changed.
        machine.feed(NewConfiguration{with("fifth")});
        machine.feed(NewConfiguration{with("fourth")});
        CHECK(machine.all<Report>().empty());
        file(false);
        end();
        CHECK(kept() == "fourth");
    }

    TEST_CASE("another one is chosen while no engine runs: what the last one has started is what is stopped") {
        Chosen m("first");
        m.file(true);
        CHECK(m.script() == "first");
        m.begin("second");  // while it starts
        REQUIRE(m.adopted.size() == 1);
        CHECK(m.adopted[0].start->service.init_script == "first");
        m.file(true);
        m.end();
        m.begin("third");  // while it runs
        m.file(true);
        CHECK(m.runs.size() == 1);
        m.file(false);
        CHECK(m.runs.back().verb == Verb::Stop);
        CHECK(m.script() == "first");
        m.begin("fourth");  // while it stops
        m.file(false);
        m.end();
        m.file(true);
        CHECK(m.script() == "fourth");
        m.end();
        m.file(false);
        m.end();
        // Of a start that never came to run there is nothing to be stopped.
        m.marks = false;
        m.file(true);
        CHECK(m.script() == "fourth");
        m.marks = true;
        m.begin("fifth");
        m.file(true);
        CHECK(m.script() == "fifth");
        // What is no name of a script is not believed.
        m.end();
        size_t at = m.journal.rfind("fifth");
        m.journal.replace(at, 5, "../x");
        m.begin("sixth");
        CHECK(m.engine->planner().units()[0].unit->service.init_script == "sixth");
    }

    TEST_CASE("another one is chosen while it runs, and the copy of a recording knows it as well") {
        Chosen m("first");
        m.file(true);
        m.end();
        m.feed(NewConfiguration{Chosen::with("second")});
        auto text_of = [&](const Engine& engine) {
            std::string text;
            Recorder("test", [&](std::string_view lines) { text += lines; }).checkpoint(engine, m.now);
            return text;
        };
        auto head = read_head(text_of(*m.engine), "t");
        REQUIRE_MESSAGE(head, head.error().to_string());
        std::unique_ptr<Engine> twin = engine_of(*head);
        CHECK(text_of(*m.engine).find("\n  runs_script=first\n") != std::string::npos);
        CHECK(text_of(*twin).find("\n  runs_script=first\n") != std::string::npos);
        auto script = [&] { return twin->planner().units()[0].unit->service.init_script; };
        CHECK(script() == "first");
        Actions actions;
        twin->handle(FileSeen{"/w", Truth::False}, m.now, actions);
        twin->handle(JobEnded{.job = twin->planner().units()[0].job, .code = 0}, m.now, actions);
        CHECK(script() == "second");
    }

    TEST_CASE("the boot sequence runs it: it starts, is watched, is up, and what follows follows") {
        Machine m;
        m.start();
        CHECK(m.s.boot_script("waits", true));
        CHECK(m.state("waits") == Actual::Starting);
        CHECK(m.of("waits").asker == Asker::Boot);
        m.file("/w", true);
        CHECK(m.s.runs("waits", Verb::Start) == 0);
        REQUIRE(m.s.end_job("waits", {}));
        CHECK(m.state("waits") == Actual::Active);
        CHECK(m.s.runs("next", Verb::Start) == 1);
        // Left and true again is an edge as ever.
        m.file("/w", false);
        m.s.feed(HandRequest{"waits", UnitEvent::HandStop});
        REQUIRE(m.s.end_job("waits", {.code = 0}));
        m.s.feed(HandRequest{"waits", UnitEvent::Reset});
        m.file("/w", true);
        CHECK(m.s.runs("waits", Verb::Start) == 1);
    }

    TEST_CASE("it was run before there was an engine") {
        Machine m;
        CHECK(m.s.boot_script("waits", false));
        CHECK(m.s.boot_script("task", true));
        m.start();
        CHECK(m.state("waits") == Actual::Active);
        CHECK(m.state("task") == Actual::Starting);
        m.file("/w", true);
        m.file("/t", true);
        REQUIRE(m.s.end_job("task", {}));
        CHECK(m.state("task") == Actual::Done);
        CHECK(m.s.runs("waits", Verb::Start) + m.s.runs("task", Verb::Start) == 0);
        // The condition was definitely false meanwhile: that it is true now is a new reason to run.
        m.file("/t", false);
        m.file("/t", true);
        CHECK(m.s.runs("task", Verb::Start) == 1);
    }

    TEST_CASE("told of twice, and again after a crash, it is one start") {
        Machine m;
        m.start();
        ScriptStarted seen{.unit = "task", .pid = 500, .started = m.s.now(), .by = ""};
        m.s.feed(seen);
        CHECK(m.state("task") == Actual::Done);  // 500 is not there
        CHECK(m.s.runs("next", Verb::Start) == 1);
        REQUIRE(m.s.end_job("next", {.code = 0}));
        m.s.feed(seen);
        m.s.crash();
        m.start();
        m.s.feed(seen);
        CHECK(m.s.runs("next", Verb::Start) == 1);
        seen.pid = 501;
        m.s.feed(seen);
        CHECK(m.s.runs("next", Verb::Start) == 2);
    }

    TEST_CASE("killed while a script of boot's runs: it is watched on, and stays boot's") {
        Machine m;
        m.start();
        CHECK(m.s.boot_script("slow", true));
        m.s.crash();
        m.start();
        CHECK(m.state("slow") == Actual::Starting);
        CHECK(m.of("slow").asker == Asker::Boot);
        std::vector<JobLimits::Job> jobs = m.s.engine().limits().checkpoint();
        REQUIRE(jobs.size() == 1);
        CHECK(jobs[0].foreign);
        m.s.advance(std::chrono::minutes(1));
        for (const std::string& line : m.s.lines()) CHECK(line.find("signal slow") == line.npos);
        REQUIRE(m.s.end_job("slow", {.found_down = true}));
        CHECK(m.state("slow") == Actual::Failed);
        CHECK(m.of("slow").last_end == "ended while nobody watched, and the service does not run");
    }

    TEST_CASE("a job of ours that left a claim is not counted again") {
        Machine m;
        m.start();
        m.file("/t", true);
        CHECK(m.s.runs("task", Verb::Start) == 1);
        m.s.crash();
        m.start();
        REQUIRE(m.s.end_job("task", {}));
        CHECK(m.s.runs("next", Verb::Start) == 1);
        REQUIRE(m.s.end_job("next", {.code = 0}));
        // The simulation's jobs are process 1, at the time of their mark.
        m.s.feed(ScriptStarted{.unit = "task", .pid = 1, .started = m.of("task").script_at, .by = ""});
        CHECK(m.s.runs("next", Verb::Start) == 1);
    }

    TEST_CASE("its unit comes later") {
        Machine m;
        m.start();
        CHECK_FALSE(m.s.boot_script("later", true));
        m.s.feed(ScriptStarted{.unit = "later", .pid = 77, .started = m.s.now(), .by = ""});
        auto units = kUnits;
        units["later"] = "{when: not file /l exists, init-script: x, then: next}";
        m.file("/l", false);
        m.s.configure(NetMachine::with(units));
        CHECK(m.state("later") == Actual::Active);
        CHECK(m.of("later").asker == Asker::Boot);
        CHECK(m.s.runs("later", Verb::Start) == 0);
        CHECK(m.s.runs("next", Verb::Start) == 1);
    }

    TEST_CASE("what runs, or is on its way, is left alone; so are units without a start") {
        Machine m;
        m.start();
        m.file("/w", true);
        REQUIRE(m.s.running().size() == 1);
        JobId ours = m.s.running()[0].id;
        CHECK(m.s.boot_script("waits", true));
        CHECK(m.of("waits").job == ours);
        REQUIRE(m.s.end_job("waits", {.code = 0}));
        CHECK(m.s.boot_script("waits", true));
        CHECK(m.state("waits") == Actual::Active);
        CHECK(m.s.boot_script("each", true));
        CHECK(m.state("each") == Actual::Waiting);
        m.s.feed(ScriptStarted{.unit = "nobody", .pid = 9, .started = {}, .by = ""});
        m.s.feed(ScriptStarted{.unit = "while", .pid = 9, .started = m.s.now(), .by = "waits"});
        CHECK(m.of("while").asker == Asker::Unit);
        CHECK(m.of("while").reason == "its script was called by waits");
    }

    TEST_CASE("a `while` that is false ends what boot started") {
        Machine m;
        m.s.boot_script("while", false);
        m.start();
        CHECK(m.state("while") == Actual::Active);
        m.file("/l", false);
        CHECK(m.state("while") == Actual::Stopping);
    }

    TEST_CASE("a stop by the script counts as by hand") {
        Machine m;
        m.start();
        auto stop = [&](const char* unit) { m.s.feed(HandRequest{unit, UnitEvent::StoppedElsewhere}); };
        m.file("/w", true);
        stop("waits");  // its start is under way: stopped by us, when it has ended
        REQUIRE(m.s.end_job("waits", {.code = 0}));
        CHECK(m.state("waits") == Actual::Stopping);
        REQUIRE(m.s.end_job("waits", {.code = 0}));
        CHECK(m.of("waits").state.hold == Hold::Down);
        m.s.feed(HandRequest{"waits", UnitEvent::HandStart});
        REQUIRE(m.s.end_job("waits", {.code = 0}));
        stop("waits");  // the script does it
        CHECK(m.state("waits") == Actual::Waiting);
        CHECK(m.of("waits").state.hold == Hold::Down);
        CHECK(m.s.running().size() == 1);  // next
        m.file("/w", false);
        m.file("/w", true);
        CHECK(m.state("waits") == Actual::Waiting);
        for (const char* unit : {"task", "each", "slow"}) {
            stop(unit);
            CHECK(m.of(unit).state.hold == Hold::Down);
        }
    }
}
