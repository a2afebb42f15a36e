// devmux list: every unit in one line, from the daemon's memory, with what it starts and when.
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {
namespace {

// "init-script lightdm (chosen)": by another file than its own; "init-script gdm3 (next: lightdm)": another one was,
// while it ran.
std::string starts(const Json& u) {
    std::string service = u.at("service"), chosen = u.value("chosen", "");
    if (chosen.empty()) return service;
    return service + (service == "init-script " + chosen ? " (chosen)" : " (next: " + chosen + ")");
}

// When it is started, and what else has a say in that or in its stop.
std::string condition(const Json& u) {
    std::string out;
    auto add = [&out](const std::string& key, const std::string& text) {
        if (!text.empty()) out += (out.empty() ? "" : "; ") + key + text;
    };
    std::string kind = u.at("kind"), condition = u.at("condition");
    if (u.at("state") == "for-each") add("for-each ", u.at("for_each"));
    add("", condition.empty() ? kind : kind + " " + condition);
    add("boot-if ", u.at("boot_if"));
    add("requires ", joined(u.value("requires", Json::array())));
    add("takes-down ", u.value("takes_down", ""));
    add("", on_disk_text(u));
    return out;
}

}  // namespace

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
                                std::string state = u.at("state");
                                rows.push_back({{u.at("name")}, {state, colour_of_state(state)}, {starts(u)}, {condition(u)}});
                            }
                            print_table({"NAME", "STATE", "STARTS", "CONDITION"}, rows);
                            return Exit::Ok;
                        }});
}

}  // namespace devmux
