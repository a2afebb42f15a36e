// The JSON of every listing: what the bus answers, and what `--json` prints. One key per field of a
// snapshot, in its order, with the field's name; truths are "true", "false" and "unknown",
// durations are seconds in a key that ends in `_s`. Keys are added, never renamed.
//
// This is the edge at which foreign text is escaped (law 9): what a device said, whatever its bytes
// are, comes out as printable UTF-8, and whoever prints it has nothing left to escape.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/status/snapshot.h"

namespace devmux {

std::string to_json(const EngineSnapshot& engine);
std::string to_json(const UnitSnapshot& unit);
std::string to_json(const std::vector<UnitSnapshot>& units);
std::string to_json(const std::vector<DeviceSnapshot>& devices);
std::string to_json(const std::vector<ClassSnapshot>& classes);
std::string to_json(const EvalSnapshot& eval);
std::string to_json(const ReloadSnapshot& reload);

// printable() line by line: for text of ours that has lines of its own, such as an error with its
// caret. Tabs stay as well, since the caret line repeats them.
std::string printable_lines(std::string_view text);

}  // namespace devmux
