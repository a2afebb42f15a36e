// The exit codes of devmux, once: --help prints this table, the manual repeats it, and scripts rely
// on it. A code is never given another meaning.
#pragma once

#include <array>

namespace devmux {

enum class Exit : int {
    Ok = 0,
    No = 1,
    Usage = 2,
    NoDaemon = 3,
    NoSuchThing = 4,
    Refused = 5,
    Unknown = 6,
    LeaveIt = 77,    // of guard, and of nothing else
    TimedOut = 124,  // as timeout(1) says it
};

struct ExitCode {
    Exit code;
    const char* meaning;
};

inline constexpr std::array<ExitCode, 9> kExitCodes{{
    {Exit::Ok, "done; the condition is true"},
    {Exit::No, "the condition is false; the unit failed; check or reload found errors; simulate found other decisions"},
    {Exit::Usage, "the command line is wrong"},
    {Exit::NoDaemon, "no daemon, or it cannot be spoken to"},
    {Exit::NoSuchThing, "no such unit or class; the condition cannot be read"},
    {Exit::Refused, "the daemon refused, and said why"},
    {Exit::Unknown, "eval: the condition is neither true nor false yet"},
    {Exit::LeaveIt, "guard: the init script is to leave it to devmux"},
    {Exit::TimedOut, "the time to wait ran out"},
}};

}  // namespace devmux
