// Counting the devices of one leaf. Counts are intervals, [known, known + unknown], open above
// until coldplug is complete: "at least 2" can be true early, "exactly", "at most", "no" and "all"
// only afterwards.
#pragma once

#include "conditions/evaluate.h"

namespace devmux {

struct Count {
    unsigned known = 0;    // devices that match for certain
    unsigned unknown = 0;  // devices that may match: an attribute was not read yet
    unsigned failing = 0;  // of `all`: devices of the set that are not as asked
    bool open = false;     // coldplug is not complete: there may be any number more
    std::optional<Witness> witness;  // the first that matches, in the natural order of devpaths
};

// `it`: the device of a term that means one.
Count count_devices(const DeviceTerm& term, const Facts& facts, const std::optional<Witness>& it = std::nullopt);
Truth truth_of_count(const DeviceTerm& term, const Count& count);

// The two halves of what a term asks of one device: does it belong to the set, and is it as asked.
Truth belongs(const DeviceTerm& term, const DeviceFacts& device, const Facts& facts);
Truth is_as_asked(const DeviceTerm& term, const DeviceFacts& device, const Facts& facts);

}  // namespace devmux
