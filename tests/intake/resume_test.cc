// Suspend cannot be had here; that the clock is set, which looks the same, can: to the time that it is.
#include "engine/intake/resume.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <time.h>

using namespace devmux;

namespace {

bool readable(int fd) {
    pollfd one{fd, POLLIN, 0};
    return poll(&one, 1, 0) == 1;
}

// False where this process may not.
bool set_clock() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return clock_settime(CLOCK_REALTIME, &now) == 0;
}

}  // namespace

TEST_SUITE_BEGIN("intake/resume");

TEST_CASE("a clock that was set is no sleep, and is told of once") {
    auto watch = ResumeWatch::open();
    REQUIRE(watch);
    CHECK_FALSE(readable(watch->fd()));
    for (int i = 0; i < 3; ++i) {
        REQUIRE(set_clock());
        CHECK(readable(watch->fd()));
        CHECK(watch->slept() == Duration{});
        CHECK_FALSE(readable(watch->fd()));
    }
}

TEST_SUITE_END();
