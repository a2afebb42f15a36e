// devmux guard: done by devmux itself (guard/devmux.c), which executes this program for all but that. What
// comes here is `devmux guard --help`, and a command line that the other did not take for a guard's.
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {

void add_guard(CLI::App& app, Commands& commands) {
    CLI::App* sub = app.add_subcommand(
        "guard", "in an init script: exit 77 where devmux starts the unit, and not the boot sequence");
    auto name = std::make_shared<std::string>(), action = std::make_shared<std::string>();
    sub->add_option("NAME", *name, "the unit")->required();
    sub->add_option("ACTION", *action, "what the script was called with")->required();
    commands.push_back({sub, [name, action](const Session&) {
                            complain("guard: nobody was asked, the script goes on: expected `devmux guard NAME ACTION` and no "
                                     "other option than --runtime-dir");
                            return Exit::Ok;
                        }});
}

}  // namespace devmux
