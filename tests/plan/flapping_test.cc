// Does the program cause what starts it? A closed loop in numbers: a program that takes so long and
// causes so many events, and others that cause some as well.
#include "engine/plan/flapping.h"

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "engine/plan/event_runs.h"

using namespace devmux;
using namespace std::chrono_literals;

namespace {

// One device of an each-event unit. Runs take `takes`; `causes` says after which times, counted from
// the begin of a run, an event comes of it. `others` are there from the begin.
struct Loop {
    EventRuns runs;
    std::shared_ptr<Unit> unit = std::make_shared<Unit>();
    Duration takes = 5ms;
    std::function<std::vector<Duration>(int run)> causes = [](int) { return std::vector<Duration>{}; };
    std::multiset<Time> events;
    std::multimap<Time, JobId> ends;
    std::vector<Time> began;
    std::vector<int> order;           // the numbers of those that were run
    std::vector<std::string> said;
    JobId job = 0;  // also the number of the event
    Time now = 100s;

    Loop() { unit->name = "u"; }

    void others(Time first, Duration every, int count) {
        for (int i = 0; i < count; ++i) events.insert(first + i * every);
    }
    void carry_out(Actions& actions) {
        for (const PlanAction& action : actions) {
            if (const auto* run = std::get_if<RunJob>(&action)) {
                order.push_back(std::stoi(run->block));
                for (Duration after : causes(static_cast<int>(began.size()))) events.insert(now + after);
                began.push_back(now);
                ends.emplace(now + takes, run->job);
            } else if (const auto* report = std::get_if<Report>(&action)) {
                said.push_back(report->text);
            }
        }
    }
    void until(Time end) {
        while (true) {
            Time due = runs.next_deadline();
            if (!ends.empty()) due = std::min(due, ends.begin()->first);
            if (!events.empty()) due = std::min(due, *events.begin());
            if (due > end) break;
            now = std::max(now, due);
            Actions actions;
            if (!ends.empty() && ends.begin()->first <= now) {
                JobEnded ended{.job = ends.begin()->second, .code = 0};
                ends.erase(ends.begin());
                runs.job_ended(ended, now, actions);
            } else if (!events.empty() && *events.begin() <= now) {
                ++job;
                events.erase(events.begin());
                runs.add({job, unit, "/devices/d", {}, "change", std::to_string(job)}, now, actions);
            } else {
                runs.deadline(now, actions);
            }
            carry_out(actions);
        }
        now = end;
    }
    bool accused() const {
        for (const std::string& text : said)
            if (text.starts_with("its own program")) return true;
        return false;
    }
    size_t runs_between(Time from, Time to) const {
        size_t count = 0;
        for (Time at : began) count += at >= from && at < to;
        return count;
    }
    bool in_order() const { return std::is_sorted(order.begin(), order.end()); }
};

}  // namespace

