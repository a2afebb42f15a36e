// The line `job UNIT how` of a trace: how a job of the unit ends. The words are listed in devmux(7), "TRACES".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/plan/job.h"

namespace devmux {

struct JobLine {
    std::string unit;
    JobEnded how;
    bool ready = false;  // a daemon says that it is ready, and its job goes on
};

// What stands behind `job`; nothing where it is none.
std::optional<JobLine> job_line_of(std::string_view text);
inline constexpr const char* kJobLines =
    "\"job UNIT ok\", ready, exit N, signal N, runs-already, runs-error, no-action, missing, unseen or down";

}  // namespace devmux
