// A thread beside the loop that may hang: detached, since nobody can wait for it, with a small
// stack, and without signals, which are the main thread's (signalfd).
#pragma once

#include <functional>

namespace devmux {

// A walk of sysfs needs 50 KiB for its 64 levels of directories, and 350 KiB with the red zones of
// a sanitizer. What is not touched costs only addresses; std::thread would take 8 MiB of these.
inline constexpr size_t kThreadStackBytes = size_t{512} << 10;

// Runs `work` in a thread that ps(1) shows as `name` (15 characters). An errno where none can be
// started, which is a matter of limits (EAGAIN) and may be another one later; 0 otherwise.
int start_thread(const char* name, std::function<void()> work);

}  // namespace devmux
