// How long devices wait for udev: stories of what is seen of udevd, in seconds, and what the engine asks
// of them.
#include "engine/plan/udev_wait.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace devmux;
using namespace std::chrono_literals;

namespace {

using Answer = UdevWait::Answer;

const char* to_word(Answer answer) {
    switch (answer) {
        case Answer::Nothing: return "nothing";
        case Answer::Ask: return "ask";
        case Answer::GiveUp: return "give up";
    }
    return "";
}

// What the wait has to say by itself until `end`: "30s give up".
std::string says(UdevWait& wait, std::optional<Time> oldest, Time end) {
    std::string out;
    while (wait.next(oldest) <= end) {
        Time due = wait.next(oldest);
        CHECK(wait.poll(oldest, due - 1ms) == Answer::Nothing);
        out += (out.empty() ? "" : ", ") + std::to_string(due / 1s) + "s " + to_word(wait.poll(oldest, due));
        REQUIRE(wait.next(oldest) > due);
    }
    return out;
}

struct Seen {
    Time at{};
    UdevPresence presence = UdevPresence::Absent;
};

struct Story {
    std::string what;
    std::vector<Seen> seen;
    std::optional<Time> oldest;  // since when somebody waits
    std::string says;            // until 100 s
    bool awaits;                 // then
};

constexpr auto kAbsent = UdevPresence::Absent, kDown = UdevPresence::Installed, kRuns = UdevPresence::Running;

}  // namespace

TEST_SUITE("plan/udev_wait") {
    TEST_CASE("who waits for udev, and until when") {
        const std::vector<Story> stories{
            {"it is not installed", {{0s, kAbsent}}, std::nullopt, "", false},
            {"nothing was seen of it", {}, 1s, "", false},
            {"it is installed, and does not come", {{1s, kDown}}, std::nullopt, "31s give up", false},
            {"… whether somebody waits or not", {{1s, kDown}}, 2s, "31s give up", false},
            {"looking again does not begin the 30 s again", {{1s, kDown}, {20s, kDown}}, 2s, "31s give up", false},
            {"it gives up once", {{1s, kDown}, {60s, kDown}}, 2s, "31s give up", false},
            {"it comes in time", {{1s, kDown}, {30s, kRuns}}, std::nullopt, "", true},
            {"it comes too late: the next ones wait again", {{1s, kDown}, {40s, kRuns}}, std::nullopt, "31s give up", true},
            {"it dies, and has 30 s of its own", {{1s, kRuns}, {50s, kDown}}, 60s, "80s give up", false},
            {"it came too late, and dies", {{1s, kDown}, {40s, kRuns}, {50s, kDown}}, 45s, "31s give up, 80s give up", false},
            {"it dies, and comes again", {{1s, kRuns}, {50s, kDown}, {70s, kRuns}, {85s, kDown}}, std::nullopt, "", true},
            {"it was removed while we waited", {{1s, kDown}, {20s, kAbsent}}, 2s, "", false},
            {"nobody waits: nobody is asked", {{1s, kRuns}}, std::nullopt, "", true},
            {"one waits: is udev idle? again and again, until it is", {{1s, kRuns}}, 60s, "70s ask, 80s ask, 90s ask, 100s ask", true},
            {"who has waited for long has 10 s from the last look on", {{1s, kRuns}, {75s, kRuns}}, 20s,
             "30s ask, 40s ask, 50s ask, 60s ask, 70s ask, 85s ask, 95s ask", true},
        };
        for (const Story& story : stories) {
            CAPTURE(story.what);
            UdevWait wait;
            std::string said;
            auto until = [&](Time end) {
                std::string more = says(wait, story.oldest, end);
                said += (said.empty() || more.empty() ? "" : ", ") + more;
            };
            for (const Seen& seen : story.seen) {
                until(seen.at - 1ms);
                wait.seen({seen.presence, false}, seen.at);
                CHECK(wait.presence() == seen.presence);
            }
            until(100s);
            CHECK(said == story.says);
            CHECK(wait.awaits() == story.awaits);
        }
    }

    TEST_CASE("devices wait while it is awaited, and not one moment longer") {
        UdevWait wait;
        CHECK_FALSE(wait.awaits());
        wait.seen({kDown, true}, 1s);
        CHECK(wait.awaits());
        CHECK(wait.poll(std::nullopt, 30999ms) == Answer::Nothing);
        CHECK(wait.awaits());
        CHECK(wait.poll(std::nullopt, 31s) == Answer::GiveUp);
        CHECK_FALSE(wait.awaits());
        CHECK(wait.presence() == kDown);
        wait.seen({kRuns, true}, 32s);
        CHECK(wait.awaits());
        wait.seen({kAbsent, true}, 33s);
        CHECK_FALSE(wait.awaits());
    }

    TEST_CASE("both times can be others") {
        UdevWait wait({.patience = 2s, .start = 5s});
        CHECK(wait.patience() == Duration(2s));
        wait.seen({kDown, true}, 1s);
        CHECK(says(wait, 1s, 50s) == "6s give up");
        wait.seen({kRuns, true}, 51s);
        CHECK(says(wait, 52s, 55s) == "54s ask");
    }
}
