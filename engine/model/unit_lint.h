// What `devmux check` says of a unit that is valid: things that are allowed and seldom meant.
#pragma once

#include "conditions/document.h"
#include "engine/model/unit.h"

namespace devmux {

// Fills unit.warnings.
void lint(Unit& unit, const Node& document);

}  // namespace devmux
