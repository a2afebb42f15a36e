// See allocations.h. The other forms of new and delete end in these, or are AddressSanitizer's in pairs.
#include "tests/support/allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<size_t> asked{0};

}  // namespace

namespace devmux::test {

size_t allocations() { return asked; }

}  // namespace devmux::test

void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
    ++asked;
    return std::malloc(bytes ? bytes : 1);
}

void* operator new(size_t bytes) {
    if (void* memory = operator new(bytes, std::nothrow)) return memory;
    throw std::bad_alloc();
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
