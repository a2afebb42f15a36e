// History: each (number, level) once, in any order, in bounded memory.
#include "engine/intake/history.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <set>
#include <vector>

using namespace devmux;

TEST_SUITE_BEGIN("intake/history");

TEST_CASE("new once, duplicate afterwards") {
    History history;
    CHECK(history.take(100, Level::Seen) == Outcome::New);
    CHECK(history.take(100, Level::Seen) == Outcome::Duplicate);
    CHECK(history.take(101, Level::Seen) == Outcome::New);
    CHECK(history.take(100, Level::Seen) == Outcome::Duplicate);
    CHECK(history.highest() == 101);
}

TEST_CASE("ready raises seen and includes it") {
    History history;
    CHECK(history.take(5, Level::Seen) == Outcome::New);
    CHECK(history.take(5, Level::Ready) == Outcome::New);
    CHECK(history.take(5, Level::Ready) == Outcome::Duplicate);
    // udev's copy before the kernel's: the kernel's says nothing new.
    CHECK(history.take(6, Level::Ready) == Outcome::New);
    CHECK(history.take(6, Level::Seen) == Outcome::Duplicate);
    CHECK(history.knows(6, Level::Seen));
    CHECK(history.knows(6, Level::Ready));
    CHECK_FALSE(history.knows(7, Level::Seen));
}

TEST_CASE("what is forgotten is new again, and nothing else is") {
    History history(64);
    for (uint64_t number = 1; number <= 100; ++number) history.take(number, Level::Seen);
    history.forget(70);
    CHECK_FALSE(history.knows(70, Level::Seen));
    CHECK(history.knows(69, Level::Seen));
    CHECK(history.knows(71, Level::Seen));
    CHECK(history.take(70, Level::Seen) == Outcome::New);
    CHECK(history.take(70, Level::Seen) == Outcome::Duplicate);
    // Of what is out of the window there is nothing to forget: its place is another number's.
    history.forget(6);
    CHECK(history.knows(70, Level::Seen));
    history.forget(134);
    CHECK(history.knows(70, Level::Seen));
    CHECK(history.take(6, Level::Seen) == Outcome::Older);
    history.forget(0);
    CHECK(history.highest() == 100);
}

TEST_CASE("no number") {
    History history;
    CHECK(history.take(0, Level::Seen) == Outcome::Unnumbered);
    CHECK(history.take(0, Level::Ready) == Outcome::Unnumbered);
    CHECK(history.highest() == 0);
    CHECK_FALSE(history.knows(0, Level::Seen));
}

TEST_CASE("the edges of the window") {
    History history(128);
    REQUIRE(history.entries() == 128);
    CHECK(history.take(1000, Level::Seen) == Outcome::New);
    CHECK(history.take(1000 - 127, Level::Seen) == Outcome::New);
    CHECK(history.take(1000 - 127, Level::Seen) == Outcome::Duplicate);
    CHECK(history.take(1000 - 128, Level::Seen) == Outcome::Older);
    CHECK(history.take(1, Level::Seen) == Outcome::Older);
    CHECK(history.take(1001, Level::Seen) == Outcome::New);
    CHECK(history.take(1000 - 127, Level::Seen) == Outcome::Older);
    CHECK_FALSE(history.knows(1000 - 127, Level::Seen));
}

TEST_CASE("a slot that is used again is clean, however far the window moves") {
    for (uint64_t step : {1, 2, 63, 64, 65, 127, 128, 129, 191, 255, 256, 1000, 65536}) {
        CAPTURE(step);
        History history(256);
        for (uint64_t number = 1; number <= 256; ++number) {
            REQUIRE(history.take(number, Level::Ready) == Outcome::New);
        }
        uint64_t top = 256 + step;
        CHECK(history.take(top, Level::Seen) == Outcome::New);
        uint64_t bottom = top - 255;
        for (uint64_t number = bottom; number < top; ++number) {
            bool before = number <= 256;
            REQUIRE(history.knows(number, Level::Ready) == before);
            REQUIRE(history.take(number, Level::Seen) ==
                    (before ? Outcome::Duplicate : Outcome::New));
        }
    }
}

TEST_CASE("the highest number there is") {
    constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
    History history(64);
    CHECK(history.take(kMax - 70, Level::Seen) == Outcome::New);
    CHECK(history.take(kMax - 1, Level::Seen) == Outcome::New);
    CHECK(history.take(kMax, Level::Seen) == Outcome::New);
    CHECK(history.take(kMax, Level::Seen) == Outcome::Duplicate);
    CHECK(history.take(kMax - 63, Level::Seen) == Outcome::New);
    CHECK(history.take(kMax - 64, Level::Seen) == Outcome::Older);
}

TEST_CASE("sizes are rounded up to words") {
    CHECK(History(0).entries() == 64);
    CHECK(History(1).entries() == 64);
    CHECK(History(65).entries() == 128);
    CHECK(History().entries() == 65536);
}

TEST_CASE("two sources, thousands of events apart, with gaps: as a set would have it") {
    for (unsigned seed = 1; seed <= 5; ++seed) {
        CAPTURE(seed);
        std::mt19937_64 random(seed);
        struct Arrival {
            uint64_t when, number;
            Level level;
        };
        std::vector<Arrival> arrivals;
        for (uint64_t number = 900'000; number < 940'000; ++number) {
            if (random() % 10 == 0) continue;  // another network namespace's
            arrivals.push_back({number + random() % 8, number, Level::Seen});
            arrivals.push_back({number + random() % 5000, number, Level::Ready});
            if (random() % 4 == 0)
                arrivals.push_back({number + random() % 9000, number, Level::Seen});
        }
        std::ranges::stable_sort(arrivals, {}, &Arrival::when);
        History history;
        std::set<uint64_t> seen, ready;
        bool same = true;
        for (const Arrival& arrival : arrivals) {
            bool fresh = arrival.level == Level::Ready ? ready.insert(arrival.number).second
                                                       : !seen.contains(arrival.number);
            seen.insert(arrival.number);
            same &= history.take(arrival.number, arrival.level) ==
                    (fresh ? Outcome::New : Outcome::Duplicate);
        }
        CHECK(same);
    }
}

TEST_SUITE_END();
