// See line_text.h.
#include "engine/recording/line_text.h"

#include <algorithm>

namespace devmux {
namespace {

// Far from where a sum of two of them would overflow.
constexpr int64_t kLongestSeconds = 1'000'000'000;

int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// printable() makes \xNN of what may not stand in a line; with backslashes doubled first it can be
// turned back.
std::string without_controls(std::string_view text) {
    std::string doubled;
    for (char c : text) doubled.append(c == '\\' ? 2 : 1, c);
    return printable(doubled);
}

}  // namespace

std::string escaped(std::string_view text) {
    std::string out = without_controls(text);
    if (out.ends_with(' ')) out.replace(out.size() - 1, 1, "\\x20");
    if (out.starts_with(' ')) out.replace(0, 1, "\\x20");
    return out;
}

std::string escaped_word(std::string_view text) {
    if (text.empty()) return "\\&";
    std::string out;
    for (char c : without_controls(text)) {
        if (c == ' ') out += "\\x20";
        else out += c;
    }
    return out;
}

std::optional<std::string> unescaped(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out += text[i];
            continue;
        }
        char next = ++i < text.size() ? text[i] : '\0';
        if (next == '&') continue;
        if (next == '\\') {
            out += '\\';
            continue;
        }
        int high = next == 'x' && i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
        int low = high >= 0 ? digit_of(text[i + 2]) : -1;
        if (low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::string seconds_text(Time time) {
    if (time == kNever) return "never";
    int64_t ns = time.count();
    uint64_t size = ns < 0 ? uint64_t(-ns) : uint64_t(ns);
    std::string fraction = std::to_string(size % 1'000'000'000);
    fraction.insert(0, 9 - fraction.size(), '0');
    if (fraction.ends_with("000")) fraction.resize(6);
    return (ns < 0 ? "-" : "") + std::to_string(size / 1'000'000'000) + "." + fraction;
}

std::optional<Time> seconds_of(std::string_view text) {
    if (text == "never") return kNever;
    bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    size_t dot = std::min(text.find('.'), text.size());
    auto seconds = number_of(text.substr(0, dot));
    std::string fraction(text.substr(std::min(dot + 1, text.size())));
    if (!seconds || *seconds > uint64_t{kLongestSeconds} || fraction.size() > 9) return std::nullopt;
    fraction.append(9 - fraction.size(), '0');
    auto ns = number_of(fraction);
    if (!ns) return std::nullopt;
    Time time = std::chrono::seconds(*seconds) + std::chrono::nanoseconds(*ns);
    return negative ? -time : time;
}

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> out;
    for (size_t at = text.find_first_not_of(' '); at != std::string_view::npos;) {
        size_t end = std::min(text.find(' ', at), text.size());
        out.push_back(text.substr(at, end - at));
        at = text.find_first_not_of(' ', end);
    }
    return out;
}

std::vector<TraceLine> trace_lines(std::string_view text) {
    std::vector<TraceLine> lines;
    for (int number = 1; !text.empty(); ++number) {
        size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        size_t begin = line.find_first_not_of(" \t\r");
        if (begin == std::string_view::npos || line[begin] == '#') continue;
        line.remove_prefix(begin);
        lines.push_back({number, begin > 0, line.substr(0, line.find_last_not_of(" \t\r") + 1)});
    }
    return lines;
}

}  // namespace devmux
