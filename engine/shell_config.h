// What the shell is told at the start: where the machine is, and what it may do to it.
#pragma once

#include <string>

#include "engine/engine.h"
#include "engine/model/configuration.h"

namespace devmux {

// Where events come from (devmux(7)). What is switched off is told by status.
struct Sources {
    bool kernel = true, udev = true, hotplug = true, coldplug = true;
};

struct ShellConfig {
    std::string version;
    std::string root;         // "" = the machine's own; init scripts and file facts are below it
    std::string sysfs;        // where sysfs and procfs are mounted
    std::string proc;
    std::string kernel_log;   // where lines for it are written to; empty: none
    std::string systemd;      // of systemd: where it keeps its socket `private`, and `system` if it is the first process
    std::string udev_run;     // of udevd: where it keeps its control socket, queue and records
    std::string runtime_dir;
    ConfigurationDirs dirs;
    bool dry_run = false;     // say what would be run, run nothing, write nothing
    Sources sources;
    int receive_buffer = 128 << 20;  // bytes; the kernel charges only what is queued
    EngineTimes times;
    std::string record;       // a file for a recording from the first moment; empty: none
    size_t record_limit = size_t{64} << 20;  // bytes of it
};

}  // namespace devmux
