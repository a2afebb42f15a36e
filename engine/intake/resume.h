// Has the machine been asleep? To be woken for it costs nothing while nothing happens: a timer on the
// wall clock that is cancelled when the wall clock is set, which a resume does (timerfd_resume() in
// fs/timerfd.c; timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). Somebody who sets the clock is not told from
// it: CLOCK_BOOTTIME gains on CLOCK_MONOTONIC in suspend, but by the seconds of the hardware's clock, and
// a nap may be shorter.
#pragma once

#include "conditions/result.h"
#include "engine/intake/descriptor.h"

namespace devmux {

class ResumeWatch {
  public:
    static Result<ResumeWatch> open();

    int fd() const { return timer_.get(); }
    // When fd() is readable; from then on it tells of the next time.
    void take();

  private:
    explicit ResumeWatch(Descriptor timer) : timer_(std::move(timer)) {}
    bool arm() const;

    Descriptor timer_;
};

}  // namespace devmux
