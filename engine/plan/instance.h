// The device of an instance of a for-each unit: which it is, and what was known of it last.
#pragma once

#include <string>

#include "conditions/evaluate.h"

namespace devmux {

struct InstanceDevice {
    Witness device;         // where it is, or was last, and which one it is there
    std::string name;       // as it is called now; the instance keeps the name that it got when the device came
    std::string last;       // its variables, "KEY=VALUE\0…": of one that went, the last that were known
    std::string successor;  // the devpath of the one that has its name now, and waits for it to go; or empty
    bool operator==(const InstanceDevice&) const = default;
};

// Whether it is there, and as for-each asks: without that the best of conditions is none for this instance.
Truth is_there(const Facts& facts, const DeviceTerm& devices, const Witness& device);

}  // namespace devmux
