// devmux mode: which mode the machine is in, and to set it. For machines without runlevels: a name that units
// ask about ("mode docked"), and that lasts until the next boot.
#include "conditions/terms.h"
#include "conditions/text.h"
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {

void add_mode(CLI::App& app, Commands& commands) {
    struct Options {
        std::string name;
        bool clear = false;
    };
    auto options = std::make_shared<Options>();
    CLI::App* sub = app.add_subcommand("mode", "which mode the machine is in, or to put it into one");
    auto is_name = [](const std::string& name) -> std::string {
        if (is_mode_name(name)) return "";
        return devmux::quoted(printable(name)) + " is no name of a mode: at most " + std::to_string(kModeBytes) +
               " of A-Z a-z 0-9 . _ : @ -";
    };
    auto* name = sub->add_option("NAME", options->name, "put the machine into this mode")->check(is_name);
    sub->add_flag("--clear", options->clear, "it is in no mode any more")->excludes(name);
    commands.push_back({sub, [options](const Session& session) {
                            Client client(session.runtime_dir);
                            bool asks = options->name.empty() && !options->clear;
                            Reply reply = asks ? client.call("Status") : client.call("Mode", {options->name});
                            if (!reply) return report(reply);
                            if (session.json) {
                                print_json({{"mode", reply.value.at("mode")}});
                            } else if (asks) {
                                std::string mode = reply.value.at("mode");
                                print_line(mode.empty() ? "no mode is set" : mode);
                            }
                            return Exit::Ok;
                        }});
}

}  // namespace devmux
