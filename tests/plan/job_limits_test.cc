// How long a job may take: when it is looked at, what is said of it, when it gets which signal, in seconds
// since it began. Nothing here takes time: the clock is a number, and where it does not go on, as in
// suspend, nothing becomes due.
#include "engine/plan/job_limits.h"

#include <doctest/doctest.h>

using namespace devmux;
using namespace std::chrono_literals;

namespace {

// One unit `u`, its limits, and jobs of it; whoever is asked answers at once.
struct Bench {
    std::optional<TimeLimits> limits;
    JobLimits jobs{{}, [this](const std::string&) { return limits ? &*limits : nullptr; }};
    Time began = 100s, now = began;
    JobSeen seen{.text = "sleep (pid 7) waits in nanosleep"};
    bool answers = true;
    std::string said;  // "40:look 120:SIGTERM …"
    std::vector<std::string> reports, kernel;
    bool overdue = false;

    void start(JobId job = 1, Verb verb = Verb::Start) { jobs.began(job, "u", verb, "/devices/d", now); }
    void say(const std::string& what) {
        said += (said.empty() ? "" : " ") + std::to_string((now - began) / 1s) + ":" + what;
    }
    void take(Actions actions) {
        for (size_t i = 0; i < actions.size(); ++i) {
            Actions more;
            if (const auto* look = std::get_if<LookAtJob>(&actions[i])) {
                say("look");
                seen.job = look->job;
                if (answers) jobs.seen(seen, now, more);
            } else if (const auto* kill = std::get_if<KillJob>(&actions[i])) {
                say(std::string(signal_name(kill->signal)) + (seen.in_module_load ? "?" : ""));
                JobSignalled answer{.job = kill->job, .signal = kill->signal, .sent = "", .spared = ""};
                (seen.in_module_load ? answer.spared : answer.sent) = "sleep (pid 7)";
                if (answers) jobs.signalled(answer, now, more);
            } else if (const auto* report = std::get_if<Report>(&actions[i])) {
                reports.push_back(report->text);
            } else if (const auto* tell = std::get_if<TellKernel>(&actions[i])) {
                kernel.push_back(tell->text);
            }
            actions.insert(actions.end(), more.begin(), more.end());
        }
        for (const auto& [unit, is] : jobs.take_news()) {
            overdue = is;
            say(is ? "overdue" : "no longer");
        }
    }
    void until(Duration end) {
        while (jobs.next() <= began + end) {
            now = jobs.next();
            Actions actions;
            jobs.deadline(now, actions);
            take(std::move(actions));
        }
        now = began + end;
    }
    void end(JobId job = 1) {
        jobs.ended(job);
        take({});
    }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

}  // namespace

TEST_SUITE("plan/job_limits") {
    TEST_CASE("a unit that says nothing: looked at after a third of five minutes, overdue after them, never killed") {
        Bench b;
        b.start();
        b.until(24h);
        CHECK(b.said == "100:look 300:look 300:overdue");
        REQUIRE(b.reports.size() == 2);
        CHECK(b.reports[0] == "its start has run for 1m40s of the 5m allowed: sleep (pid 7) waits in nanosleep (device "
                              "/devices/d)");
        CHECK(b.reports[1] == "its start is overdue: 5m was allowed (device /devices/d); sleep (pid 7) waits in nanosleep");
        CHECK(b.kernel.empty());
        CHECK(b.jobs.remark("u", b.now) != "");
        b.end();
        CHECK_FALSE(b.overdue);
        CHECK(b.jobs.remark("u", b.now) == "");
        CHECK(b.jobs.checkpoint().empty());
    }

    TEST_CASE("the machine goes down: jobs that run have half a minute from then on, and those that begin") {
        Bench b;
        b.limits = TimeLimits{.then = TimeLimits::Then::Kill};
        b.start();
        b.now += 60s;  // its warning is late by then: it comes with the next look at the clock
        b.jobs.go_down(true, b.now);
        b.until(70s);
        b.start(2, Verb::Stop);
        b.until(150s);
        CHECK(b.said == "30:look 80:look 90:look 90:SIGTERM 90:overdue 100:SIGKILL 100:look 100:SIGTERM 110:look 110:SIGKILL 120:look");
        CHECK(b.jobs.down_since() == b.began + 60s);
    }

    TEST_CASE("a shutdown of its own, one that is longer than it is allowed anyway, and none after all") {
        Bench b;
        b.limits = TimeLimits{.stop = 6s, .shutdown = 3s};
        b.jobs.go_down(true, b.now);
        b.start(1, Verb::Stop);
        b.until(100s);
        CHECK(b.said == "1:look 3:look 3:overdue");
        Bench longer;
        longer.limits = TimeLimits{.stop = 6s, .shutdown = 60s};
        longer.jobs.go_down(true, longer.now);
        longer.start(1, Verb::Stop);
        longer.until(100s);
        CHECK(longer.said == "2:look 6:look 6:overdue");
        Bench back;
        back.jobs.go_down(true, back.now);
        back.start();
        back.until(5s);
        back.jobs.go_down(false, back.now);
        back.until(1000s);
        CHECK(back.said == "100:look 300:look 300:overdue");
        Bench never;
        never.limits = TimeLimits{.drivers = {{"slow_one", kNever}}};
        never.seen.driver = "slow_one";
        never.jobs.go_down(true, never.now);
        never.start();
        never.until(24h);
        CHECK_FALSE(never.overdue);
    }

    TEST_CASE("the clock stands still in suspend: a machine asleep makes nothing overdue") {
        // CLOCK_MONOTONIC does not count suspend (clock_gettime(2)): eight hours asleep are no time to the core.
        Bench b;
        b.start();
        b.until(99s);
        b.until(99s);
        CHECK(b.said == "");
        CHECK(b.jobs.next() == b.began + 100s);
        b.until(100s);
        CHECK(b.said == "100:look");
    }

    TEST_CASE("a job that ends in time is not looked at") {
        Bench b;
        b.start();
        b.until(60s);
        b.end();
        CHECK(b.jobs.next() == kNever);
        b.until(24h);
        CHECK(b.said == "");
    }

    TEST_CASE("start, stop and warn as the unit says; a warning that would come too late comes after a third") {
        Bench b;
        b.limits = {.start = 120s, .stop = 30s, .warn = 40s};
        b.start(1);
        b.start(2, Verb::Stop);
        b.start(3, Verb::Run);
        b.until(1h);
        CHECK(b.said == "10:look 30:look 30:overdue 40:look 40:look 120:look 120:look");
        CHECK(has(b.reports[0], "its stop has run for 10s of the 30s allowed"));
        CHECK(has(b.reports.back(), "its run is overdue: 2m was allowed"));
        b.end(2);
        b.end(1);
        CHECK(b.overdue);
        b.end(3);
        CHECK_FALSE(b.overdue);
    }

    TEST_CASE("terminate is one SIGTERM; kill is SIGKILL ten seconds after it, and what survives that is told") {
        Bench b;
        b.limits = {.start = 60s, .then = TimeLimits::Then::Terminate};
        b.start();
        b.until(1h);
        CHECK(b.said == "20:look 60:look 60:SIGTERM 60:overdue");
        CHECK(has(b.reports.back(), "SIGTERM sent to sleep (pid 7): its start is overdue: 1m was allowed (device /devices/d)"));
        Bench c;
        c.limits = {.start = 60s, .then = TimeLimits::Then::Kill};
        c.start();
        c.until(1h);
        CHECK(c.said == "20:look 60:look 60:SIGTERM 60:overdue 70:SIGKILL 80:look");
        CHECK(has(c.reports[3], "SIGKILL sent to sleep (pid 7): its start is overdue"));
        CHECK(has(c.reports[4], "SIGKILL did not end its start: sleep (pid 7) waits in nanosleep"));
        CHECK(c.jobs.next() == kNever);
    }

    TEST_CASE("a module load is warned about and overdue as any, told to the kernel's log, and spared until it is over") {
        Bench b;
        b.limits = {.start = 60s, .then = TimeLimits::Then::Kill};
        b.seen = {.text = "modprobe (pid 9) waits in finit_module", .in_module_load = true, .driver = "tcrypt"};
        b.start();
        b.until(10min);
        // Looked at again after 10 s, and then half as often each time.
        CHECK(b.said == "20:look 60:look 60:SIGTERM? 60:overdue 70:SIGTERM? 90:SIGTERM? 130:SIGTERM? 210:SIGTERM? "
                        "370:SIGTERM?");
        REQUIRE(b.kernel.size() == 1);
        CHECK(b.kernel[0] == "u: its start is overdue: 1m was allowed (device /devices/d); modprobe (pid 9) waits in "
                             "finit_module; that is never killed");
        // Told once, not each time.
        CHECK(b.reports.size() == 3);
        CHECK(has(b.reports[2], "no SIGTERM, though its start is overdue: 1m was allowed (device /devices/d): sleep (pid 7)"));
        b.seen.in_module_load = false;
        b.until(12min);
        CHECK(has(b.said, "670:SIGTERM 680:SIGKILL 690:look"));
    }

    TEST_CASE("a driver's own limit, and one that has none") {
        Bench b;
        b.limits = {.start = 60s, .drivers = {{"slow_one", 300s}, {"endless", kNever}}};
        b.seen = {.text = "modprobe", .in_module_load = true, .driver = "slow-one"};
        b.start();
        b.until(1h);
        CHECK(b.said == "20:look 100:look 300:look 300:overdue");
        Bench c;
        c.limits = b.limits;
        c.seen = {.text = "modprobe", .in_module_load = true, .driver = "endless"};
        c.start();
        c.until(400s);
        CHECK(c.said == "20:look 100:look 200:look 300:look 400:look");
        CHECK(c.reports.size() == 1);
        CHECK(has(c.reports[0], "its start has run for 1m40s, as long as it needs with the driver endless"));
        // It leaves that driver and hangs elsewhere: then it has had its time.
        c.seen = {.text = "sleep (pid 7)"};
        c.until(1h);
        CHECK(has(c.said, "500:look 500:overdue"));
        CHECK(c.kernel.empty());
    }

    TEST_CASE("a reload that changes the limits is for jobs that run, too") {
        Bench b;
        b.start();
        b.until(200s);
        b.limits = {.start = 250s, .then = TimeLimits::Then::Kill};
        b.jobs.limits_changed(b.now);
        b.until(252s);
        CHECK(b.said == "100:look 250:look 250:SIGTERM 250:overdue");
        b.limits->then = TimeLimits::Then::Terminate;
        b.jobs.limits_changed(b.now);
        b.until(1h);
        CHECK(b.said == "100:look 250:look 250:SIGTERM 250:overdue");
        Bench c;
        c.start();
        c.until(400s);
        c.limits = {.start = 60s, .then = TimeLimits::Then::Terminate};
        c.jobs.limits_changed(c.now);
        c.until(1h);
        CHECK(c.said == "100:look 300:look 300:overdue 400:SIGTERM");
    }

    TEST_CASE("who got a signal is told even where the job has ended before the answer came") {
        Bench b;
        b.limits = {.start = 60s, .then = TimeLimits::Then::Kill};
        b.start();
        b.until(59s);
        Actions actions;
        b.now = b.began + 60s;
        b.jobs.deadline(b.now, actions);
        b.jobs.seen({.job = 1, .text = "sleep"}, b.now, actions);
        REQUIRE(std::holds_alternative<KillJob>(actions.back()));
        b.jobs.ended(1);
        CHECK(b.jobs.remark("u", b.now) == "");
        actions.clear();
        b.jobs.signalled({.job = 1, .signal = 15, .sent = "sleep (pid 7)", .spared = ""}, b.now, actions);
        REQUIRE(actions.size() == 1);
        CHECK(has(std::get<Report>(actions[0]).text, "SIGTERM sent to sleep (pid 7): its start is overdue"));
        CHECK(b.jobs.checkpoint().empty());
        CHECK(b.jobs.next() == kNever);
    }

    TEST_CASE("answers that were not asked for, and of jobs that are none, change nothing") {
        Bench b;
        b.start();
        Actions actions;
        b.jobs.seen({.job = 1, .text = "x"}, b.now + 1h, actions);
        b.jobs.signalled({.job = 1, .signal = 9, .sent = "x", .spared = ""}, b.now, actions);
        b.jobs.seen({.job = 2, .text = "x"}, b.now, actions);
        b.jobs.ended(3);
        CHECK(actions.empty());
        CHECK(b.jobs.next() == b.began + 100s);
        // Nor does the answer to another question than the one that was asked.
        b.now = b.began + 100s;
        b.jobs.deadline(b.now, actions);
        REQUIRE(std::holds_alternative<LookAtJob>(actions.back()));
        actions.clear();
        b.jobs.signalled({.job = 1, .signal = 9, .sent = "x", .spared = ""}, b.now, actions);
        CHECK(actions.empty());
        b.jobs.seen({.job = 1, .text = "sleep"}, b.now, actions);
        REQUIRE(actions.size() == 1);
        CHECK(has(std::get<Report>(actions[0]).text, "its start has run for"));
    }

    TEST_CASE("nobody could be asked: it is tried again") {
        Bench b;
        b.limits = {.start = 60s, .then = TimeLimits::Then::Terminate};
        b.start();
        b.until(59s);
        b.answers = false;
        b.until(1h);
        CHECK(b.said == "20:look 60:look");
        Actions actions;
        b.now = b.began + 61s;
        b.jobs.seen({.job = 1, .text = "x"}, b.now, actions);
        b.take(std::exchange(actions, {}));
        b.jobs.signalled({.job = 1, .signal = 15, .sent = "", .spared = ""}, b.now, actions);
        CHECK(b.jobs.next() == b.now + 10s);
    }
}
