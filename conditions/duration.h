// Time as the project counts it: nanoseconds of CLOCK_MONOTONIC, which stops in suspend, so a
// machine asleep makes nothing overdue. Durations are written "500ms", "5s", "1m30s", "2h".
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace devmux {

using Duration = std::chrono::nanoseconds;
using Time = std::chrono::nanoseconds;  // since boot; the core gets it, it never reads a clock

inline constexpr Time kNever = Time::max();

// Reads a duration; every number needs its unit (ms, s, m or min, h, d). Nothing on anything else,
// on overflow and on durations above 365 days.
std::optional<Duration> parse_duration(std::string_view text);

// The shortest spelling that parse_duration() reads back: "1m30s".
std::string to_string(Duration duration);

}  // namespace devmux
