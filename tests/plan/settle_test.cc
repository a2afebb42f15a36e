// When the machine is at rest after boot: stories in seconds since the engine began, and when that is.
// `change` is the planner's business, so it is asked of a whole engine.
#include "engine/plan/settle.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "tools/simulation.h"

using namespace devmux;
using namespace std::chrono_literals;

namespace {

constexpr Time kStart = 100s;

// Something that happens, and when.
struct Step {
    Duration at{};
    enum class What : unsigned char { Coldplug, Came, Unready, AllReady, Loading, Loaded } what = What::Coldplug;
};
using What = Step::What;

struct Machine {
    Settle settle;
    Time now = kStart;
    bool loading = false;
    bool late = false;
    std::optional<Duration> rest;  // when it came
    int asked = 0;

    explicit Machine(SettleTimes times = {}) : settle(kStart, times) {}

    void step(What what) {
        switch (what) {
            case What::Coldplug: settle.coldplug_complete(); break;
            case What::Came: settle.device_came(now); break;
            case What::Unready: settle.device_came(now), settle.unready_since(now); break;
            case What::AllReady: settle.unready_since(std::nullopt); break;
            case What::Loading: loading = true; break;
            case What::Loaded: loading = false; break;
        }
    }
    // As the planner does: /proc/modules is read when everything else is quiet.
    void poll() {
        Settle::Answer answer = settle.poll(now);
        late |= answer == Settle::Answer::Late;
        if (answer == Settle::Answer::AskModules) {
            ++asked;
            settle.modules(true, now);
            settle.modules(loading, now);
        }
        if (settle.settled() && !rest) rest = now - kStart;
    }
    void play(const std::vector<Step>& steps, Duration end) {
        for (const Step& s : steps) {
            until(kStart + s.at);
            step(s.what);
        }
        until(kStart + end);
    }
    // What is due at that very moment comes after what happens then; what was due before, at once.
    void until(Time end) {
        while (settle.next() < end) {
            now = std::max(now, settle.next());
            poll();
            REQUIRE(settle.next() > now);
        }
        now = end;
    }
};

std::vector<Step> every(Duration first, Duration apart, int count, What what) {
    std::vector<Step> out{{0s, What::Coldplug}};
    for (int i = 0; i < count; ++i) out.push_back({first + i * apart, what});
    return out;
}

struct Story {
    std::string what;
    std::vector<Step> steps;
    Duration rest;
    bool late = false;
};

// A board with a disk, whose events say what it is asked for each second.
Duration settled_under(const std::string& action) {
    auto c = std::make_shared<Configuration>();
    auto classes = std::make_shared<ClassSet>();
    REQUIRE(classes->finish().empty());
    c->classes = classes;
    c->needs = std::make_shared<AttributeNeeds>();
    Simulation s(c, "");
    s.start();
    TracedDevice disk{"/devices/disk", {"SUBSYSTEM=block"}, {}, 7, std::nullopt};
    s.snapshot({disk});
    s.coldplug_complete();
    Time began = s.now();
    while (!s.engine().world().settled && s.now() < began + 100s) {
        s.advance(500ms);
        if (s.now() < began + 20s && (s.now() - began) % Duration(1s) == Duration{}) s.event(action, disk);
    }
    return s.now() - began;
}

}  // namespace

