// What was there before we listened: a walk of sysfs that reads and never writes. ("add" written
// into uevent files would be heard by everybody else as well, and run their rules again.)
//
// May block, see sysfs.h: the walk belongs on a thread of its own, or before the loop.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "conditions/result.h"
#include "engine/intake/attributes.h"
#include "engine/intake/event.h"
#include "engine/intake/sysfs.h"

namespace devmux {

inline constexpr size_t kWalkMaxDepth = 64;
inline constexpr size_t kWalkMaxDevices = 1'000'000;

// Every device below devices/, parents before their children, otherwise in the kernel's order.
// What vanishes meanwhile is left out; whatever else keeps a directory from being read is an
// Error, since a device that is missing here counts as gone.
Result<Snapshot> walk_sysfs(const Sysfs& sysfs, const AttributeNeeds& needs,
                            const BeforeRead& before = {});

// The number of the newest event, of kernel/uevent_seqnum; 0 without that file.
uint64_t newest_event(const Sysfs& sysfs);

// The prefixes of `devpath` that are devices and not `known`, parents first: a child's event may
// come before its parent's. `devpath` itself is not among them. Every prefix that is no device
// (a directory between two of them, like ".../net") is looked at each time.
std::vector<FoundDevice> unknown_ancestors(const Sysfs& sysfs, const AttributeNeeds& needs,
                                           std::string_view devpath,
                                           const std::function<bool(std::string_view)>& known,
                                           const BeforeRead& before = {});

// Whether there is any, without reading a file of them: never blocks.
bool has_unknown_ancestor(const Sysfs& sysfs, std::string_view devpath,
                          const std::function<bool(std::string_view)>& known);

}  // namespace devmux
