// Takes out of a recording what tells one machine, or its owner, from others: serial numbers, hardware
// addresses, UUIDs of file systems. Each is replaced by a pseudonym of the same shape, the same one
// wherever it stands, so that what was equal is equal; what a condition of a unit or class names stays
// as it is. The list is in devmux(1), "record".
#pragma once

#include <string>
#include <string_view>

namespace devmux {

std::string redacted(std::string_view recording);

}  // namespace devmux
