// The folders of scripts that devices had before there was devmux: /etc/dev.d and /etc/hotplug.d. Which of
// their scripts are run for a device, and in which order.
//
//   DIR/DEVNAME/*.dev     for device nodes and network interfaces alone: DEVNAME below /dev, or the
//                         interface's name; of "input/event0" first DIR/input, then DIR/input/event0
//   DIR/SUBSYSTEM/*.dev   the same; *.hotplug for every device
//   DIR/default/*.dev     the same
//
// In a folder by the bytes of their names, as udev and hotplug ran them; each once, even where one folder
// is meant twice.
#pragma once

#include <string>
#include <vector>

#include "conditions/result.h"
#include "engine/intake/event.h"

namespace devmux {

struct ScriptsFound {
    std::vector<std::string> scripts;  // paths, in the order in which they are to be run
    Errors refused;                    // those that somebody else could have written, and why
};

// `device`: its variables. What it says is hostile: names that are no plain path below are passed over.
ScriptsFound scripts_for(const std::string& folder, Block device);

}  // namespace devmux
