// devmux start UNIT…: by hand, whatever the condition says; it stays so until the condition has
// been true once, or until stop or reset.
#include "tools/by_hand.h"

namespace devmux {

void add_start(CLI::App& app, Commands& commands) {
    add_by_hand(app, commands, "start", "start units by hand, whatever their condition says",
                "Start");
}

}  // namespace devmux
