// The files that say what is mounted and what shall be, read by libmount. Neither touches what they name.
#pragma once

#include <string>

#include "conditions/result.h"
#include "engine/intake/mount_table.h"

namespace devmux {

// `file`: a mountinfo. Lines that make no sense are passed over.
Result<MountTable> read_mountinfo(const std::string& file);
// `file`: an fstab; one that is not there is empty. Left out are swap and what is `noauto`.
Result<MountList> read_fstab(const std::string& file);

}  // namespace devmux
