// devmux explain UNIT: why it is as it is. The tree of its condition with the truth of each part
// and what was seen, then the smallest set of facts that is missing, and who could supply them.
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {
namespace {

void explain_unit(const Json& u) {
    std::string name = u.at("name"), state = u.at("state"), kind = u.at("kind"),
                hold = u.at("hold");
    std::string reason = u.at("reason"), end = u.at("last_end");
    bool is_run = state != "broken" && state != "masked" && state != "for-each";
    print_line(painted(Colour::Bold, name) + ": " + painted(colour_of_state(state), state) +
               (is_run ? " for " + age(u.at("since_s")) : "") +
               (reason.empty() ? "" : ": " + reason));
    if (!end.empty()) print_line("  its last job " + end);
    if (std::string remark = u.at("remark"); !remark.empty()) print_line("  " + remark);
    if (hold == "down")
        print_line("  it was stopped by hand: `devmux start " + name + "` or `devmux reset " +
                   name + "` lets it go");
    if (hold == "up") print_line("  it was started by hand: a false condition does not stop it");
    for (const Json& error : u.at("errors"))
        print_line(painted(Colour::Bad, error.get<std::string>()));
    if (kind == "by hand")
        print_line("  it has no condition: only `devmux start " + name + "` starts it");
    if (kind == "each-event")
        print_line("  it runs once for each event of: " + u.at("condition").get<std::string>());
    if (u.contains("explanation")) {
        print_line("");
        print_line(kind + ": " + u.at("condition").get<std::string>());
        print_tree(u.at("explanation"), 1);
    }
    if (u.contains("stop_explanation")) {
        print_line("");
        print_line("stop-when: " + u.at("stop_when").get<std::string>());
        print_tree(u.at("stop_explanation"), 1);
    }
    if (u.contains("boot_explanation")) {
        print_line("");
        print_line("boot-if: " + u.at("boot_if").get<std::string>());
        print_tree(u.at("boot_explanation"), 1);
    }
    if (u.contains("missing") && !u.at("missing").empty()) {
        print_line("");
        print_missing(u.at("missing"));
    }
}

}  // namespace

void add_explain(CLI::App& app, Commands& commands) {
    auto name = std::make_shared<std::string>();
    CLI::App* sub =
        app.add_subcommand("explain", "why a unit runs or does not: the facts of its condition");
    sub->add_option("unit", *name, "whose condition")->type_name("UNIT")->required();
    sub->footer("Marks: + true, - false, ? unknown.");
    commands.push_back({sub, [name](const Session& session) {
                            Client client(session.runtime_dir);
                            Reply unit = client.call("Unit", {*name});
                            if (!unit) return report(unit);
                            if (session.json) print_json(unit.value);
                            else explain_unit(unit.value);
                            return Exit::Ok;
                        }});
}

}  // namespace devmux
