// devmux-client, which is executed where people call devmux (guard/devmux.c): asks the daemon and says
// what it answers. This file has the options that all subcommands share and the way from an outcome to an
// exit code; each subcommand is a file cmd_NAME.cc.
#include <unistd.h>

#include <cstdlib>

#include "conditions/duration.h"
#include "conditions/text.h"
#include "tools/command.h"
#include "tools/output.h"

#ifndef DEVMUX_VERSION
#define DEVMUX_VERSION "0.1.0"
#endif

namespace devmux {

Exit report(const Reply& reply) {
    complain(reply.trouble);
    return reply.code;
}

std::string sentence(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
    return out;
}

Duration timeout_of(const std::string& text, const char* option) {
    if (text == "none") return kNever;
    if (auto duration = parse_duration(text)) return *duration;
    throw CLI::ValidationError(option,
                               "\"" + text + "\" is no time: write 500ms, 30s, 2m or none");
}

namespace {

std::string footer() {
    std::string out = "Exit codes:\n";
    for (const ExitCode& e : kExitCodes) {
        std::string number = std::to_string(static_cast<int>(e.code));
        out += std::string(6 - number.size(), ' ') + number + "  " + e.meaning + "\n";
    }
    return out;
}

bool wants_colour(const std::string& choice) {
    if (choice != "auto") return choice == "always";
    const char* no = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    bool dumb = terminal && std::string_view(terminal) == "dumb";
    return isatty(STDOUT_FILENO) == 1 && !(no && *no) && !dumb;
}

// CLI11 takes an argument in brackets for a list of its own and takes them off; in a condition they
// are a predicate. A space before it changes nothing in the condition and is no list.
std::vector<std::string> arguments(int argc, char** argv) {
    std::vector<std::string> out;
    for (int i = argc - 1; i > 0; --i) {  // CLI11 takes them from the back
        std::string word = argv[i];
        out.push_back(word.size() > 1 && word.front() == '[' && word.back() == ']' ? " " + word
                                                                                   : word);
    }
    return out;
}

Exit no_such_subcommand(const CLI::App& app, const std::string& word) {
    if (word.starts_with('-')) {
        complain(devmux::quoted(printable(word)) + " is no option; `devmux --help` names them");
        return Exit::Usage;
    }
    std::vector<std::string> known;
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
        known.push_back(sub->get_name());
    std::string near = nearest(word, known);
    complain(devmux::quoted(printable(word)) + " is no subcommand; " +
             (near.empty() ? "`devmux --help` names them" : "did you mean " + near + "?"));
    return Exit::Usage;
}

// "devmux explain UNIT" of the help of a subcommand.
std::string usage_of(const CLI::App& app) {
    std::string help = app.help();
    constexpr std::string_view kUsage = "Usage: ";
    size_t at = help.find(kUsage);
    if (at == std::string::npos) return "";
    at += kUsage.size();
    return help.substr(at, help.find('\n', at) - at);
}

// What is wrong with the words of a subcommand, how it is called, and where there is more.
Exit bad_arguments(const CLI::App& app, const CLI::ParseError& error) {
    std::vector<CLI::App*> parsed = app.get_subcommands();
    const CLI::App& sub = parsed.empty() ? app : *parsed[0];
    std::string name = parsed.empty() ? "devmux" : "devmux " + sub.get_name();
    std::string what = error.what(), usage = usage_of(sub);
    if (!parsed.empty() && !usage.empty()) usage.insert(0, "devmux ");
    if (std::vector<std::string> extras = app.remaining(true); !extras.empty() && error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError))
        what = "unexpected " + devmux::quoted(printable(extras[0]));
    complain((parsed.empty() ? "" : sub.get_name() + ": ") + what + (usage.empty() ? "" : "\n    usage: " + usage) + "\n    `" + name + " --help` says more");
    return Exit::Usage;
}

Exit run(int argc, char** argv) {
    CLI::App app(
        "Starts and stops units as devices come and go: asks the devmux daemon.",
        "devmux");
    Session session;
    Commands commands;
    std::string colour = "auto";
    app.add_option("--runtime-dir", session.runtime_dir, "the daemon's directory")
        ->envname("DEVMUX_RUNTIME_DIR")
        ->type_name("DIR")
        ->capture_default_str();
    app.add_flag("--json", session.json, "print JSON instead of text");
    app.add_option("--color,--colour", colour, "auto: on a terminal, unless NO_COLOR is set")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->type_name("WHEN")
        ->capture_default_str();
    app.set_version_flag("--version", "devmux " DEVMUX_VERSION);
    app.footer(footer());
    app.require_subcommand(1);
    for (auto* add :
         {add_status, add_list, add_explain, add_cat, add_log, add_devices, add_classes, add_eval, add_wait,
          add_start, add_stop, add_restart, add_refresh, add_reset, add_mask, add_unmask, add_reload, add_check,
          add_simulate, add_record, add_whatif, add_source, add_mode, add_shutdown, add_guard})
        add(app, commands);
    // The common options may stand behind the subcommand as well.
    for (const Command& command : commands) command.app->fallthrough();
    try {
        app.parse(arguments(argc, argv));
        use_colours(wants_colour(colour));
        for (const Command& command : commands)
            if (command.app->parsed()) return command.run(session);
    } catch (const CLI::ParseError& e) {
        // Of a word that is no subcommand CLI11 only says that one is required.
        std::vector<std::string> unknown = app.remaining();
        if (!unknown.empty() && app.get_subcommands().empty())
            return no_such_subcommand(app, unknown[0]);
        if (e.get_exit_code() != 0) return bad_arguments(app, e);
        return app.exit(e) == 0 ? Exit::Ok : Exit::Usage;  // prints help or the version
    } catch (const Json::exception& e) {
        complain(
            std::string("the daemon's answer is not of the form that this devmux " DEVMUX_VERSION
                        " knows: ") +
            e.what());
        return Exit::NoDaemon;
    }
    return Exit::Usage;
}

}  // namespace
}  // namespace devmux

int main(int argc, char** argv) {
    devmux::Exit code = devmux::run(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
        devmux::complain("the output could not be written");
        return static_cast<int>(devmux::Exit::No);
    }
    return static_cast<int>(code);
}
