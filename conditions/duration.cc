// Durations with units. A bare number is refused: "5" has meant seconds to one author and
// milliseconds to the next.
#include "conditions/duration.h"

#include <array>

namespace devmux {
namespace {

struct Unit {
    std::string_view name;
    int64_t ms;
};

// Largest first: the order in which to_string() spends a duration.
constexpr std::array<Unit, 5> kUnits{{
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr int64_t kLongestMs = 365LL * 86'400'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
    if (text.empty()) return std::nullopt;
    int64_t total = 0;
    while (!text.empty()) {
        size_t digits = 0;
        int64_t number = 0;
        while (digits < text.size() && is_digit(text[digits])) {
            number = number * 10 + (text[digits++] - '0');
            if (number > kLongestMs) return std::nullopt;
        }
        if (digits == 0) return std::nullopt;
        text.remove_prefix(digits);
        size_t letters = 0;
        while (letters < text.size() && !is_digit(text[letters])) ++letters;
        std::string_view name = text.substr(0, letters);
        if (name == "min") name = "m";
        int64_t ms = 0;
        for (const Unit& unit : kUnits)
            if (unit.name == name) ms = unit.ms;
        if (ms == 0 || number > kLongestMs / ms) return std::nullopt;
        total += number * ms;
        if (total > kLongestMs) return std::nullopt;
        text.remove_prefix(letters);
    }
    return std::chrono::milliseconds(total);
}

std::string to_string(Duration duration) {
    int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
    if (ms <= 0) return "0s";
    std::string out;
    for (const Unit& unit : kUnits) {
        if (ms >= unit.ms) out += std::to_string(ms / unit.ms) + std::string(unit.name);
        ms %= unit.ms;
    }
    return out;
}

}  // namespace devmux
