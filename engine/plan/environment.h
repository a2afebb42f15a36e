// The environment of a unit's program. Nothing is inherited from the daemon: it is built anew from
// what devmux says, what the unit file says, and what the device says. The last of these is hostile
// (a USB stick chooses its strings): checked names, bounded values, no control characters.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/intake/event.h"

namespace devmux {

struct EnvironmentInput {
    std::string_view unit;             // DEVMUX_UNIT
    std::string_view instance;         // DEVMUX_INSTANCE; left out when empty
    std::string_view reason;           // DEVMUX_REASON
    std::span<const std::string> own;  // of the unit file, "NAME=value": trusted, may set PATH
    std::string_view action;           // ACTION; empty: as the block says
    Block block;                       // of the device; empty where no device decided
    std::string_view dev = "/dev";     // what a relative DEVNAME is below
};

struct ScriptEnvironment {
    std::vector<std::string> variables;  // "NAME=value", each name once
    std::vector<std::string> left_out;   // names of the device that did not fit, in order
};

// What the device says, all together: 64 KiB and 512 variables; each value: 4 KiB.
ScriptEnvironment script_environment(const EnvironmentInput& input);

// Whether a device may set a variable of this name.
bool device_may_set(std::string_view name);

// A value as it goes out: its control characters replaced, and not longer than 4 KiB.
std::string cleaned(std::string_view value);
// A node's name that climbs out of /dev is nobody's node.
bool climbs(std::string_view path);

}  // namespace devmux
