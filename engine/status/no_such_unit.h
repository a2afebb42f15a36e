// What is said to somebody who names a unit that is not there, and which one was probably meant.
#pragma once

#include <string>
#include <vector>

#include "conditions/result.h"
#include "engine/status/snapshot.h"

namespace devmux {

// `units`: all that there are.
Error no_such_unit(const std::string& name, const std::vector<UnitSnapshot>& units);

}  // namespace devmux
