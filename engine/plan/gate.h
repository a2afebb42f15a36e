// Whether a unit that is to move may, or whom it waits for.
#pragma once

#include <optional>
#include <string>

#include "engine/plan/watch_index.h"

namespace devmux {

struct Gate {
    enum class Kind : unsigned char {
        Open,
        Need,      // one of those that come before it is not there, or not yet
        Conflict,  // one with which it conflicts runs
        Reload,    // its own reload runs
        Leaving,   // it is to stop, and one that stops before it runs
        Slot,      // as many units are starting as may
        Itself,    // its own starts repeat (flapping.h)
        Runlevel,  // it is an init script, and this is none of its runlevels
        GoingDown,  // the machine
        Boot,       // the boot sequence owns it (boot-if)
        Failed,    // one that it requires failed: it will not open
    };
    Kind kind = Kind::Open;
    std::string name = {};             // of who keeps it shut
    std::optional<UnitIndex> on = {};  // nothing: that one is not there
    bool on_its_way = false;           // it will open as soon as others that move have come to rest
};

}  // namespace devmux
