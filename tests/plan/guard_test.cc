// What an init script that asks is told: every kind of starter against every state of a unit.
#include "engine/plan/guard.h"

#include <doctest/doctest.h>

#include "tests/support/net_machine.h"
#include "tools/simulation.h"

using namespace devmux;
using namespace devmux::test;

namespace {

const NetMachine::Units kUnits{
    {"waits", "{when: file /w exists, init-script: x}"},
    {"bare", "{init-script: x}"},
    {"task", "{when: file /t exists, init-script: x, task: true}"},
    {"keeps", "{when: file /k exists, daemon: [/d]}"},
    {"once", "{init-script: x, task: true}"},
    {"each", "{each-event: link, init-script: x}"},
    {"missing", "{when: file /m exists, init-script: x, if-missing: skip}"},
    {"boots", "{when: file /w exists, boot-if: file /b exists, init-script: x}"},
};

struct Machine {
    Simulation simulation{NetMachine::with(kUnits), ""};
    Machine() {
        simulation.jobs_end_at_once = false;
        simulation.start();
        simulation.snapshot({});
        simulation.coldplug_complete();
    }
    std::string ask(const char* unit, Starter::Kind kind, const char* of = "", bool again = false) {
        GuardVerdict v = guard_verdict(simulation.engine().planner(), unit, {kind, of}, again, missing);
        text = v.text;
        switch (v.kind) {
            case GuardVerdict::Kind::GoOn: return "go on";
            case GuardVerdict::Kind::Elsewhere: return "elsewhere";
            case GuardVerdict::Kind::LeaveIt: return "leave it";
            case GuardVerdict::Kind::HandOver: return "hand over";
        }
        return "";
    }
    // Of boot, systemd, a person, a person again, a job of another unit, a job of its own.
    std::string all(const char* unit) {
        return ask(unit, Starter::Kind::Boot) + ", " + ask(unit, Starter::Kind::Systemd) + ", " +
               ask(unit, Starter::Kind::Person) + ", " + ask(unit, Starter::Kind::Person, "", true) + ", " +
               ask(unit, Starter::Kind::Job, "other") + ", " + ask(unit, Starter::Kind::Job, unit);
    }
    void file(const char* path, bool there) { simulation.feed(FileSeen{path, truth_of(there)}); }
    void end(const char* unit, JobEnded how) { REQUIRE(simulation.end_job(unit, how)); }
    std::string text;
    bool missing = false;  // what the unit would start
};

}  // namespace

