// devmux eval COND: a verdict now, as an exit code for scripts and as a tree for people.
#include <unistd.h>

#include "tools/command.h"
#include "tools/output.h"

namespace devmux {

namespace {

// What nobody has asked for yet is read beside the daemon's loop and known some milliseconds later; a
// driver that does not answer is not waited for.
constexpr int kAskAgain = 50;
constexpr unsigned kMoment = 20'000;  // µs

bool is_reading(const Json& eval) { return eval.at("truth") == "unknown" && eval.at("reading").get<bool>(); }

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
             for (int i = 0; i < kAskAgain && eval && is_reading(eval.value); ++i) {
                 usleep(kMoment);
                 eval = client.call("Eval", {sentence(*words)});
             }
             if (!eval) return report(eval);
             std::string truth = eval.value.at("truth");
             complain_of_absent(eval.value);
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
