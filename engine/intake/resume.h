// Has the machine been asleep, for longer than its hardware clock can tell? (Of a shorter nap the kernel
// itself knows nothing.) CLOCK_BOOTTIME goes on in suspend and CLOCK_MONOTONIC does not, so the
// difference of the two tells. To be woken for it costs nothing while nothing happens: a timer on the
// wall clock that is cancelled when the wall clock is set, which a resume does (timerfd_resume() in
// fs/timerfd.c; timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
#pragma once

#include "conditions/duration.h"
#include "conditions/result.h"
#include "engine/system/descriptor.h"

namespace devmux {

class ResumeWatch {
  public:
    static Result<ResumeWatch> open();

    int fd() const { return timer_.get(); }
    // When fd() is readable: how long the machine slept since the last call; zero where only the clock
    // was set.
    Duration slept();

  private:
    explicit ResumeWatch(Descriptor timer);
    bool arm() const;

    Descriptor timer_;
    Duration offset_{};  // of CLOCK_BOOTTIME before CLOCK_MONOTONIC
};

}  // namespace devmux
