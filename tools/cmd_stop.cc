// devmux stop UNIT…: by hand; it stays down until start or reset, also across a restart of devmux.
#include "tools/by_hand.h"

namespace devmux {

void add_stop(CLI::App& app, Commands& commands) {
    add_by_hand(app, commands, "stop",
                "stop units by hand, and keep them down until start or reset", "Stop", "ForceStop");
}

}  // namespace devmux
