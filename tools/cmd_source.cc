// devmux source NAME on|off: where events come from may be switched while the daemon runs. What is
// missed while one is off is found again when it comes back.
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {

void add_source(CLI::App& app, Commands& commands) {
    struct Source {
        std::string name, state;
    };
    auto source = std::make_shared<Source>();
    CLI::App* sub = app.add_subcommand("source", "switch a source of events on or off");
    sub->add_option("source", source->name, "kernel, udev, hotplug or coldplug")
        ->type_name("SOURCE")
        ->required();
    sub->add_option("state", source->state, "on or off")
        ->type_name("on|off")
        ->check(CLI::IsMember({"on", "off"}))
        ->required();
    commands.push_back({sub, [source](const Session& session) {
                            Client client(session.runtime_dir);
                            Reply reply = client.call("Source", {source->name, source->state == "on"});
                            if (!reply) return report(reply);
                            if (session.json) {
                                print_json(reply.value);
                                return Exit::Ok;
                            }
                            print_line("the source " + source->name + " is " + source->state);
                            for (const Json& error : reply.value.at("errors"))
                                print_line(painted(Colour::Bad, error.get<std::string>()));
                            return Exit::Ok;
                        }});
}

}  // namespace devmux
