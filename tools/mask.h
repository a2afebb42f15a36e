// A mask: the link NAME.yaml to /dev/null in a folder of units. It is made and taken away by who types the
// command, not by the daemon: that one has no way to write into its folders, whoever asks.
#pragma once

#include <string>

#include "conditions/result.h"

namespace devmux {

// True: it was not there before. Refuses to take the place of anything else; the folder is made where there
// is none, and must be one that the daemon would believe.
Result<bool> mask_unit(const std::string& folder, const std::string& unit);

// True: it was there. Takes away nothing but a link to /dev/null.
Result<bool> unmask_unit(const std::string& folder, const std::string& unit);

}  // namespace devmux
