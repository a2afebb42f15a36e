// See resume.h.
#include "engine/intake/resume.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

namespace devmux {
namespace {

// Between the two readings of one offset the machine may be busy; it sleeps for longer than that.
constexpr Duration kSleeps = std::chrono::milliseconds(100);

Duration reading(clockid_t clock) {
    timespec t{};
    clock_gettime(clock, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

Duration offset() { return reading(CLOCK_BOOTTIME) - reading(CLOCK_MONOTONIC); }

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
    return Error{.what = std::string("a timer that tells of suspend cannot be had: ") + std::strerror(error)};
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
