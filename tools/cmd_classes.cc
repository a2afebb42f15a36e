// devmux classes: the names that conditions may use for devices, and how many of each are there.
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {

void add_classes(CLI::App& app, Commands& commands) {
    CLI::App* sub = app.add_subcommand("classes", "the kinds of device that conditions can name");
    commands.push_back({sub, [](const Session& session) {
                            Client client(session.runtime_dir);
                            Reply classes = client.call("Classes");
                            if (!classes) return report(classes);
                            if (session.json) {
                                print_json(classes.value);
                                return Exit::Ok;
                            }
                            std::vector<Row> rows;
                            for (const Json& c : classes.value) {
                                auto present = c.at("present").get<uint64_t>();
                                rows.push_back({{c.at("name")},
                                                {std::to_string(present),
                                                 present > 0 ? Colour::Good : Colour::Faint},
                                                {joined(c.at("aliases"))},
                                                {c.at("description")}});
                            }
                            print_table({"NAME", "PRESENT", "ALSO CALLED", "DESCRIPTION"}, rows);
                            return Exit::Ok;
                        }});
}

}  // namespace devmux
