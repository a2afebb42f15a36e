// NAME.yaml.d/*.yaml: what an administrator adds to a unit without copying it.
#pragma once

#include "conditions/document.h"

namespace devmux {

// Lays a drop-in over a unit: scalars and argument lists replace, `documentation` and `actions`
// append, maps merge key by key, `and-when` narrows the condition.
void merge_drop_in(Node& unit, Node drop_in);

}  // namespace devmux
