// Whether a program is safe to run as the daemon's user: nobody but root, or that user, may be able
// to put something else in its place. Told in sentences that name the path and the next step.
#pragma once

#include <optional>
#include <string>

#include "conditions/result.h"

namespace devmux {

// Follows symbolic links; looks at the file and at the directory that `path` names. Nothing is
// remembered: a look costs a few microseconds, and what was safe a minute ago may not be now.
std::optional<Error> distrust(const std::string& path);

// The same for every folder above, on the way that the kernel takes through symbolic links. Asked once
// for a path: once they are root's alone, only root can change that.
std::optional<Error> distrust_above(const std::string& path);

}  // namespace devmux
