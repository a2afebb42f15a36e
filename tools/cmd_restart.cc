// devmux restart UNIT…: by hand; a unit that runs is stopped and started, one that does not is started.
#include "tools/by_hand.h"

namespace devmux {

void add_restart(CLI::App& app, Commands& commands) {
    add_by_hand(app, commands, "restart", "stop units by hand and start them again, or start those that do not run",
                "Restart", "ForceRestart");
}

}  // namespace devmux
