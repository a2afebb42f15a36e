// What is known of a mount as words of a line, and back: of an event, and of a checkpoint.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/intake/event.h"

namespace devmux {

// "PATH POINT TYPE SOURCE", the same three words of fstab behind it, and the address of its server as the last.
std::string mount_text(const MountSeen& seen);
std::optional<MountSeen> mount_of(std::string_view words);

}  // namespace devmux
