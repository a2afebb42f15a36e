// devmux eval COND: a verdict now, as an exit code for scripts and as a tree for people.
#include <unistd.h>

#include "tools/command.h"
#include "tools/output.h"

namespace devmux {

namespace {

bool waits_for_file(const Json& eval) {
    if (eval.at("truth") != "unknown") return false;
    for (const Json& leaf : eval.at("missing"))
        if (leaf.at("truth") == "unknown" && leaf.at("text").get<std::string>().starts_with("file ")) return true;
    return false;
}

}  // namespace

void add_eval(CLI::App& app, Commands& commands) {
    auto words = std::make_shared<std::vector<std::string>>();
    CLI::App* sub = app.add_subcommand(
        "eval", "whether a condition holds now: exit code 0, 1, or 6 for unknown");
    sub->add_option("condition", *words, "a condition; it need not be quoted")
        ->type_name("COND")
        ->required();
    sub->footer("Example: devmux eval mouse and framebuffer present");
    commands.push_back(
        {sub, [words](const Session& session) {
             Client client(session.runtime_dir);
             Reply eval = client.call("Eval", {sentence(*words)});
             // A file that nobody has asked for yet is answered some milliseconds later.
             for (int i = 0; i < 10 && eval && waits_for_file(eval.value); ++i) {
                 usleep(20'000);
                 eval = client.call("Eval", {sentence(*words)});
             }
             if (!eval) return report(eval);
             std::string truth = eval.value.at("truth");
             if (session.json) {
                 print_json(eval.value);
             } else {
                 print_line(painted(colour_of_truth(truth), truth) + ": " +
                            eval.value.at("condition").get<std::string>());
                 print_tree(eval.value.at("explanation"), 1);
                 print_missing(eval.value.at("missing"));
             }
             return truth == "true" ? Exit::Ok : truth == "false" ? Exit::No : Exit::Unknown;
         }});
}

}  // namespace devmux
