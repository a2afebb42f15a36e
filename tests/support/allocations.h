// How often memory was asked for: what a test counts where time would be luck.
#pragma once

#include <cstddef>

namespace devmux::test {

// Of the whole test program, since it began.
size_t allocations();

}  // namespace devmux::test
