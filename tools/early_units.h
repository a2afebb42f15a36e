// Units that a machine with / or /usr on NFS needs before devmux itself can run, and that are not left to the
// boot sequence: for `devmux check`.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "conditions/result.h"
#include "engine/model/configuration.h"

namespace devmux {

// By unit, what is said of it. `root`: empty asks about this machine, what is mounted, /etc/fstab and the kernel's
// command line; a folder, about the machine in it, which does not run: its /etc/fstab alone.
std::vector<std::pair<std::string, Error>> early_units(const Configuration& configuration, const std::string& root);

}  // namespace devmux
