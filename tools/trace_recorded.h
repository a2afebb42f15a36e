// A recording, read and played. Its head says how the core began; then every line is an event of the
// core, a moment ("@12.345678") or a decision ("= TEXT"). The words are in devmux(7), "TRACES".
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/result.h"
#include "tools/replay.h"

namespace devmux {

struct Played {
    std::vector<std::string> lines;  // decisions, with their times
    bool recorded = false;
    // Of a recording that was played exactly:
    size_t same = 0;                 // decisions that are as recorded
    std::string difference;          // the first that is not; empty: none
    std::string ended;               // why the recording ended; empty: it was cut off
};

// Whether the text calls itself a recording.
bool is_recorded(std::string_view text);

// Exactly, under the units that are in it.
Result<Played> play_recorded(std::string_view text, const std::string& file);
// Freely: under `units`, or the recorded ones if that is null.
Result<Played> play_freely(std::string_view text, const std::string& file,
                           const std::shared_ptr<const Configuration>& units);
// The core as it was when a recording without events was made.
Result<TraceHead> read_head(std::string_view text, const std::string& file);

}  // namespace devmux
