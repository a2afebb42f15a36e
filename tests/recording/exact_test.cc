// A recording is exact: whatever storm a core lives through, at any moment a checkpoint of it, written
// as text and read back, makes a core that decides the same from there, action by action; and a trace of
// the whole plays to the same decisions.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "engine/recording/checkpoint_text.h"
#include "engine/recording/event_text.h"
#include "engine/run/record_text.h"
#include "tests/recording/world.h"
#include "tools/trace_recorded.h"

using namespace devmux;
using namespace std::chrono_literals;

namespace {

// Everything that an action says, also what is no decision.
std::string text_of(const PlanAction& action) {
    struct Say {
        std::string operator()(const Record& r) const {
            std::string line;
            append_line(r, line);
            return line.substr(1);
        }
        std::string operator()(const RunJob& j) const {
            return "run " + std::to_string(j.job) + " " + j.unit->name + " " + std::string(to_string(j.verb)) + " " +
                   j.reason + " " + j.action + " " + j.block + " " + std::to_string(j.daemon);
        }
        std::string operator()(const AdoptJob& j) const { return "adopt " + std::to_string(j.job) + j.unit; }
        std::string operator()(const LookAgain& l) const { return "look " + l.devpath + to_string(l.delay); }
        std::string operator()(const ReadAttributes& r) const { return "read " + r.devpath + r.subsystem; }
        std::string operator()(const LookAtUdev&) const { return "look at udev"; }
        std::string operator()(const LookAtModules&) const { return "look at modules"; }
        std::string operator()(const LookAtJob& l) const { return "look at job " + std::to_string(l.job); }
        std::string operator()(const KillJob& k) const {
            return "kill " + std::to_string(k.job) + " " + std::to_string(k.signal) + k.unit + k.reason;
        }
        std::string operator()(const TellKernel& t) const { return "kernel " + t.text; }
        std::string operator()(const Report& r) const { return "report " + r.unit + ": " + r.text; }
        std::string operator()(const UnitChanged& u) const { return "changed " + u.unit; }
    };
    return std::visit(Say{}, action);
}

std::string text_of(const Engine& engine, Time now) {
    std::string text;
    Recorder recorder("test", [&](std::string_view lines) { text += lines; });
    recorder.checkpoint(engine, now);
    return text;
}

// Without the comments, which name files.
void compare(const std::string& one, const std::string& other) {
    for (size_t i = 0, j = 0; i < one.size() || j < other.size();) {
        std::string a = one.substr(i, one.find('\n', i) - i), b = other.substr(j, other.find('\n', j) - j);
        if (a != b && !(a.starts_with("  # ") && b.starts_with("  # ")))
            FAIL("a checkpoint and its copy:\n" << one.substr(i < 300 ? 0 : i - 300, 400) << "\n---- and\n"
                                                << other.substr(j < 300 ? 0 : j - 300, 400));
        i += a.size() + 1;
        j += b.size() + 1;
    }
}

std::string members(const Engine& engine) {
    std::string out;
    for (ClassId id = 0; id < 4; ++id) {
        out += "class " + std::to_string(id) + ":";
        engine.world().table.each_of(id, "", [&](const DeviceFacts& d, bool unsure) {
            out += " " + std::string(d.devpath()) + (unsure ? "?" : "") + (d.ready() ? "" : "~");
            return true;
        });
        out += "\n";
    }
    return out;
}

// Every device hangs below the nearest of its ancestors that is known.
void kin_is_right(const Engine& engine) {
    engine.world().table.each([&](const Device& d) {
        std::string path(d.devpath());
        const Device* nearest = nullptr;
        for (size_t slash = path.rfind('/'); !nearest && slash != path.npos && slash > 0; slash = path.rfind('/')) {
            path.resize(slash);
            nearest = engine.world().table.find(path);
        }
        REQUIRE_MESSAGE(d.parent() == nearest, d.devpath() << " hangs below " << (d.parent() ? d.parent()->devpath() : "nothing"));
    });
}

}  // namespace

TEST_SUITE("recording/exact") {
    TEST_CASE("a checkpoint, as text and back, decides the same from there") {
        const char* wish = std::getenv("DEVMUX_STORMS");
        unsigned storms = wish ? static_cast<unsigned>(std::strtoul(wish, nullptr, 10)) : 300;
        for (unsigned seed = 1; seed <= storms; ++seed) {
            CAPTURE(seed);
            RandomWorld world(seed);
            int before = world.pick(120), after = 60 + world.pick(120);
            for (int i = 0; i < before; ++i) world.step();
            std::string text = text_of(world.engine(), world.now());
            auto head = read_head(text, "t");
            REQUIRE_MESSAGE(head, head.error().to_string());
            std::unique_ptr<Engine> twin = engine_of(*head);
            // The same once more is the same text: nothing was lost on the way.
            compare(text, text_of(*twin, world.now()));
            REQUIRE(members(world.engine()) == members(*twin));
            world.watch([&](const Event& event, Time now, const Actions& actions) {
                // The event as well goes through its text.
                std::string lines;
                Actions others;
                if (std::holds_alternative<NewConfiguration>(event)) {
                    twin->handle(event, now, others);
                } else {
                    append_event(event, "", {}, lines);
                    TraceCursor cursor(lines, "t");
                    EventReader reader(cursor);
                    std::optional<ReadEvent> read;
                    while (!cursor.at_end()) {
                        TraceLine line = cursor.take();
                        auto error = reader.read(line, read);
                        REQUIRE_MESSAGE(!error, error->to_string() << "\n" << lines);
                    }
                    REQUIRE(read);
                    twin->handle(read->event, now, others);
                }
                CAPTURE(lines);
                std::string a, b;
                for (const PlanAction& action : actions) a += text_of(action) + "\n";
                for (const PlanAction& action : others) b += text_of(action) + "\n";
                REQUIRE(a == b);
                REQUIRE(world.engine().next_deadline() == twin->next_deadline());
                kin_is_right(world.engine());
                REQUIRE(members(world.engine()) == members(*twin));
                if (seed <= 30) compare(text_of(world.engine(), now), text_of(*twin, now));
            });
            for (int i = 0; i < after; ++i) world.step();
        }
    }

    TEST_CASE("a trace of a whole storm plays to the same decisions") {
        for (unsigned seed = 1; seed <= 200; ++seed) {
            CAPTURE(seed);
            std::string text;
            RandomWorld world(seed, [&](std::string_view lines) { text += lines; });
            for (int i = 0; i < 150; ++i) world.step();
            world.end();
            auto played = play_recorded(text, "t");
            REQUIRE_MESSAGE(played, played.error().to_string());
            CHECK_MESSAGE(played->difference == "", played->difference);
            CHECK(played->ended == "asked");
            CHECK(played->same > 0);
            // Freely, under its own units: the same storm again is the same.
            auto free = play_freely(text, "t", nullptr);
            REQUIRE(free);
        }
    }
}
