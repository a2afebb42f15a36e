// Tree + facts + time -> verdict. Pure: the same question gets the same answer, and asking changes
// nothing but the caller's own Memory.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conditions/condition.h"
#include "conditions/duration.h"
#include "conditions/facts.h"
#include "conditions/truth.h"

namespace devmux {

// A device by which a leaf is, or was, true.
struct Witness {
    std::string devpath;
    Generation generation;
    bool operator==(const Witness&) const = default;
};

// What a condition remembers between two evaluations, by Condition::slot.
struct Memory {
    struct Slot {
        std::optional<Witness> latch;    // of `first`: who won; held for this boot
        std::optional<Time> true_since;  // of `for`: when its part became true
        std::optional<Witness> by;       // of `for`: the device that made it so
        bool doubted = false;            // of `for`: it was unknown meanwhile; of `first`: who won under a
                                         // former engine was not seen yet
    };
    std::vector<Slot> slots;
    // Of an instance: its device, which `it` means.
    std::optional<Witness> it;
    // The whole was true before the clocks were lost (a restart, other words): a `for` whose part is
    // found true has then run out already.
    bool resumed = false;
};

struct Verdict {
    Truth truth = Truth::Unknown;
    std::optional<Witness> witness;  // device of the leaf that made it true; none for plain facts
    Time deadline = kNever;          // when a running `for` must be asked again
};

// Fills latches and clocks of `memory` (which grows as needed). `seen` tells when `now` is.
Verdict evaluate(const Condition& condition, const Facts& facts, Time now, Memory& memory);

}  // namespace devmux
