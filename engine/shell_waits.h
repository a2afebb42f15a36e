// Clients that wait: for a unit to come to rest, or for a condition.
#pragma once

#include <functional>
#include <string>

#include "conditions/evaluate.h"
#include "engine/status/snapshot.h"

namespace devmux {

struct RestWait {
    std::string unit;
    std::function<void(const UnitSnapshot&)> tell;
};

struct TruthWait {
    std::string text;
    Condition condition;
    Memory memory;
    std::function<void()> tell;
};

}  // namespace devmux
