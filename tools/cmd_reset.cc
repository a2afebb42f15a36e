// devmux reset UNIT…: forgets a failure and what was done by hand; the condition decides again.
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {

void add_reset(CLI::App& app, Commands& commands) {
    struct Options {
        std::vector<std::string> units;
        bool latch = false;
    };
    auto options = std::make_shared<Options>();
    CLI::App* sub = app.add_subcommand("reset", "forget a failure and what was done by hand");
    sub->add_option("unit", options->units, "which")->type_name("UNIT")->required();
    sub->add_flag("--latch", options->latch, "forget which device was the `first`, too");
    commands.push_back({sub, [options](const Session& session) {
                            Client client(session.runtime_dir);
                            for (const std::string& unit : options->units) {
                                Reply reply = client.call("Reset", {unit, options->latch});
                                if (!reply) return report(reply);
                                if (session.json) print_json(reply.value);
                            }
                            return Exit::Ok;
                        }});
}

}  // namespace devmux
