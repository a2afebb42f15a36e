// devmux refresh UNIT…: has a service that runs read its configuration again, or restarts it where it cannot.
#include "tools/by_hand.h"

namespace devmux {

void add_refresh(CLI::App& app, Commands& commands) {
    add_by_hand(app, commands, "refresh", "have services that run read their configuration again", "Refresh");
}

}  // namespace devmux
