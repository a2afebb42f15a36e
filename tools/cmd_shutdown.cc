// devmux shutdown: the machine goes down. Said by devmux's own init script; the daemon then starts nothing any
// more, and stops what init does not.
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {

void add_shutdown(CLI::App& app, Commands& commands) {
    struct Options {
        std::string timeout = "60s";
        bool no_wait = false, cancel = false;
    };
    auto options = std::make_shared<Options>();
    CLI::App* sub = app.add_subcommand("shutdown", "the machine goes down: start nothing, stop what init does not");
    sub->add_option("--timeout", options->timeout, "wait so long until everything has stopped, or `none`")
        ->type_name("60s");
    sub->add_flag("--no-wait", options->no_wait, "do not wait for that");
    sub->add_flag("--cancel", options->cancel, "it does not go down after all");
    commands.push_back({sub, [options](const Session& session) {
                            Client client(session.runtime_dir);
                            bool wait = !options->no_wait && !options->cancel;
                            Duration timeout = timeout_of(options->timeout);
                            Reply down = wait ? client.wait("Shutdown", {true, true}, timeout)
                                              : client.call("Shutdown", {!options->cancel, false});
                            if (down.code == Exit::TimedOut)
                                complain("after " + to_string(timeout) + " not everything has stopped: devmux status");
                            if (!down) return down.code == Exit::TimedOut ? down.code : report(down);
                            if (session.json) print_json(down.value);
                            return Exit::Ok;
                        }});
}

}  // namespace devmux
