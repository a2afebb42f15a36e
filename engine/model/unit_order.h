// Which units wait for which others, by their conditions and by their links: what only shows when all
// units are known.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/model/configuration.h"

namespace devmux {

// The units that provide each facility, by name.
std::map<std::string, std::vector<std::string>> providers(const Configuration& configuration);

// Units that wait for themselves are taken out of `units` and put into `broken`, with the whole path.
void refuse_cycles(Configuration& configuration);

// Units that name others that are not there, or facilities that nobody provides, get a warning each.
void warn_of_missing_units(Configuration& configuration);

}  // namespace devmux
