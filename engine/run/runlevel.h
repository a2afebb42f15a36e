// The runlevel that init says the machine is in: the RUN_LVL record of utmp(5), which init(8) writes,
// and under systemd systemd-update-utmp(8).
#pragma once

#include <string>

namespace devmux {

// One character: 0 to 6, S. Empty: there is no record (yet: the boot sequence makes the file anew).
std::string runlevel_in(const std::string& utmp);

}  // namespace devmux