TEST_SUITE("plan/guard") {
    TEST_CASE("by state and by who asks") {
        Machine m;
        // Nobody's: the script is its own master. Boot's start is noted, for a file that comes later.
        CHECK(m.all("unknown") == "elsewhere, go on, go on, go on, go on, go on");
        // Unknown and false conditions are devmux's to wait for.
        CHECK(m.all("waits") == "leave it, leave it, hand over, hand over, elsewhere, go on");
        m.ask("waits", Starter::Kind::Boot);
        CHECK(m.text == "waits: left to devmux, which starts it when: file \"/w\" exists");
        m.file("/w", false);
        CHECK(m.all("waits") == "leave it, leave it, hand over, hand over, elsewhere, go on");
        // Nobody but boot starts what has no condition.
        CHECK(m.all("bare") == "elsewhere, elsewhere, hand over, hand over, elsewhere, go on");
        CHECK(m.all("each") == "leave it, leave it, go on, go on, go on, go on");
        // systemd runs what devmux has asked it for.
        m.file("/w", true);
        CHECK(m.all("waits") == "leave it, go on, hand over, hand over, elsewhere, go on");
        m.end("waits", {.code = 0});
        CHECK(m.all("waits") == "leave it, leave it, go on, leave it, elsewhere, go on");
        m.simulation.feed(HandRequest{"bare", UnitEvent::HandStart});
        CHECK(m.all("bare") == "leave it, go on, hand over, hand over, elsewhere, go on");
        m.end("bare", {.code = 0});
        CHECK(m.all("bare") == "leave it, leave it, go on, leave it, elsewhere, go on");
        m.simulation.feed(HandRequest{"bare", UnitEvent::HandStop});
        CHECK(m.all("bare") == "leave it, leave it, hand over, hand over, elsewhere, go on");
        m.end("bare", {.code = 0});
        CHECK(m.all("bare") == "leave it, leave it, hand over, hand over, elsewhere, go on");
        m.ask("bare", Starter::Kind::Boot);
        CHECK(m.text == "bare: left to devmux, which holds it: it was stopped by hand");
    }

    TEST_CASE("a task that devmux has run is not run again by the boot sequence") {
        Machine m;
        CHECK(m.ask("once", Starter::Kind::Boot) == "elsewhere");
        m.simulation.feed(HandRequest{"once", UnitEvent::HandStart});
        m.end("once", {.code = 0});
        CHECK(m.ask("once", Starter::Kind::Boot) == "leave it");
        CHECK(m.text == "once: left to devmux, which has run it");
    }

    TEST_CASE("boot-if: as long as it is not false, it is the boot sequence's; by hand it is as ever") {
        Machine m;
        const char* kBoots = "elsewhere, elsewhere, hand over, hand over, elsewhere, go on";
        CHECK(m.all("boots") == kBoots);
        m.file("/w", true);
        m.file("/b", true);
        CHECK(m.all("boots") == kBoots);
        CHECK(m.simulation.runs("boots", Verb::Start) == 0);
        m.simulation.feed(HandRequest{"boots", UnitEvent::HandStart});
        CHECK(m.all("boots") == "leave it, go on, hand over, hand over, elsewhere, go on");
        m.end("boots", {.code = 0});
        CHECK(m.ask("boots", Starter::Kind::Boot) == "leave it");
        m.simulation.feed(HandRequest{"boots", UnitEvent::HandStop});
        m.end("boots", {.code = 0});
        m.simulation.feed(HandRequest{"boots", UnitEvent::Reset});
        CHECK(m.ask("boots", Starter::Kind::Boot) == "elsewhere");
        m.file("/b", false);
        CHECK(m.ask("boots", Starter::Kind::Boot) == "leave it");
    }

    TEST_CASE("what devmux would look for in vain, somebody else may start") {
        Machine m;
        m.missing = true;
        CHECK(m.all("missing") == "elsewhere, elsewhere, hand over, hand over, elsewhere, go on");
        m.file("/m", false);
        CHECK(m.ask("missing", Starter::Kind::Boot) == "elsewhere");
        // It is just about to look; and what a person holds is held.
        m.file("/m", true);
        CHECK(m.all("missing") == "leave it, go on, hand over, hand over, elsewhere, go on");
        m.end("missing", {.error = "not installed", .missing = true});
        m.simulation.feed(HandRequest{"missing", UnitEvent::HandStop});
        CHECK(m.ask("missing", Starter::Kind::Boot) == "leave it");
    }

    TEST_CASE("what devmux looked for in vain, somebody else may start") {
        Machine m;
        m.file("/m", true);
        m.end("missing", {.error = "not installed", .missing = true});
        CHECK(m.all("missing") == "elsewhere, elsewhere, hand over, hand over, elsewhere, go on");
        m.simulation.feed(HandRequest{"missing", UnitEvent::HandStop});
        CHECK(m.ask("missing", Starter::Kind::Boot) == "leave it");
        CHECK(m.text == "missing: left to devmux, which holds it: it was stopped by hand");
    }

    TEST_CASE("tasks that are done run again by hand, failures are tried again, daemons are known to run") {
        Machine m;
        m.file("/t", true);
        m.end("task", {.code = 0});
        CHECK(m.all("task") == "leave it, leave it, hand over, leave it, elsewhere, go on");
        m.file("/k", true);
        m.simulation.daemon_ready("keeps");
        CHECK(m.all("keeps") == "leave it, leave it, leave it, leave it, elsewhere, go on");
        m.ask("keeps", Starter::Kind::Person);
        CHECK(m.text == "keeps: runs already");
        m.end("keeps", {.signal = 11});
        CHECK(m.all("keeps") == "leave it, leave it, hand over, hand over, elsewhere, go on");
        m.ask("keeps", Starter::Kind::Boot);
        CHECK(m.text == "keeps: left to devmux, which tried: was killed by signal 11 (Segmentation fault)");
    }
}
