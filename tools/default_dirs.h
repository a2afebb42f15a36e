// Where units and classes are looked for when nobody says otherwise: shipped, volatile, local. One
// list for the daemon and for `devmux check`. The build says where shipped ones go.
#pragma once

#include <string>
#include <vector>

#ifndef DEVMUX_SHIPPED_UNITS
#define DEVMUX_SHIPPED_UNITS "/usr/lib/devmux/units.d"
#endif

namespace devmux {

// The weakest first: a file of a later folder replaces one of the same name.
inline std::vector<std::string> default_unit_dirs() {
    return {DEVMUX_SHIPPED_UNITS, "/run/devmux/units.d", "/etc/devmux/units.d"};
}

}  // namespace devmux
