// Two lists of decisions, as `devmux simulate` prints them: what differs, in the order of time.
#pragma once

#include <string>
#include <vector>

namespace devmux {

// Lines "- 1000ms …" that only `one` has, and "+ 1000ms …" that only `other` has. At one moment the order of
// decisions says nothing; those of the first list come first.
std::vector<std::string> decisions_diff(const std::vector<std::string>& one, const std::vector<std::string>& other);

}  // namespace devmux
