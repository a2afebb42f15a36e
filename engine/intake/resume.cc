// See resume.h.
#include "engine/intake/resume.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

namespace devmux {

Result<ResumeWatch> ResumeWatch::open() {
    ResumeWatch watch(Descriptor(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)));
    if (watch.timer_ && watch.arm()) return watch;
    return Error{.what = std::string("a timer that tells of suspend cannot be had: ") + std::strerror(errno)};
}

// It never rings: as far in the future as a time can be.
bool ResumeWatch::arm() const {
    itimerspec never{};
    never.it_value.tv_sec = std::numeric_limits<time_t>::max();
    return timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) == 0;
}

void ResumeWatch::take() {
    uint64_t rings = 0;
    (void)!read(timer_.get(), &rings, sizeof rings);  // ECANCELED
    (void)arm();
}

}  // namespace devmux
