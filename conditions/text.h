// Questions about text that are asked in several places.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace devmux {

// The order a person expects of device paths: runs of digits compare as numbers, so usb9 comes
// before usb10. A total order: ties in number are broken by the bytes.
bool natural_less(std::string_view a, std::string_view b);

// The word of `known` that `word` was probably meant to be (Damerau-Levenshtein distance of at
// most a third of its length); empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

std::string lower(std::string_view text);

// An absolute path without what says nothing: doubled and closing slashes, and "." as a component.
// Empty where it is not absolute, or has a ".." (where that leads depends on links).
std::string normal_path(std::string_view path);

// `text` as a double-quoted word of the condition language: \" and \\ escaped.
std::string quoted(std::string_view text);

// A decimal number and nothing else, not even a sign; nothing where it is none or does not fit.
std::optional<uint64_t> number_of(std::string_view text);

// For output, once, at the edge: control characters and broken UTF-8 become \xNN.
std::string printable(std::string_view text);

}  // namespace devmux
