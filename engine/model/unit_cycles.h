// Units that wait for each other in a circle: `a` when unit b active, `b` when unit a active. They
// are refused when they are loaded, with the path of the circle.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace devmux {

using UnitEdges = std::map<std::string, std::vector<std::string>>;

// For every unit that stands on a circle, one circle through it: a, b, …, a.
std::map<std::string, std::vector<std::string>> units_in_cycles(const UnitEdges& edges);

}  // namespace devmux
