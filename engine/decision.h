// What the core decided, as the line that people read: `devmux simulate` prints it, a recording keeps
// it. One function for both, so that a live decision and a replayed one are the same bytes.
#pragma once

#include <optional>
#include <string>

#include "engine/plan/action.h"

namespace devmux {

// "run gdm start ACTION=add DEVPATH=/devices/…", "signal gdm SIGTERM, unless …", or a report with its unit in front. Nothing of what
// is asked of the shell without being a decision: records, looks, news of a unit.
std::optional<std::string> decision_text(const PlanAction& action);

}  // namespace devmux
