// A daemon that idles for weeks should not hold what only its start needed.
#pragma once

namespace devmux {

// Gives free heap back, and forgets which pages of the program and its libraries were touched so far:
// reading options and units touches far more code than waiting does. What is needed again is mapped
// again from the page cache, without reading a disk.
void give_back_memory();

}  // namespace devmux
