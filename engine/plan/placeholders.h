// What an instance's device says, put into the argument lists of its unit. Hostile: checked, bounded, each a
// whole argument (model/placeholder.h), never through a shell.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/intake/event.h"
#include "engine/model/service.h"
#include "engine/plan/job.h"

namespace devmux {

// `name`: of the device; `block`: its variables, or, of one that went, the last that were known; `before`:
// where the former lack a property, those that it was started with. Fills the lists that a job of this kind
// needs; else says why not: "it needs ID_SERIAL of its device, which has none".
std::optional<std::string> fill_in(Service& service, Verb verb, std::string_view name, Block block, Block before);

}  // namespace devmux
