// What a clock of the kernel says (clock_gettime(2)).
#pragma once

#include <time.h>

#include "conditions/duration.h"

namespace devmux {

inline Time read_clock(clockid_t clock) {
    timespec ts{};
    clock_gettime(clock, &ts);
    return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

}  // namespace devmux
