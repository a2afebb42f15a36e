// Which process a number means. Numbers are used again; a number with its start time is not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "conditions/duration.h"

namespace devmux {

struct ProcessStat {
    std::string name;          // 15 bytes of anything
    char state = '?';          // 'Z': dead, waiting to be reaped
    int parent = 0, group = 0, session = 0;
    uint64_t user_ticks = 0, system_ticks = 0;  // of CPU time
    uint64_t start_ticks = 0;  // field 22: since boot, suspend included (CLOCK_BOOTTIME)

    bool dead() const { return state == 'Z' || state == 'X'; }
    // Rounded down to a clock tick (10 ms): never later than the true start.
    Time started_at() const;
};

// The text of PROC/PID/stat. The second field is the program's name in parentheses and may contain
// anything, parentheses and newlines included: fields are counted from the last ')'.
std::optional<ProcessStat> parse_process_stat(std::string_view text);

// Nothing when there is no such process. `proc` is where procfs is mounted.
std::optional<ProcessStat> process_stat(const std::string& proc, int pid);

}  // namespace devmux