TEST_SUITE("plan/settle") {
    TEST_CASE("rest is three seconds of quiet, not before 5 s and not later than 60 s") {
        const std::vector<Story> stories{
            {"nothing comes", {{0s, What::Coldplug}}, 5s},
            {"something comes early", {{0s, What::Coldplug}, {1s, What::Came}}, 5s},
            {"something comes at 2 s", {{0s, What::Coldplug}, {2s, What::Came}}, 5s},
            {"something comes at 4 s", {{0s, What::Coldplug}, {4s, What::Came}}, 7s},
            {"each comes before the other's three seconds are over", every(1s, 2900ms, 7, What::Came), 1s + 6 * 2900ms + 3s},
            {"it never ends", every(1s, 2s, 40, What::Came), 60s, true},
            {"the walk takes long", {{2s, What::Came}, {30s, What::Coldplug}}, 30s},
            {"the walk never ends", {{2s, What::Came}}, 60s, true},
            {"one is never ready: it counts for 10 s", {{0s, What::Coldplug}, {1s, What::Unready}}, 11s},
            {"each that is not ready counts for 10 s of its own", {{0s, What::Coldplug}, {1s, What::Unready}, {9s, What::Unready}}, 19s},
            {"one is ready in the end", {{0s, What::Coldplug}, {1s, What::Unready}, {8s, What::AllReady}}, 8s},
            {"one is ready soon", {{0s, What::Coldplug}, {1s, What::Unready}, {2s, What::AllReady}}, 5s},
            {"they never stop to come that are not ready", every(1s, 9s, 8, What::Unready), 60s, true},
            {"a module loads", {{0s, What::Coldplug}, {1s, What::Loading}, {6500ms, What::Loaded}}, 7s},
            {"a module loads, and brings something", {{0s, What::Coldplug}, {1s, What::Loading}, {6500ms, What::Loaded}, {6600ms, What::Came}}, 9600ms},
            {"a module that never ends to load", {{0s, What::Coldplug}, {1s, What::Loading}}, 60s, true},
        };
        for (const Story& story : stories) {
            CAPTURE(story.what);
            Machine m;
            m.play(story.steps, 100s);
            REQUIRE(m.rest);
            CHECK(to_string(*m.rest) == to_string(story.rest));
            CHECK(m.late == story.late);
        }
    }

    TEST_CASE("modules are looked at when all else is quiet, and once a second then") {
        Machine m;
        m.play({{0s, What::Coldplug}, {0s, What::Loading}, {8s, What::Came}}, 12500ms);
        // At 5, 6, 7 s; then not before three seconds after 8 s: 11, 12 s.
        CHECK(m.asked == 5);
        CHECK_FALSE(m.rest);
    }

    TEST_CASE("an answer that comes when it is quiet no more settles nothing") {
        Settle settle(kStart);
        settle.coldplug_complete();
        REQUIRE(settle.poll(kStart + 5s) == Settle::Answer::AskModules);
        settle.device_came(kStart + 5s);
        CHECK_FALSE(settle.modules(false, kStart + 5001ms));
        CHECK_FALSE(settle.settled());
        CHECK(settle.next() == kStart + 8s);
    }

    TEST_CASE("once reached it holds") {
        Machine m;
        m.play({{0s, What::Coldplug}}, 6s);
        REQUIRE(m.settle.settled());
        m.step(What::Unready);
        m.loading = true;
        CHECK(m.settle.next() == kNever);
        CHECK(m.settle.poll(kStart + 100s) == Settle::Answer::NotYet);
        CHECK_FALSE(m.settle.modules(true, kStart + 100s));
        CHECK(m.settle.settled());
        // … also where a former engine of this boot reached it.
        Settle next(kStart);
        next.restore();
        CHECK(next.settled());
        CHECK(next.next() == kNever);
    }

    TEST_CASE("all times can be others") {
        Machine m({.quiet = 1s, .unready = 2s, .earliest = 500ms, .latest = 8s});
        m.play({{0s, What::Coldplug}, {900ms, What::Unready}}, 20s);
        CHECK(m.rest == std::optional<Duration>(2900ms));
        Machine quick({.quiet = 100ms, .unready = 2s, .earliest = 500ms, .latest = 8s});
        quick.play({{0s, What::Coldplug}}, 20s);
        CHECK(quick.rest == std::optional<Duration>(500ms));
        Machine never({.quiet = 1s, .unready = 2s, .earliest = 500ms, .latest = 8s});
        never.play({}, 20s);
        CHECK(never.rest == std::optional<Duration>(8s));
    }

    TEST_CASE("a change is no arrival, and a driver that is bound is one") {
        CHECK(to_string(settled_under("change")) == "5s");
        CHECK(to_string(settled_under("bind")) == "22s");
        CHECK(to_string(settled_under("online")) == "5s");
    }
}
