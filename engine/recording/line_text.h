// Any bytes as a part of one line of a trace, and back. What a device says may hold newlines, control
// bytes and broken UTF-8; a recording must give them back exactly, and harm no terminal.
//
//   \\      a backslash
//   \xNN    a byte: control characters, what is no UTF-8, blanks at the ends and, in words, all blanks
//   \&      nothing: an empty word
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/duration.h"
#include "conditions/text.h"  // number_of()

namespace devmux {

std::string escaped(std::string_view text);
std::string escaped_word(std::string_view text);  // holds no blank, and is never empty
std::optional<std::string> unescaped(std::string_view text);

// A moment or a duration, in seconds with microseconds (nanoseconds where there are any):
// "12.345678"; "never".
std::string seconds_text(Time time);
std::optional<Time> seconds_of(std::string_view text);

std::vector<std::string_view> words_of(std::string_view text);

// A line of a trace that says something: not empty, no comment.
struct TraceLine {
    int number = 0;
    bool indented = false;  // it belongs to the line above
    std::string_view text;  // without the blanks around it

    std::string_view word() const { return text.substr(0, text.find(' ')); }
    std::string_view rest() const { return text.substr(std::min(word().size() + 1, text.size())); }
};
std::vector<TraceLine> trace_lines(std::string_view text);

}  // namespace devmux
