// What start, stop and restart have in common: a unit, or several, and waiting until each is at rest.
#pragma once

#include "tools/command.h"

namespace devmux {

// Declares `name UNIT…` with --no-wait and --timeout, and calls `method` of the daemon for each; `forced`: with
// --force as well, which calls that one.
void add_by_hand(CLI::App& app, Commands& commands, const char* name, const char* what, const char* method,
                 const char* forced = nullptr);

}  // namespace devmux
