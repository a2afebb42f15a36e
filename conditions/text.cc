// See text.h. The edit distance is the optimal string alignment variant: one transposition counts
// as one slip of the finger ("mosue").
#include "conditions/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace devmux {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

size_t skip_digits(std::string_view s, size_t i) {
    while (i < s.size() && is_digit(s[i])) ++i;
    return i;
}

size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
    for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (size_t i = 1; i <= a.size(); ++i)
        for (size_t j = 1; j <= b.size(); ++j) {
            size_t change = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[a.size()][b.size()];
}

// Length of the valid UTF-8 sequence at the head of `s`, or 0.
size_t utf8_length(std::string_view s) {
    auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
    size_t length = byte(0) < 0x80 ? 1 : byte(0) >= 0xC2 && byte(0) < 0xE0 ? 2
                  : (byte(0) & 0xF0) == 0xE0 ? 3 : byte(0) >= 0xF0 && byte(0) < 0xF5 ? 4 : 0;
    if (length == 0 || length > s.size()) return 0;
    uint32_t code = length == 1 ? byte(0) : byte(0) & (0xFFU >> (length + 1));
    for (size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return 0;
        code = code << 6 | (byte(i) & 0x3FU);
    }
    constexpr std::array<uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
    bool bad = code < kSmallest[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000);
    bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
    return bad || control ? 0 : length;
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
    size_t i = 0, j = 0;
    while (i < a.size() && j < b.size()) {
        if (is_digit(a[i]) && is_digit(b[j])) {
            size_t i_end = skip_digits(a, i), j_end = skip_digits(b, j);
            while (i + 1 < i_end && a[i] == '0') ++i;
            while (j + 1 < j_end && b[j] == '0') ++j;
            if (i_end - i != j_end - j) return i_end - i < j_end - j;
            int order = a.compare(i, i_end - i, b, j, j_end - j);
            if (order != 0) return order < 0;
            i = i_end;
            j = j_end;
        } else {
            if (a[i] != b[j])
                return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
            ++i;
            ++j;
        }
    }
    if (i < a.size() || j < b.size()) return j < b.size();
    return a < b;
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
    if (word.size() > 64) return "";
    std::string folded = lower(word), best;
    size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
    for (const std::string& candidate : known) {
        size_t d = distance(folded, lower(candidate));
        if (d < best_distance) {
            best_distance = d;
            best = candidate;
        }
    }
    return best;
}

std::string normal_path(std::string_view path) {
    if (!path.starts_with('/')) return "";
    std::string out;
    while (!path.empty()) {
        path.remove_prefix(1);
        std::string_view name = path.substr(0, path.find('/'));
        path.remove_prefix(name.size());
        if (name == "..") return "";
        if (!name.empty() && name != ".") out.append("/").append(name);
    }
    return out.empty() ? "/" : out;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

std::optional<uint64_t> number_of(std::string_view text) {
    uint64_t n = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return n;
}

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        if (size_t length = utf8_length(text)) {
            out += text.substr(0, length);
            text.remove_prefix(length);
            continue;
        }
        constexpr std::string_view kHex = "0123456789abcdef";
        auto c = static_cast<unsigned char>(text[0]);
        out += "\\x";
        out += kHex[c >> 4];
        out += kHex[c & 15];
        text.remove_prefix(1);
    }
    return out;
}

}  // namespace devmux