TEST_SUITE("plan/flapping") {
    TEST_CASE("a program that causes its own event is found out and braked") {
        Loop loop;
        loop.causes = [](int) { return std::vector{3ms + 0ns}; };
        loop.others(100s, 0s, 1);
        loop.until(120s);
        // 10 at full speed, then after 1, 2, 4 and 8 s.
        CHECK(loop.began.size() == 14);
        REQUIRE(loop.said.size() == 4);
        CHECK(loop.said[0] ==
              "its own program seems to cause the \"change\" of /devices/d that runs it: run 11 times in 1s100ms, "
              "each time something came while it ran or within 1s after, and nothing while it was held back; the next run is "
              "held back 2s");
        CHECK(loop.runs.held_back("u", 120s).starts_with("\"change\" of /devices/d is held back for another "));
        CHECK(loop.runs.held_back("v", 120s).empty());
        // Never more than 5 min, and said no more when it cannot grow.
        loop.until(100s + 2h);
        CHECK(loop.runs_between(1h, 2h) == 12);
        CHECK(loop.said.size() == 9);
        CHECK(loop.in_order());
        CHECK(loop.runs.of("u").waiting == 1);
        // By hand: at once, and from the begin.
        Actions actions;
        loop.runs.let_go("u", loop.now, actions);
        size_t before = loop.began.size();
        loop.carry_out(actions);
        CHECK(loop.began.size() == before + 1);
        loop.until(loop.now + 500ms);
        CHECK(loop.began.size() == before + 10);
    }

    TEST_CASE("however late, slow or many its events are") {
        struct Case {
            Duration takes;
            std::vector<Duration> causes;
        };
        for (const Case& c : {Case{1ms, {0ms}}, Case{5ms, {800ms}}, Case{2s, {1s}}, Case{5ms, {1ms, 2ms}},
                              Case{5ms, {1ms, 60ms}}, Case{5ms, {1ms, 2ms, 3ms, 4ms, 200ms}}, Case{6s, {5s}}}) {
            CAPTURE(to_string(c.takes));
            CAPTURE(c.causes.size());
            Loop loop;
            loop.takes = c.takes;
            loop.causes = [&](int) { return c.causes; };
            loop.others(100s, 0s, 1);
            loop.until(100s + 1h);
            CHECK(loop.accused());
            CHECK(loop.runs_between(100s + 30min, 100s + 1h) <= 8);
            CHECK(loop.in_order());
        }
    }

    TEST_CASE("it stops, and the brake is off") {
        Loop loop;
        loop.causes = [](int run) { return run < 13 ? std::vector{3ms + 0ns} : std::vector<Duration>{}; };
        loop.others(100s, 0s, 1);
        loop.until(200s);
        CHECK(loop.began.size() == 14);
        CHECK(loop.accused());
        // Out of silence: at once.
        loop.others(200s, 1s, 20);
        loop.until(230s);
        CHECK(loop.began.size() == 34);
        CHECK(loop.began[14] == 200s);
        CHECK(loop.began.back() == 219s);
    }

    TEST_CASE("a burst is never slowed") {
        for (Duration every : {0ns, Duration(10us), Duration(1ms), Duration(3ms)}) {
            CAPTURE(every.count());
            Loop loop;
            loop.takes = 2ms;
            loop.others(100s, every, 4000);
            loop.until(200s);
            CHECK(loop.began.size() == 4000);
            CHECK_FALSE(loop.accused());
            CHECK(loop.in_order());
            Duration least = std::max(4000 * loop.takes, 4000 * every);
            // Events that come about as fast as they are run may be its own: a wait proves that they are not,
            // for 16 ms, and 31 ms 1 s later, and so on.
            Duration proof = every < loop.takes / 8 ? 0ms : least / 32;
            CHECK(loop.began.back() + loop.takes - 100s <= least + loop.takes + proof);
        }
    }

    TEST_CASE("what comes by itself is not the program's doing, whatever the rhythm") {
        for (Duration every : std::initializer_list<Duration>{100ms, 400ms, 950ms, 1500ms, 2700ms, 5s, 15s, 60s}) {
            for (double part : {0.01, 0.5, 0.95}) {
                CAPTURE(to_string(every));
                CAPTURE(part);
                Loop loop;
                loop.takes = Duration(static_cast<int64_t>(part * static_cast<double>(every.count())));
                loop.others(100s, every, 500);
                loop.until(100s + 600 * every);
                CHECK(loop.began.size() == 500);
                CHECK_FALSE(loop.accused());
            }
        }
    }

    TEST_CASE("nor what comes at random") {
        int accused = 0;
        for (unsigned seed = 1; seed <= 200; ++seed) {
            std::mt19937 random(seed);
            std::exponential_distribution<double> gap(1.0);
            Loop loop;
            loop.takes = 300ms;
            Time at = 100s;
            for (int i = 0; i < 1000; ++i) {
                at += Duration(static_cast<int64_t>(gap(random) * 1e9));
                loop.others(at, 0s, 1);
            }
            loop.until(at + 1h);
            CHECK(loop.began.size() == 1000);
            CHECK(loop.in_order());
            accused += loop.accused();
        }
        CHECK(accused <= 2);
    }

    TEST_CASE("others who speak now and then do not set it free") {
        for (Duration every : std::initializer_list<Duration>{700ms, 3s, 10s}) {
            CAPTURE(to_string(every));
            Loop loop;
            loop.causes = [](int) { return std::vector{3ms + 0ns}; };
            loop.others(100s, every, 60);
            loop.until(130s);
            CHECK(loop.accused());
            CHECK(loop.began.size() < 60);
        }
    }

    TEST_CASE("after a burst a program that causes its own events is found out as well") {
        Loop loop;
        loop.causes = [](int) { return std::vector{3ms + 0ns}; };
        loop.others(100s, 0s, 300);
        loop.until(130s);
        CHECK(loop.accused());
        CHECK(loop.began.size() < 400);
    }

    TEST_CASE("devices are remembered for a moment, and not too many") {
        EventRuns runs;
        auto unit = std::make_shared<Unit>();
        unit->name = "u";
        Actions actions;
        for (JobId job = 1; job <= 5000; ++job) {
            runs.add({job, unit, "/devices/d" + std::to_string(job), {}, "add", ""}, 100s, actions);
            runs.job_ended({.job = job, .code = 0}, 100s, actions);
        }
        CHECK(runs.of("u").started == 5000);
        CHECK(runs.remembered() <= 256);
        runs.add({6000, unit, "/devices/other", {}, "add", ""}, 102s, actions);
        runs.job_ended({.job = 6000, .code = 0}, 102s, actions);
        CHECK(runs.remembered() == 1);
        CHECK(runs.next_deadline() == kNever);
    }

    TEST_CASE("a restless condition is told once in an hour") {
        Restless restless;
        int told = 0;
        for (int i = 0; i < 3600; ++i) told += restless.started(100s + i * 1s);
        CHECK(told == 1);
        for (int i = 3600; i < 3700; ++i) told += restless.started(100s + i * 1s);
        CHECK(told == 2);
        Restless calm;
        for (int i = 0; i < 1000; ++i) CHECK_FALSE(calm.started(100s + i * 8s));
    }

    TEST_CASE("times are told roughly") {
        CHECK(roughly(0s) == "0s");
        CHECK(roughly(1234us) == "1ms");
        CHECK(roughly(1449ms) == "1s400ms");
        CHECK(roughly(12700ms) == "13s");
        CHECK(roughly(300s) == "5m");
    }
}
