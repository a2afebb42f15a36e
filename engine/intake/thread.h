// A thread beside the loop that may hang: detached, since nobody can wait for it, with a small
// stack, and without signals, which are the main thread's (signalfd).
#pragma once

#include <functional>

namespace devmux {

// Far above what a walk of sysfs needs for its 64 levels of directories, and still nothing for a
// daemon that locks its memory. std::thread takes the 8 MiB of the main thread.
inline constexpr size_t kThreadStackBytes = size_t{256} << 10;

// Runs `work` in a thread that ps(1) shows as `name` (15 characters). An errno where none can be
// started, which is a matter of limits (EAGAIN) and may be another one later; 0 otherwise.
int start_thread(const char* name, std::function<void()> work);

}  // namespace devmux
