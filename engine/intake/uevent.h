// The kernel's uevent message, from bytes to a checked Uevent: "ACTION@DEVPATH\0KEY=VALUE\0…", as
// lib/kobject_uevent.c puts it together. The kernel is believed, but its content is not: values
// come from USB strings, and whoever has CAP_SYS_ADMIN may have the kernel send any text at all
// (uevent_net_rcv). So nothing is taken for granted that the rest of the engine relies on.
#pragma once

#include <cstddef>
#include <string_view>

#include "conditions/result.h"
#include "engine/intake/event.h"

namespace devmux {

// Far above the kernel's own bounds (UEVENT_BUFFER_SIZE 2048, UEVENT_NUM_ENVP 64).
inline constexpr size_t kUeventMaxBytes = 65536;
inline constexpr size_t kUeventMaxVariables = 256;
inline constexpr size_t kDevpathMaxBytes = 4096;  // PATH_MAX

// Why a devpath cannot be one, and at which byte of it; null when it can.
struct DevpathFault {
    const char* expected = nullptr;
    size_t at = 0;
    explicit operator bool() const { return expected != nullptr; }
};
DevpathFault devpath_fault(std::string_view path);

// Pure; allocates only for an Error, whose text says what was wrong, at which byte of the message,
// and what was expected. All views of the Uevent point into `message`.
//
// Guaranteed of a Uevent: the action is not empty; devpath (and devpath_old of a Move that is not
// synthetic) is sound by devpath_fault; the subsystem is one path component. Keys and other values
// are anything without a NUL: they are filtered where they are exported. Of a repeated key the
// first counts, as in find_in; of SEQNUM the last, which is the one that the kernel appended.
Result<Uevent> parse_uevent(std::string_view message);

}  // namespace devmux
