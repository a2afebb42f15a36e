// Kleene's three-valued logic. A fact is true, false or unknown, and unknown is not absent:
// it starts nothing and stops nothing (devmux(7), law 2).
//
// S. C. Kleene, "Introduction to Metamathematics", 1952, section 64 (the strong tables).
#pragma once

#include <algorithm>

namespace devmux {

// Ordered so that "and" is the minimum and "or" is the maximum.
enum class Truth : unsigned char { False, Unknown, True };

constexpr Truth truth_of(bool value) { return value ? Truth::True : Truth::False; }
constexpr Truth both(Truth a, Truth b) { return std::min(a, b); }
constexpr Truth either(Truth a, Truth b) { return std::max(a, b); }
constexpr Truth negate(Truth t) {
    return t == Truth::Unknown ? t : truth_of(t == Truth::False);
}

constexpr const char* to_string(Truth t) {
    return t == Truth::True ? "true" : t == Truth::False ? "false" : "unknown";
}

}  // namespace devmux
