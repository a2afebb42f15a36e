// What a call of the planner is about, and what it keeps of events that cannot be run yet: plain data.
#pragma once

#include <cstdint>
#include <string>

#include "engine/model/device.h"

namespace devmux {

// What the present call is about: the device for the environment of a script.
struct Cause {
    bool devices = false;  // devices changed, or coldplug is complete: no fact, timer or hand
    const Device* device = nullptr;  // where it was one
    bool removed = false;
    uint64_t seqnum = 0;  // of the event; 0: found by a walk
};

// An event of an each-event unit.
struct DeviceRun {
    std::string action, block;
    uint64_t seqnum = 0;  // 0: found by a walk
    bool synthetic = false;
    bool for_udev = false;  // it waits for udev's copy; else for attributes
    Time at{};
};

}  // namespace devmux
