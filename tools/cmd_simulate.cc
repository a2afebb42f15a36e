// devmux simulate TRACE: plays what happened to a machine to the very engine, on a virtual clock, and
// prints what it decides. Runs nothing and asks no daemon. A recording has its own units in it and must
// come to its own decisions; with --units it is played to others, with --diff to two sets of them. The
// format of a trace is in trace_text.h.
#include <filesystem>

#include "conditions/text.h"
#include "engine/model/trusted_file.h"
#include "tools/command.h"
#include "tools/decisions_diff.h"
#include "tools/default_dirs.h"
#include "tools/output.h"
#include "tools/trace_text.h"

namespace devmux {
namespace {

struct Simulate {
    std::string trace, diff;
    std::vector<std::string> units;
    bool broken = false;  // of the files that were read

    Exit run(const Session& session) {
        FolderTrust folders;
        auto text = read_trusted(trace, kTraceBytes, Trust::Waive, folders);
        if (!text) return refuse(text.error());
        broken = false;
        bool recorded = is_recorded(*text);
        if (!diff.empty()) return compare(session, *text, recorded);
        auto played = recorded && !units.empty() ? play_freely(*text, trace, read({units}))
                                                 : play(*text, trace, loader(units));
        if (!played) return refuse(played.error());
        print_decisions(session, played->lines);
        if (!recorded || !units.empty()) return broken ? Exit::No : Exit::Ok;
        return verified(*played);
    }

    // What the recording says of itself goes to stderr: stdout has the decisions alone.
    static Exit verified(const Played& played) {
        if (played.ended.empty()) complain("the recording was cut off: it has no end");
        if (played.ended == "limit") complain("the recording had reached its limit: it does not go on");
        if (played.ended == "slow") complain("the recording was not read fast enough: it does not go on");
        if (!played.difference.empty()) {
            complain("not the same decisions, the first:\n" + printable_lines(played.difference));
            return Exit::No;
        }
        complain("the same decisions, " + std::to_string(played.same) + " of them");
        return Exit::Ok;
    }

    static std::string printable_lines(std::string_view text) {
        std::string out;
        while (!text.empty()) {
            std::string_view line = text.substr(0, text.find('\n'));
            out += (out.empty() ? "" : "\n") + printable(line);
            text.remove_prefix(std::min(line.size() + 1, text.size()));
        }
        return out;
    }

    // Both ways alike: freely, so that nothing but the units makes a difference.
    Exit compare(const Session& session, const std::string& text, bool recorded) {
        auto one = recorded ? play_freely(text, trace, units.empty() ? nullptr : read({units}))
                            : play(text, trace, loader(units));
        if (!one) return refuse(one.error());
        auto other = recorded ? play_freely(text, trace, read({{diff}})) : play(text, trace, loader({diff}));
        if (!other) return refuse(other.error());
        std::vector<std::string> lines = decisions_diff(one->lines, other->lines);
        print_decisions(session, lines);
        return lines.empty() && !broken ? Exit::Ok : Exit::No;
    }

    static void print_decisions(const Session& session, const std::vector<std::string>& lines) {
        if (!session.json) {
            for (const std::string& line : lines) print_line(printable(line));
            return;
        }
        Json all = Json::array();
        for (const std::string& line : lines) all.push_back(printable(line));
        print_json(all);
    }

    std::shared_ptr<const Configuration> read(const ConfigurationDirs& dirs) {
        Configuration c = load_configuration(dirs, Trust::Waive);
        for (const Error& error : c.errors) complain(error.to_string());
        for (const auto& [name, errors] : c.broken)
            for (const Error& error : errors) complain(error.to_string());
        broken |= !c.errors.empty() || !c.broken.empty();
        return std::make_shared<const Configuration>(std::move(c));
    }

    // The words "reload DIR" of a trace mean a folder beside it.
    ConfigurationLoader loader(const std::vector<std::string>& folders) {
        return [this, folders](const std::string& dir) {
            ConfigurationDirs dirs{folders.empty() ? default_unit_dirs() : folders};
            if (dir.empty()) return read(dirs);
            dirs.units = {std::filesystem::path(trace).parent_path() / dir};
            if (!std::filesystem::is_directory(dirs.units[0])) {
                complain(dirs.units[0] + ": there is no such folder, which the trace reloads");
                broken = true;
            }
            return read(dirs);
        };
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
        ->check(CLI::ExistingDirectory)
        ->allow_extra_args(false);
    sub->add_option("--diff", simulate->diff, "print only the decisions that differ under the units of this folder")
        ->type_name("DIR")
        ->check(CLI::ExistingDirectory);
    commands.push_back({sub, [simulate](const Session& session) { return simulate->run(session); }});
}

}  // namespace devmux
