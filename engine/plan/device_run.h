// An event that an each-event unit will be run for, where it cannot be yet.
#pragma once

#include <cstdint>
#include <string>

#include "conditions/duration.h"

namespace devmux {

struct DeviceRun {
    std::string action, block;
    uint64_t seqnum = 0;  // 0: found by a walk
    bool synthetic = false;
    bool for_udev = false;  // it waits for udev's copy; else for attributes
    Time at{};
};

}  // namespace devmux
