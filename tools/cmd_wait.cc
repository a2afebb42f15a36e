// devmux wait COND: blocks until it is definitely true. A person can press ^C, so on a terminal it
// waits for ever; a script that nobody watches gives up after 30 s and says what was missing.
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "conditions/text.h"
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {
namespace {

// Who waits for a unit that nobody has loaded may wait for ever: it is said at once. Where that cannot be told, no
// more than this is lost; and what is wrong with the condition, or with the daemon, Wait will say. False: no answer.
bool warn_of_absent(Client& client, const std::string& condition, Duration timeout) {
    if (lower(condition).find("unit") == std::string::npos) return true;
    Reply eval = client.wait("Eval", {condition}, std::min(timeout, kAnswerTime));
    try {
        if (eval) complain_of_absent(eval.value, "; waiting for it all the same");
    } catch (const Json::exception&) {  // of a daemon of another version
    }
    return static_cast<bool>(eval);
}

Exit wait_for(const Session& session, const std::string& condition, Duration timeout) {
    using Clock = std::chrono::steady_clock;
    Clock::time_point begin = Clock::now();
    Client client(session.runtime_dir);
    bool warned = warn_of_absent(client, condition, timeout);
    Duration left = timeout;
    if (timeout != kNever) left -= std::min(timeout, std::chrono::duration_cast<Duration>(Clock::now() - begin));
    Reply held = client.wait("Wait", {condition}, left);
    if (held) {
        if (session.json) print_json(held.value);
        return Exit::Ok;
    }
    if (held.code != Exit::TimedOut) return report(held);
    complain("after " + to_string(timeout) + " it is still not so: " + condition);
    // A client of its own: the call that waits still stands on the other connection.
    Client asker(session.runtime_dir);
    if (Reply eval = asker.call("Eval", {condition})) {
        std::string missing = waits_for(eval.value.at("missing"));
        if (!missing.empty()) complain("waits for: " + missing);
        if (!warned) complain_of_absent(eval.value);
        if (session.json) print_json(eval.value);
    }
    return Exit::TimedOut;
}

}  // namespace

void add_wait(CLI::App& app, Commands& commands) {
    struct Options {
        std::vector<std::string> words;
        std::string timeout;
    };
    auto options = std::make_shared<Options>();
    CLI::App* sub = app.add_subcommand("wait", "block until a condition holds");
    sub->add_option("condition", options->words, "a condition; it need not be quoted")
        ->type_name("COND")
        ->required();
    sub->add_option("--timeout", options->timeout, "give up after this time, or `none`")
        ->type_name("TIME");
    sub->footer("Without --timeout: none on a terminal, 30s elsewhere; then the exit code is 124.");
    commands.push_back({sub, [options](const Session& session) {
                            bool person = isatty(STDIN_FILENO) == 1;
                            std::string timeout = !options->timeout.empty() ? options->timeout
                                                  : person                  ? "none"
                                                                            : "30s";
                            return wait_for(session, sentence(options->words), timeout_of(timeout));
                        }});
}

}  // namespace devmux
