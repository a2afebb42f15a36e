// devmux list: every unit in one line, from the daemon's memory, with what it starts and when.
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {

void add_list(CLI::App& app, Commands& commands) {
    CLI::App* sub = app.add_subcommand("list", "all units, with what they start and when");
    commands.push_back({sub, [](const Session& session) {
                            Client client(session.runtime_dir);
                            Reply units = client.call("List");
                            if (!units) return report(units);
                            if (session.json) {
                                print_json(units.value);
                                return Exit::Ok;
                            }
                            std::vector<Row> rows;
                            for (const Json& u : units.value) {
                                std::string state = u.at("state"), kind = u.at("kind"),
                                            condition = u.at("condition"), disk = on_disk_text(u), boot = u.at("boot_if");
                                if (state == "for-each") kind = "for-each " + u.at("for_each").get<std::string>() + "; " + kind;
                                rows.push_back(
                                    {{u.at("name")},
                                     {state, colour_of_state(state)},
                                     {u.at("service")},
                                     {(condition.empty() ? kind : kind + " " + condition) +
                                      (boot.empty() ? "" : (kind.empty() ? "boot-if " : "; boot-if ") + boot) +
                                      (disk.empty() ? "" : (kind.empty() ? "" : "; ") + disk)}});
                            }
                            print_table({"NAME", "STATE", "STARTS", "CONDITION"}, rows);
                            return Exit::Ok;
                        }});
}

}  // namespace devmux
