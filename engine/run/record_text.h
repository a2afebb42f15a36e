// One record of the saved state as one line of text, and back.
//
// A line begins with '\n' and ends with "\t.": whatever was cut off (a full tmpfs, a SIGKILL in the
// middle of a write) is told from a whole line by its missing end, and does not swallow the next.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "engine/plan/saved.h"

namespace devmux {

// Appends "\nKIND\tFIELD\t…\t."; tabs, newlines and backslashes in a field are escaped.
void append_line(const Record& record, std::string& out);

// What the line (without its '\n') says; nothing when it is not whole and sound.
std::optional<Record> record_of(std::string_view line);

// The same for a job number that no record carries any more: numbers are never used again.
void append_last_job(JobId job, std::string& out);
std::optional<JobId> last_job_of(std::string_view line);

// The line of a SavedMark, without allocating: it is written between clone and exec. Returns its
// length. `pid` 0 takes the mark back: the program could not be executed.
inline constexpr size_t kMarkMax = 96;
size_t format_mark(std::array<char, kMarkMax>& out, JobId job, int pid, Time at);

}  // namespace devmux
