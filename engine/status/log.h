// One line for each thing that a person may want to know, to a descriptor that is given: stderr in
// the foreground, which systemd and a terminal both know what to do with.
#pragma once

#include <bit>
#include <string>

#include "conditions/duration.h"
#include "engine/plan/action.h"

namespace devmux {

// Of a message that may repeat without end the 1st, 2nd, 4th, 8th … are told.
inline bool worth_telling(uint64_t count) { return std::has_single_bit(count); }

class Log {
  public:
    struct Style {
        bool color = false;       // terminals only
        bool priorities = false;  // "<4>" in front, as systemd's journal reads it (sd-daemon(3))
    };
    Log(int fd, Style style, Time start) : fd_(fd), style_(style), start_(start) {}

    void write(const Report& report, Time now);
    // A line that a unit's program printed.
    void output(const std::string& unit, const std::string& text, Time now);

  private:
    void line(Report::Level level, const std::string& unit, const std::string& text, bool output, Time now);

    int fd_;
    Style style_;
    Time start_;
};

}  // namespace devmux
