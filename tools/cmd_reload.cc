// devmux reload: reads the unit and class files again and says what became of it. A file that broke
// changes nothing: the last good one stays in force.
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {

void add_reload(CLI::App& app, Commands& commands) {
    CLI::App* sub = app.add_subcommand("reload", "read the unit and class files again");
    commands.push_back({sub, [](const Session& session) {
                            Client client(session.runtime_dir);
                            Reply reload = client.call("Reload");
                            if (!reload) return report(reload);
                            const Json& r = reload.value;
                            if (session.json) {
                                print_json(r);
                            } else {
                                print_field("added", joined(r.at("added")), Colour::Good);
                                print_field("changed", joined(r.at("changed")));
                                print_field("removed", joined(r.at("removed")));
                                print_field("kept", joined(r.at("kept")), Colour::Doubt);
                                for (const Json& error : r.at("errors"))
                                    complain(error.get<std::string>());
                            }
                            return r.at("errors").empty() ? Exit::Ok : Exit::No;
                        }});
}

}  // namespace devmux
