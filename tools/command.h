// What every subcommand of devmux is: a file cmd_NAME.cc with a function that declares its options
// and says what to run. devmux.cc puts them together.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "tools/client.h"
#include "tools/exit_codes.h"

namespace devmux {

// What the options before the subcommand say.
struct Session {
    std::string runtime_dir = "/run/devmux";
    bool json = false;
};

struct Command {
    CLI::App* app = nullptr;
    std::function<Exit(const Session&)> run;
};
using Commands = std::vector<Command>;

void add_status(CLI::App& app, Commands& commands);
void add_list(CLI::App& app, Commands& commands);
void add_cat(CLI::App& app, Commands& commands);
void add_log(CLI::App& app, Commands& commands);
void add_explain(CLI::App& app, Commands& commands);
void add_devices(CLI::App& app, Commands& commands);
void add_classes(CLI::App& app, Commands& commands);
void add_eval(CLI::App& app, Commands& commands);
void add_wait(CLI::App& app, Commands& commands);
void add_start(CLI::App& app, Commands& commands);
void add_stop(CLI::App& app, Commands& commands);
void add_restart(CLI::App& app, Commands& commands);
void add_refresh(CLI::App& app, Commands& commands);
void add_mask(CLI::App& app, Commands& commands);
void add_unmask(CLI::App& app, Commands& commands);
void add_reset(CLI::App& app, Commands& commands);
void add_simulate(CLI::App& app, Commands& commands);
void add_source(CLI::App& app, Commands& commands);
void add_mode(CLI::App& app, Commands& commands);
void add_shutdown(CLI::App& app, Commands& commands);
void add_record(CLI::App& app, Commands& commands);
void add_whatif(CLI::App& app, Commands& commands);
void add_reload(CLI::App& app, Commands& commands);
void add_check(CLI::App& app, Commands& commands);
void add_guard(CLI::App& app, Commands& commands);

// Says what went wrong on stderr; the exit code of it.
Exit report(const Reply& reply);

// The words of a condition as the shell left them, joined.
std::string sentence(const std::vector<std::string>& words);

// "30s", or "none" for as long as it takes. Throws CLI::ValidationError: a mistake on the command
// line like any other.
Duration timeout_of(const std::string& text, const char* option = "--timeout");

}  // namespace devmux
