// The words of the kernel's command line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace devmux {

// "quiet", "root=/dev/vda2"; without quotes.
std::vector<std::string> kernel_arguments(std::string_view line);

}  // namespace devmux
