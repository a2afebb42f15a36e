// Services of systemd: what is asked of it, what its words become, and what is read from a unit where its
// word was lost.
#include "engine/run/service_jobs.h"

#include <doctest/doctest.h>
#include <time.h>

#include "tests/support/fake_systemd.h"

using namespace devmux;

namespace {

Time now_of(clockid_t clock) {
    timespec ts{};
    clock_gettime(clock, &ts);
    return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

struct Keeper final : ServiceKeeper {
    std::vector<JobId> marks;
    std::vector<JobEnded> ends;
    std::vector<std::string> seen;
    std::vector<RunJob> scripts;
    bool full = false;  // nothing can be marked

    std::optional<Error> mark_service_job(JobId job, Time) override {
        if (full) return Error{Mark{"journal"}, "No space left on device"};
        marks.push_back(job);
        return std::nullopt;
    }
    void service_job_ended(const JobEnded& end) override { ends.push_back(end); }
    void service_seen(const ServiceSeen& s) override {
        seen.push_back(s.unit + " " + std::string(to_string(s.state)) + " " + std::string(to_string(s.how)) + ": " + s.text);
    }
    void run_script(const RunJob& job) override { scripts.push_back(job); }
    std::vector<std::string> runlevels;
    void targets_seen(const std::string& runlevel) override { runlevels.push_back(runlevel); }
};

struct Host {
    FakeSystemd systemd;
    Keeper keeper;
    ServiceJobs jobs{systemd, keeper, true};
    std::shared_ptr<Unit> unit = std::make_shared<Unit>(Unit{.name = "u"});

    explicit Host(const std::string& service = "a.service") {
        unit->service = {.kind = Service::Kind::Systemd, .systemd = service};
    }
    void make_script(const std::string& name) { unit->service = {.kind = Service::Kind::InitScript, .init_script = name}; }
    void follow() {
        jobs.follow({unit});
        systemd.answer();
    }
    void run(JobId job, Verb verb) {
        auto ended = jobs.start({.job = job, .unit = unit, .verb = verb});
        CHECK_FALSE(ended);
        systemd.answer();
    }
    std::string error() {
        REQUIRE(keeper.ends.size() == 1);
        CHECK_FALSE(keeper.ends[0].code);
        return keeper.ends[0].error;
    }
    bool well() const { return keeper.ends.size() == 1 && keeper.ends[0].ok(); }
};

SystemdUnit a(const std::string& active, const std::string& sub = "") { return FakeSystemd::unit("a.service", active, sub); }

}  // namespace

TEST_SUITE("run/service_jobs") {
    TEST_CASE("a start: looked at, marked, asked for, and over when systemd says so") {
        Host host;
        host.systemd.put(a("inactive"));
        host.run(1, Verb::Start);
        CHECK(host.systemd.calls == std::vector<std::string>{"start a.service"});
        CHECK(host.keeper.marks == std::vector<JobId>{1});
        CHECK(host.keeper.ends.empty());
        CHECK(host.jobs.knows(1));
        host.systemd.removed(99, a("activating"), "done");  // somebody else's
        CHECK(host.keeper.ends.empty());
        host.systemd.removed(100, a("active"), "done");
        CHECK(host.well());
        CHECK_FALSE(host.jobs.knows(1));
    }

    TEST_CASE("a stop; and nothing is asked for where the unit is there already") {
        Host host;
        host.systemd.put(a("active"));
        host.run(1, Verb::Stop);
        CHECK(host.systemd.calls == std::vector<std::string>{"stop a.service"});
        host.systemd.removed(100, a("inactive"), "done");
        CHECK(host.well());
        host.keeper.ends.clear();
        host.run(2, Verb::Stop);
        CHECK(host.well());
        CHECK(host.systemd.calls.size() == 1);
    }

    TEST_CASE("it runs already: skipped, or an error; a task is started all the same") {
        Host host;
        host.systemd.put(a("active"));
        host.run(1, Verb::Start);
        REQUIRE(host.well());
        CHECK(host.keeper.ends[0].found_running);
        host.keeper.ends.clear();
        host.unit->if_running = IfRunning::Error;
        host.run(2, Verb::Start);
        CHECK(host.error().find("a.service runs (if-running: error)") != std::string::npos);
        CHECK(host.systemd.calls.empty());
        CHECK(host.keeper.marks.empty());
        host.unit->task = true;
        host.run(3, Verb::Start);
        CHECK(host.systemd.calls.size() == 1);
    }

    TEST_CASE("what the unit may do without: not there, masked, and no systemd at all") {
        for (const char* load : {"not-found", "masked", "bad-setting"})
            for (bool may : {true, false}) {
                Host host;
                host.unit->service.may_be_missing = may;
                SystemdUnit unit = a("inactive");
                unit.load = load;
                host.systemd.put(unit);
                host.run(1, Verb::Start);
                REQUIRE(host.keeper.ends.size() == 1);
                CHECK(host.keeper.ends[0].missing == (may && load != std::string("bad-setting")));
            }
        Host host;
        ServiceJobs nowhere(host.systemd, host.keeper, false);
        host.unit->service.may_be_missing = true;
        auto end = nowhere.start({.job = 1, .unit = host.unit, .verb = Verb::Start});
        REQUIRE(end);
        CHECK(end->missing);
        CHECK(end->error == "systemd does not run on this machine");
    }

    TEST_CASE("runlevels of targets: the highest that is active, and none of them is none") {
        Host host;
        auto put = [&](const char* target, const char* active) { host.systemd.change(FakeSystemd::unit(target, active)); };
        host.jobs.follow_targets();
        host.jobs.follow_targets();
        host.systemd.answer();
        CHECK(host.keeper.runlevels == std::vector<std::string>{""});  // a boot that has not come so far
        put("multi-user.target", "active");
        // The boot passes by it, on its way to another.
        SystemdUnit soon = FakeSystemd::unit("graphical.target", "inactive");
        soon.job = 7;
        host.systemd.change(soon);
        put("graphical.target", "active");
        put("a.service", "active");
        put("graphical.target", "inactive");
        put("multi-user.target", "inactive");
        put("rescue.target", "active");
        CHECK(host.keeper.runlevels == std::vector<std::string>{"", "3", "", "5", "3", "", "1"});
        // The connection is lost, and what changed meanwhile is found.
        host.systemd.lose();
        host.systemd.put(FakeSystemd::unit("rescue.target", "inactive"));
        host.systemd.put(FakeSystemd::unit("multi-user.target", "active"));
        host.jobs.deadline(kNever);
        host.systemd.answer();
        CHECK(host.keeper.runlevels.back() == "3");
        ServiceJobs nowhere(host.systemd, host.keeper, false);
        nowhere.follow_targets();
        host.systemd.answer();
        CHECK(host.keeper.runlevels.size() == 8);
    }

    TEST_CASE("missing, masked, broken: the reason, and nothing is asked for") {
        for (auto [load, trouble, why] : std::initializer_list<std::array<const char*, 3>>{
                 {"not-found", "", "systemd knows no unit a.service"},
                 {"masked", "", "a.service is masked"},
                 {"bad-setting", "Unit a.service has a bad unit file setting.", "bad unit file setting"},
                 {"error", "", "systemd cannot load a.service: error"}}) {
            Host host;
            SystemdUnit unit = a("inactive");
            unit.load = load;
            unit.trouble = trouble;
            host.systemd.put(unit);
            host.run(1, Verb::Start);
            CHECK_MESSAGE(host.error().find(why) != std::string::npos, host.error());
            CHECK(host.systemd.calls.empty());
        }
    }

    TEST_CASE("how a job ends badly, in words") {
        for (auto [result, why] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"failed", "a.service failed (exit-code)"},
                 {"timeout", "longer than systemd allows"},
                 {"dependency", "a unit that it requires failed"},
                 {"canceled", "another job of systemd took its place"},
                 {"skipped", "skipped by systemd"},
                 {"never\nheard", "never\\x0aheard"}}) {
            Host host;
            host.systemd.put(a("inactive"));
            host.run(1, Verb::Start);
            SystemdUnit after = a("failed");
            after.result = "exit-code";
            host.systemd.removed(100, after, result);
            CHECK_MESSAGE(host.error().find(why) != std::string::npos, host.error());
        }
        Host refused;
        refused.systemd.put(a("inactive"));
        refused.systemd.refusal = "Transaction is destructive.";
        refused.run(1, Verb::Start);
        CHECK(refused.error() == "systemd: Transaction is destructive.");
        Host unmet;
        unmet.systemd.put(a("inactive"));
        unmet.run(1, Verb::Start);
        SystemdUnit after = a("inactive");
        after.condition = false;
        after.asked = now_of(CLOCK_MONOTONIC);
        unmet.systemd.removed(100, after, "done");
        CHECK(unmet.error().find("a condition of the unit is not met") != std::string::npos);
    }

    TEST_CASE("what cannot be marked is not asked for; and nothing where systemd does not run") {
        Host host;
        host.keeper.full = true;
        host.systemd.put(a("inactive"));
        host.run(1, Verb::Start);
        CHECK(host.error().find("No space left") != std::string::npos);
        CHECK(host.systemd.calls.empty());
        ServiceJobs elsewhere(host.systemd, host.keeper, false);
        auto ended = elsewhere.start({.job = 2, .unit = host.unit});
        REQUIRE(ended);
        CHECK(ended->error.find("systemd does not run") != std::string::npos);
        CHECK_FALSE(elsewhere.is_ours({.kind = Service::Kind::InitScript}));
    }

    TEST_CASE("no connection yet: tried again in growing pauses, and then asked") {
        Host host;
        host.systemd.there = false;
        host.systemd.put(a("inactive"));
        CHECK_FALSE(host.jobs.start({.job = 1, .unit = host.unit}));
        Duration last{};
        for (int i = 0; i < 10; ++i) {
            Time due = host.jobs.next_deadline();
            REQUIRE(due != kNever);
            Duration pause = due - now_of(CLOCK_MONOTONIC);
            CHECK(pause >= last / 2);
            CHECK(pause <= std::chrono::seconds(5));
            last = pause;
            host.jobs.deadline(due);
        }
        CHECK(host.jobs.seen(1).text.find("connection to systemd") != std::string::npos);
        host.systemd.there = true;
        host.jobs.deadline(host.jobs.next_deadline());
        host.systemd.answer();
        CHECK(host.jobs.next_deadline() == kNever);
        CHECK(host.systemd.calls == std::vector<std::string>{"start a.service"});
    }

    TEST_CASE("the connection is lost during a start: the unit tells what became of it, and nothing is asked twice") {
        auto lost = [](Host& host, const SystemdUnit& meanwhile) {
            host.systemd.put(a("inactive"));
            host.run(1, Verb::Start);
            REQUIRE(host.systemd.calls.size() == 1);
            host.systemd.lose();
            host.systemd.put(meanwhile);
            host.jobs.deadline(host.jobs.next_deadline());
            host.systemd.answer();
        };
        SUBCASE("its job is there still") {
            Host host;
            SystemdUnit unit = a("activating");
            unit.job = 77;
            lost(host, unit);
            CHECK(host.keeper.ends.empty());
            host.systemd.removed(77, a("active"), "done");
            CHECK(host.well());
        }
        SUBCASE("it has ended well") {
            Host host;
            lost(host, a("active"));
            CHECK(host.well());
        }
        SUBCASE("it has failed") {
            Host host;
            SystemdUnit unit = a("failed");
            unit.result = "exit-code";
            unit.left = now_of(CLOCK_MONOTONIC);
            lost(host, unit);
            CHECK(host.error() == "a.service failed (exit-code)");
        }
        SUBCASE("it ran, and left nothing running") {
            Host host;
            SystemdUnit unit = a("inactive");
            unit.left = now_of(CLOCK_MONOTONIC);
            lost(host, unit);
            CHECK(host.well());
        }
        SUBCASE("it is on its way by itself") {
            Host host;
            lost(host, a("activating", "auto-restart"));
            CHECK(host.keeper.ends.empty());
            host.systemd.change(a("active"));
            CHECK(host.well());
        }
        SUBCASE("the call never came to systemd") {
            Host host;
            SystemdUnit unit = a("inactive");
            unit.left = now_of(CLOCK_MONOTONIC) - std::chrono::seconds(10);
            lost(host, unit);
            CHECK(host.systemd.calls.size() == 2);
            host.systemd.removed(101, a("active"), "done");
            CHECK(host.well());
        }
    }

    TEST_CASE("adopted from a former engine: the same, by its mark") {
        Time marked = now_of(CLOCK_BOOTTIME);
        SUBCASE("a start that has run") {
            Host host;
            SystemdUnit unit = a("inactive");
            unit.left = now_of(CLOCK_MONOTONIC) + std::chrono::milliseconds(1);
            host.systemd.put(unit);
            CHECK_FALSE(host.jobs.adopt(5, host.unit, Verb::Start, marked));
            host.systemd.answer();
            CHECK(host.well());
            CHECK(host.systemd.calls.empty());
        }
        SUBCASE("a start that runs") {
            Host host;
            SystemdUnit unit = a("activating");
            unit.job = 7;
            host.systemd.put(unit);
            CHECK_FALSE(host.jobs.adopt(5, host.unit, Verb::Start, marked));
            host.systemd.answer();
            CHECK(host.keeper.ends.empty());
            host.systemd.removed(7, a("active"), "done");
            CHECK(host.well());
            CHECK(host.systemd.calls.empty());
        }
        SUBCASE("a start that was never asked for") {
            Host host;
            host.systemd.put(a("inactive"));
            CHECK_FALSE(host.jobs.adopt(5, host.unit, Verb::Start, marked));
            host.systemd.answer();
            CHECK(host.systemd.calls == std::vector<std::string>{"start a.service"});
        }
        SUBCASE("a stop that is over") {
            Host host;
            host.systemd.put(a("inactive"));
            CHECK_FALSE(host.jobs.adopt(5, host.unit, Verb::Stop, marked));
            host.systemd.answer();
            CHECK(host.well());
        }
        SUBCASE("a unit that is another kind of service now") {
            Host host;
            host.unit->service.kind = Service::Kind::Command;
            auto ended = host.jobs.adopt(5, host.unit, Verb::Start, marked);
            REQUIRE(ended);
            CHECK(ended->unseen());
        }
    }

    TEST_CASE("a reload: by systemd where the unit can, else the plan restarts it") {
        Host host;
        SystemdUnit unit = a("active");
        unit.can_reload = true;
        host.systemd.put(unit);
        host.follow();
        host.keeper.seen.clear();
        host.run(1, Verb::Reload);
        CHECK(host.systemd.calls == std::vector<std::string>{"reload a.service"});
        CHECK(host.keeper.marks == std::vector<JobId>{1});
        host.systemd.change(a("reloading"));
        CHECK(host.keeper.ends.empty());
        host.systemd.removed(100, unit, "done");
        CHECK(host.well());
        CHECK(host.keeper.seen.empty());
        SUBCASE("it cannot") {
            host.keeper.ends.clear();
            host.systemd.put(a("active"));
            host.run(2, Verb::Reload);
            REQUIRE(host.well());
            CHECK(host.keeper.ends[0].no_action);
        }
        SUBCASE("it failed, and runs on") {
            host.keeper.ends.clear();
            host.run(2, Verb::Reload);
            host.systemd.removed(101, unit, "failed");
            CHECK(host.error() == "a.service failed");
            CHECK(host.keeper.seen.empty());
        }
        SUBCASE("it does not run any more: the reload failed, and so it is told") {
            host.keeper.ends.clear();
            host.systemd.put(a("inactive"));
            host.run(2, Verb::Reload);
            CHECK(host.error() == "a.service does not run");
            CHECK(host.keeper.seen == std::vector<std::string>{"u stopped alone: a.service has ended"});
            CHECK(host.systemd.calls.size() == 1);
        }
    }

    TEST_CASE("a reload that a former engine asked for, or whose connection was lost: by the unit's last change") {
        Time marked = now_of(CLOCK_BOOTTIME);
        Host host;
        SystemdUnit unit = a("active");
        unit.can_reload = true;
        auto adopt = [&] {
            host.systemd.put(unit);
            CHECK_FALSE(host.jobs.adopt(5, host.unit, Verb::Reload, marked));
            host.systemd.answer();
        };
        SUBCASE("it has come to systemd") {
            unit.changed = now_of(CLOCK_MONOTONIC) + std::chrono::milliseconds(1);
            adopt();
            CHECK(host.well());
            CHECK(host.systemd.calls.empty());
        }
        SUBCASE("it has not") {
            unit.changed = now_of(CLOCK_MONOTONIC) - std::chrono::seconds(10);
            adopt();
            CHECK(host.systemd.calls == std::vector<std::string>{"reload a.service"});
        }
        SUBCASE("it runs") {
            unit.active = "reloading";
            unit.job = 7;
            adopt();
            CHECK(host.keeper.ends.empty());
            host.systemd.removed(7, a("active"), "done");
            CHECK(host.well());
            CHECK(host.systemd.calls.empty());
        }
    }

    TEST_CASE("what others do: by hand where a job of systemd did it, else by itself; each once") {
        Host host;
        host.systemd.put(a("inactive"));
        host.follow();
        CHECK(host.keeper.seen == std::vector<std::string>{"u stopped unseen: a.service has ended"});
        host.keeper.seen.clear();
        auto told = [&] { return std::exchange(host.keeper.seen, {}); };
        host.systemd.change(a("activating"));
        host.systemd.change(a("active"));
        CHECK(told() == std::vector<std::string>{"u running alone: a.service runs"});
        host.systemd.removed(7, a("active"), "done");
        host.systemd.change(a("reloading"));
        CHECK(told().empty());
        host.systemd.change(a("deactivating"));
        CHECK(told().empty());
        host.systemd.removed(8, a("inactive"), "done");
        CHECK(told() == std::vector<std::string>{"u stopped by-hand: a.service has ended"});
        host.systemd.removed(9, a("active"), "done");
        CHECK(told() == std::vector<std::string>{"u running by-hand: a.service runs"});
        SystemdUnit broken = a("failed");
        broken.result = "signal";
        host.systemd.change(broken);
        CHECK(told() == std::vector<std::string>{"u failed alone: a.service failed (signal)"});
        host.systemd.removed(10, a("active"), "done");
        host.systemd.change(a("activating", "auto-restart"));
        host.systemd.change(a("active"));
        (void)told();
        host.systemd.change(a("inactive"));
        CHECK(told() == std::vector<std::string>{"u stopped alone: a.service has ended"});
    }

    TEST_CASE("the end of our own job is no news; what contradicts it is") {
        Host host;
        host.systemd.put(a("inactive"));
        host.follow();
        host.keeper.seen.clear();
        host.run(1, Verb::Start);
        host.systemd.change(a("activating"));
        host.systemd.change(a("active"));
        host.systemd.removed(100, a("active"), "done");
        CHECK(host.keeper.seen.empty());
        host.run(2, Verb::Stop);
        host.systemd.removed(101, a("inactive"), "done");
        CHECK(host.keeper.seen.empty());
        host.keeper.ends.clear();
        host.run(3, Verb::Start);  // one that leaves nothing running
        host.systemd.removed(102, a("inactive"), "done");
        CHECK(host.well());
        CHECK(host.keeper.seen == std::vector<std::string>{"u stopped alone: a.service has ended"});
        host.keeper = {};
        host.run(4, Verb::Start);
        host.systemd.removed(103, a("inactive"), "canceled");
        CHECK(host.error().find("canceled") != std::string::npos);
        CHECK(host.keeper.seen == std::vector<std::string>{"u stopped by-hand: a.service has ended"});
    }

    TEST_CASE("after the connection was lost everything is looked at, and what changed was unseen") {
        Host host;
        host.systemd.put(a("active"));
        host.follow();
        host.keeper.seen.clear();
        host.systemd.lose();
        host.jobs.deadline(host.jobs.next_deadline());
        host.systemd.answer();
        CHECK(host.keeper.seen.empty());
        host.systemd.lose();
        host.systemd.put(a("inactive"));
        host.jobs.deadline(host.jobs.next_deadline());
        host.systemd.answer();
        CHECK(host.keeper.seen == std::vector<std::string>{"u stopped unseen: a.service has ended"});
    }

    TEST_CASE("an alias: what systemd says of the unit behind it is of ours") {
        Host host("b.service");
        host.systemd.aliases["b.service"] = "a.service";
        host.systemd.put(a("inactive"));
        host.follow();
        host.keeper.seen.clear();
        host.systemd.removed(7, a("active"), "done");
        CHECK(host.keeper.seen == std::vector<std::string>{"u running by-hand: a.service runs"});
    }

    TEST_CASE("an init script is systemd's unit of that name, where it knows one") {
        Host host;
        host.make_script("a.sh");
        host.systemd.put(a("inactive"));
        host.run(1, Verb::Start);
        CHECK(host.systemd.calls == std::vector<std::string>{"start a.service"});
        SystemdUnit masked = a("inactive");
        masked.load = "masked";
        host.systemd.removed(100, masked, "canceled");
        host.keeper.ends.clear();
        host.run(2, Verb::Start);
        CHECK(host.error().find("a.service is masked") != std::string::npos);
        CHECK(host.keeper.scripts.empty());
    }

    TEST_CASE("an init script that systemd does not know gets a unit of its own, once it may run") {
        Host host;
        host.make_script("own+1");
        host.run(1, Verb::Start);
        REQUIRE(host.keeper.scripts.size() == 1);
        CHECK_FALSE(host.jobs.knows(1));
        CHECK(host.keeper.marks.empty());
        CHECK_FALSE(host.jobs.start_script(host.keeper.scripts[0], "/etc/init.d/own+1", {"A=b"}));
        host.systemd.answer();
        const std::string name = "devmux-own\\x2b1.service";
        CHECK(host.systemd.calls == std::vector<std::string>{"script " + name + " /etc/init.d/own+1"});
        CHECK(host.systemd.environment == std::vector<std::string>{"A=b"});
        CHECK(host.keeper.marks == std::vector<JobId>{1});
        host.systemd.removed(100, FakeSystemd::unit(name, "active", "exited"), "done");
        CHECK(host.well());
        host.keeper.ends.clear();
        host.run(2, Verb::Start);
        CHECK(host.well());
        CHECK(host.keeper.ends[0].found_running);
        host.keeper.ends.clear();
        host.run(3, Verb::Stop);
        CHECK(host.systemd.calls.back() == "stop " + name);
        host.systemd.removed(101, FakeSystemd::unit(name, "failed"), "failed");
        // A new unit for a new start: with its own environment.
        host.keeper.ends.clear();
        host.run(4, Verb::Start);
        CHECK(host.systemd.calls.back() == "reset-failed " + name);
        CHECK(host.keeper.scripts.size() == 2);
    }

    TEST_CASE("a script that was started before systemd knew its unit is stopped where it runs") {
        Host host;
        host.make_script("a");
        host.systemd.put(a("inactive"));
        host.systemd.put(FakeSystemd::unit("devmux-a.service", "active", "running"));
        host.run(1, Verb::Stop);
        CHECK(host.systemd.calls == std::vector<std::string>{"stop devmux-a.service"});
    }

    TEST_CASE("what a look at a job finds: its unit, and the process that systemd runs for it") {
        Host host;
        host.systemd.put(a("inactive"));
        host.run(1, Verb::Start);
        SystemdUnit unit = a("activating", "start-pre");
        unit.control_pid = 77;
        unit.cgroup = "/system.slice/a.service";
        host.systemd.change(unit);
        ServiceJobs::Seen seen = host.jobs.seen(1);
        CHECK(seen.text == "a.service is activating (start-pre)");
        CHECK(seen.pid == 77);
        CHECK(seen.cgroup == "/system.slice/a.service");
        unit.control_pid = 0;
        unit.main_pid = 78;
        host.systemd.change(unit);
        CHECK(host.jobs.seen(1).pid == 78);
        CHECK(host.jobs.seen(9).pid == 0);
    }

    TEST_CASE("which variables systemd takes") {
        for (const char* good : {"A=", "A_1=b c", "PATH=/bin:/sbin", "X=\xc3\xa9"}) CHECK(is_variable_for_systemd(good));
        for (const char* bad : {"", "A", "=b", "1A=b", "A-B=c", "A=\x01", "A=\xff", "A=b\nC=d"})
            CHECK_FALSE(is_variable_for_systemd(bad));
        CHECK(unit_of_script("mountnfs.sh") == "mountnfs.service");
        CHECK(unit_of_script("a+b") == "a\\x2bb.service");
    }
}
