// See memory.h. MADV_DONTNEED on a private file mapping that was never written drops page table
// entries, no data (madvise(2)); segments that can be written are left alone.
#include "engine/memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

namespace devmux {

void give_back_memory() {
    malloc_trim(0);
    auto forget = [](dl_phdr_info* info, size_t, void*) {
        auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
        for (int i = 0; i < info->dlpi_phnum; ++i) {
            const ElfW(Phdr)& segment = info->dlpi_phdr[i];
            if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W)) continue;
            uintptr_t begin = (info->dlpi_addr + segment.p_vaddr) & ~(page - 1);
            uintptr_t end = info->dlpi_addr + segment.p_vaddr + segment.p_filesz;
            madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // NOLINT
        }
        return 0;
    };
    dl_iterate_phdr(forget, nullptr);
}

}  // namespace devmux
