// Takes out of a recording what tells one machine, or its owner, from others, as far as its name or its
// shape shows it: serial numbers, hardware addresses, UUIDs, passwords in the environment of units. Each is
// replaced by a pseudonym of the same length, the same one wherever it stands, so that what was equal is
// equal; what a unit or class names as a whole stays as it is. The list, and what cannot be known, is in
// devmux(1), "record".
#pragma once

#include <string>
#include <string_view>

namespace devmux {

std::string redacted(std::string_view recording);

}  // namespace devmux
