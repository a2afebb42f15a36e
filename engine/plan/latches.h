// Who was `first`, between a condition's memory and what is saved of it: by the words of the leaf, so that a
// latch goes over to a condition that says the same and more.
#pragma once

#include <string>
#include <vector>

#include "conditions/condition.h"
#include "conditions/evaluate.h"
#include "engine/plan/saved.h"

namespace devmux {

struct Unit;

// Those of the unit, into the memory of one of its conditions.
void restore_latches(const Condition& condition, const std::string& unit, const std::vector<SavedLatch>& latches,
                     Memory& memory);

// Latches of a condition of the unit, as they would have been saved.
std::vector<SavedLatch> latches_of(const Unit& unit, const Condition& condition, const Memory& memory);

}  // namespace devmux
