// See resume.h.
#include "engine/intake/resume.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

#include "engine/system/clock.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

// Between the two readings of one offset the machine may be busy; it sleeps for longer than that.
constexpr Duration kSleeps = std::chrono::milliseconds(100);

Duration offset() { return read_clock(CLOCK_BOOTTIME) - read_clock(CLOCK_MONOTONIC); }

}  // namespace

ResumeWatch::ResumeWatch(Descriptor timer) : timer_(std::move(timer)), offset_(offset()) {}

Result<ResumeWatch> ResumeWatch::open() {
    Descriptor timer(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC));
    int error = errno;
    if (timer) {
        ResumeWatch watch(std::move(timer));
        if (watch.arm()) return watch;
        error = errno;
    }
    return Error{.what = "a timer that tells of suspend cannot be had: " + errno_text(error)};
}

// It never rings: as far in the future as a time can be.
bool ResumeWatch::arm() const {
    itimerspec never{};
    never.it_value.tv_sec = std::numeric_limits<time_t>::max();
    return timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) == 0;
}

Duration ResumeWatch::slept() {
    uint64_t rings = 0;
    (void)!read(timer_.get(), &rings, sizeof rings);  // ECANCELED
    (void)arm();
    Duration now = offset(), slept = now - offset_;
    offset_ = now;
    return slept > kSleeps ? slept : Duration{};
}

}  // namespace devmux
