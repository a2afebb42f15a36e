// devmux simulate TRACE: plays what happened to a machine to the very engine, on a virtual clock, and
// prints what it decides. Runs nothing and asks no daemon. The format of a trace is in trace_text.h.
#include <filesystem>

#include "conditions/text.h"
#include "engine/model/trusted_file.h"
#include "tools/command.h"
#include "tools/default_dirs.h"
#include "tools/output.h"
#include "tools/trace_text.h"

namespace devmux {
namespace {

struct Simulate {
    std::string trace;
    std::vector<std::string> units;

    Exit run(const Session& session) const {
        FolderTrust folders;
        auto text = read_trusted(trace, kTraceBytes, Trust::Waive, folders);
        if (!text) return refuse(text.error());
        bool broken = false;
        auto load = [&](const std::string& dir) {
            ConfigurationDirs dirs{units.empty() ? default_unit_dirs() : units};
            if (!dir.empty()) dirs.units = {std::filesystem::path(trace).parent_path() / dir};
            Configuration c = load_configuration(dirs, Trust::Waive);
            for (const Error& error : c.errors) complain(error.to_string());
            for (const auto& [name, errors] : c.broken)
                for (const Error& error : errors) complain(error.to_string());
            broken |= !c.errors.empty() || !c.broken.empty();
            return std::make_shared<const Configuration>(std::move(c));
        };
        auto lines = play_trace(*text, trace, load);
        if (!lines) return refuse(lines.error());
        if (session.json) {
            Json all = Json::array();
            for (const std::string& line : *lines) all.push_back(printable(line));
            print_json(all);
        } else {
            for (const std::string& line : *lines) print_line(printable(line));
        }
        return broken ? Exit::No : Exit::Ok;
    }

    static Exit refuse(const Error& error) {
        complain(error.to_string());
        return Exit::Usage;
    }
};

}  // namespace

void add_simulate(CLI::App& app, Commands& commands) {
    auto simulate = std::make_shared<Simulate>();
    CLI::App* sub = app.add_subcommand("simulate", "play a trace to the engine and print its decisions");
    sub->add_option("trace", simulate->trace, "what happened, line by line")->type_name("TRACE")->required();
    sub->add_option("--units", simulate->units, "folder of units, its classes in DIR/classes.d; may be repeated")
        ->type_name("DIR")
        ->allow_extra_args(false);
    commands.push_back({sub, [simulate](const Session& session) { return simulate->run(session); }});
}

}  // namespace devmux
