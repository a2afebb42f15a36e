// All that the device table knows, as plain data: for a recording that begins on a running engine. What
// follows from the rest (classes, kin, who waits for udev) is not in it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/intake/event.h"

namespace devmux {

struct DeviceTableCheckpoint {
    struct Known {
        std::string devpath, subsystem, driver, block;
        uint64_t kernel_bytes = 0;
        std::vector<Attribute> attributes;
        Generation generation;
        uint64_t seqnum = 0, event_seqnum = 0, told = 0, here = 0, born = 0, ready_seqnum = 0;
        Time since{}, came{}, expected{};
        bool ready = true, lenient = false, walked = false, in_doubt = false, rereading = false,
             succeeds = false;
        // Where they are not what the classes say now: a parent went, and nobody has asked since.
        std::optional<std::vector<std::pair<std::string, bool>>> classes;  // name, unsure
    };
    std::vector<Known> devices;  // parents before their children, children in the order in which they are kept
    struct Grave {
        std::string devpath;
        uint64_t seqnum = 0, inode = 0;
        Time at{};
    };
    std::vector<Grave> graves;  // in the order of burial
    uint64_t forgotten_upto = 0, walked_upto = 0;
    bool all_in_doubt = false, awaits_udev = false;
};

}  // namespace devmux
