// The folders that units and classes stand in: what is there, without reading any of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/result.h"

namespace devmux {

struct ConfigurationDirs;

// Names in a folder that end in ".yaml" or, of drop-in folders, ".yaml.d"; sorted. A folder that is
// not there holds nothing.
std::vector<std::string> names_in(const std::string& folder, std::string_view ending, Errors& errors);

// Whether it is a link that leads to /dev/null.
bool is_mask(const std::string& path);

// A number that is another one when a file was written, exchanged, added or taken away, or its owner or
// mode changed; where links lead counts, too. Costs two calls of the kernel a file.
uint64_t fingerprint_of(const ConfigurationDirs& dirs);

}  // namespace devmux
