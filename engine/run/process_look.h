// What one process waits in, and whether it may be killed: not while it loads a module, or has a driver
// probe a device. Parts of a probe give up when a fatal signal comes (kthread_create() since Linux 3.13),
// and the device, perhaps the root disk, is missing until the next boot. udevd's 30 s were too short for
// storage controllers in 2014 (lwn.net/Articles/611226), its 180 s for others later (systemd #13961).
//
// Only files of procfs are read that a process which hangs in the kernel cannot block: stat, wchan,
// syscall, and links of fd; cmdline and environ wait for its memory map (mmap_lock).
#pragma once

#include <set>
#include <string>

#include "conditions/duration.h"
#include "engine/run/process_tree.h"

namespace devmux {

// Where procfs and sysfs are mounted.
struct LookPaths {
    std::string proc, sys;
};

struct ProcessLook {
    enum class Kind : unsigned char {
        Clear,    // neither of the two
        Load,     // in a module load, or a write to sysfs that probes: spare it
        Unclear,  // busy, and not seen outside of the kernel, or it cannot be read: spare it
        Gone,     // it has ended
    };
    Kind kind = Kind::Clear;
    std::string text;    // "waits in finit_module, wchan …, loading module x"
    std::string driver;  // of a load or probe, where it is known
};

// Names of the modules that PROC/modules shows as Loading.
std::set<std::string> loading_modules(const std::string& proc);

// `patience`: how long a busy process is sampled, at most.
ProcessLook look_at_process(const LookPaths& paths, const JobProcess& process, Duration patience);

// "modprobe (pid 123)"; safe to print.
std::string name_of(const JobProcess& process);

}  // namespace devmux
