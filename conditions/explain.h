// "No" carries its reason: the tree of a condition with the truth of each part, what was seen
// instead, how old that is, and who could supply what is missing. Built when a person asks, never
// while events are handled.
#pragma once

#include <string>
#include <vector>

#include "conditions/class_names.h"
#include "conditions/condition.h"
#include "conditions/evaluate.h"

namespace devmux {

struct Explanation {
    enum class Kind : unsigned char { Leaf, Not, All, Any, For };
    Kind kind = Kind::Leaf;
    Truth truth = Truth::Unknown;
    std::string text;      // the sentence of this part
    std::string seen;      // of a leaf: what was seen, and since when
    std::string supplier;  // of a leaf: who could make it true
    std::vector<Undriven> hardware;  // of a leaf that asks for a device, and has none: what could become one
    bool presence = false;  // of a leaf: it asks for a device of a class
    std::vector<Explanation> parts;
};

// Asking changes nothing.
Explanation explain(const Condition& condition, const Facts& facts, const ClassNames& classes,
                    Time now, const Memory& memory);

// The smallest set of leaves that would have to change for the whole to be true, in reading order;
// empty when it is true.
std::vector<const Explanation*> missing(const Explanation& explanation);

// Of a condition that never held, in one line: "no framebuffer after coldplug; PCI display device 1234:1111 has
// no driver bound".
std::string never_text(const Explanation& explanation);

}  // namespace devmux
