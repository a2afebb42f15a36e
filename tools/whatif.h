// What would a daemon decide, if this happened? The core as it is now (a recording's head) on a machine
// that is simulated from there; the daemon's own is not touched.
#pragma once

#include <string>
#include <vector>

#include "conditions/result.h"
#include "tools/replay.h"

namespace devmux {

// Each event is a line of a trace with its details behind it, in words ("add DEVPATH SUBSYSTEM=input"; a
// word with blanks in double quotes), or "remove WHAT": the name of a device, the end of a devpath, or a
// class. What stands below a device goes before it. The decisions that follow, with their times.
Result<std::vector<std::string>> what_if(const TraceHead& head, const std::vector<std::string>& events);

}  // namespace devmux
