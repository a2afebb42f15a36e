// See by_hand.h.
#include "tools/by_hand.h"

#include "tools/output.h"

namespace devmux {
namespace {

bool is_stop(std::string_view method) { return method == "Stop" || method == "ForceStop"; }

Exit act(Client& client, const Session& session, const char* method, const std::string& unit,
         bool wait, Duration timeout) {
    Reply reply =
        wait ? client.wait(method, {unit, true}, timeout) : client.call(method, {unit, false});
    if (reply.code == Exit::TimedOut) {
        complain(unit + ": not at rest after " + to_string(timeout) +
                 "; it goes on (`devmux status " + unit + "`)");
        return Exit::TimedOut;
    }
    if (!reply) return report(reply);
    if (session.json) print_json(reply.value);
    if (!wait) return Exit::Ok;
    std::string state = reply.value.at("state"), remark = reply.value.at("remark");
    if (state == "failed") {
        complain(unit + ": failed: " + reply.value.at("last_end").get<std::string>());
        return Exit::No;
    }
    if (state == "gone" && !is_stop(method)) {
        complain(unit + ": " + remark + " (`devmux log " + unit + "` has what it said)");
        return Exit::No;
    }
    if (std::string_view(method) == "Refresh") {
        if (!reply.value.at("reload_failed").get<bool>()) return Exit::Ok;
        complain(unit + ": the reload " + reply.value.at("last_reload").get<std::string>());
        return Exit::No;
    }
    // Asked for, and not begun: that may take until a device comes. If it is its condition that has asked by now,
    // it was started, has ended, and is to be started once more.
    if (is_stop(method) || state != "waiting" || reply.value.at("wanted") != "up" ||
        reply.value.at("asked_by") == "its condition")
        return Exit::Ok;
    // It failed, and is tried again by itself: that says when.
    bool again = remark.find("started again in") != std::string::npos;
    complain(unit + ": not started yet: it " + remark + (again ? "" : "; it starts as soon as that is over"));
    return Exit::No;
}

}  // namespace

void add_by_hand(CLI::App& app, Commands& commands, const char* name, const char* what, const char* method,
                 const char* forced) {
    struct Options {
        std::vector<std::string> units;
        bool no_wait = false, force = false;
        std::string timeout = "none";
    };
    auto options = std::make_shared<Options>();
    CLI::App* sub = app.add_subcommand(name, what);
    sub->add_option("unit", options->units, "in this order")->type_name("UNIT")->required();
    sub->add_flag("--no-wait", options->no_wait, "do not wait until it is done");
    sub->add_option("--timeout", options->timeout, "wait no longer than this; the unit goes on")
        ->type_name("TIME");
    if (forced) sub->add_flag("--force", options->force, "also where that takes down the interface that carries the root file system or /usr");
    commands.push_back({sub, [options, method, forced](const Session& session) {
                            Duration timeout = timeout_of(options->timeout);
                            Client client(session.runtime_dir);
                            for (const std::string& unit : options->units) {
                                Exit code =
                                    act(client, session, options->force ? forced : method, unit, !options->no_wait, timeout);
                                if (code != Exit::Ok) return code;
                            }
                            return Exit::Ok;
                        }});
}

}  // namespace devmux
