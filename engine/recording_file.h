// The file that a recording is written to: always a new one, and nobody else's.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "conditions/result.h"
#include "engine/system/descriptor.h"

namespace devmux {

// Bytes that a recording may have, so that what was written can be read: it is played from memory.
inline constexpr size_t kLargestRecording = size_t{256} << 20;

// Mode 0600. A file that stands there is taken away, not written through: somebody else may have made it, or
// keep it open. What is no regular file, such as a symbolic link, is refused.
Result<Descriptor> new_recording_file(const std::string& path);
// False, with errno, where not all was written.
bool write_all(int fd, std::string_view text);

}  // namespace devmux
