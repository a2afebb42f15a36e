// devmux cat UNIT: the files that a unit is made of, as they are on disk, in the order in which they are
// read, and which others stand behind them. It reads them itself; a daemon is only asked which folders it
// reads, and whether it has read what is there now.
#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "conditions/document.h"
#include "conditions/text.h"
#include "engine/model/configuration.h"
#include "engine/model/unit_folders.h"
#include "engine/model/unit_sources.h"
#include "engine/status/status_json.h"
#include "tools/command.h"
#include "tools/default_dirs.h"
#include "tools/output.h"

namespace devmux {
namespace {

struct Options {
    std::vector<std::string> units, folders;
};

// Where to look, and what a daemon says of it.
struct Place {
    std::vector<std::string> folders;
    Trust trust = Trust::Require;
    bool daemon = false;
};

struct Shown {
    std::string path;
    bool drop_in = false;
    std::string behind;  // the path of the stronger one; empty: it counts
    bool masks = false;
    std::string text;
    std::string trouble;  // why it cannot be read
};

Reply place_of(const Options& options, Client& client, Place& out) {
    if (!options.folders.empty()) {
        out = {options.folders, Trust::Waive, false};
        return {};
    }
    Reply status = client.call("Status");
    out.daemon = static_cast<bool>(status);
    if (status) out.folders = status.value.at("unit_folders").get<std::vector<std::string>>();
    else if (status.code == Exit::NoDaemon) out.folders = default_unit_dirs();
    else return status;
    return {};
}

class Reading {
  public:
    explicit Reading(const Place& place) : place_(place) {
        Errors errors;
        sources_ = unit_sources(place.folders, [this](const std::string& folder) { return is_safe(folder); }, errors);
        for (const Error& error : errors) troubles_.push_back(error.to_string());
    }

    const std::vector<std::string>& troubles() const { return troubles_; }  // of the folders
    bool knows(const std::string& unit) const { return sources_.contains(unit); }
    std::vector<std::string> names() const {
        std::vector<std::string> out;
        for (const auto& [name, unit] : sources_) out.push_back(name);
        return out;
    }

    // In the order of reading; those that stand behind others come right after them.
    std::vector<Shown> of(const std::string& unit) {
        std::vector<Shown> out;
        const UnitSources& sources = sources_.at(unit);
        add(sources.files, false, out);
        for (const auto& [file, paths] : sources.drop_ins) add(paths, true, out);
        return out;
    }

  private:
    bool is_safe(const std::string& folder) {
        if (place_.trust == Trust::Waive || !std::filesystem::exists(folder)) return true;
        const std::string& why = folders_.trouble(folder);
        if (!why.empty()) troubles_.push_back(folder + ": " + why + ": not read");
        return why.empty();
    }

    void add(const std::vector<std::string>& paths, bool drop_in, std::vector<Shown>& out) {
        for (auto path = paths.rbegin(); path != paths.rend(); ++path) {
            Shown shown{.path = *path, .drop_in = drop_in};
            shown.masks = is_mask(*path);
            if (path != paths.rbegin()) {
                shown.behind = paths.back();
            } else if (!shown.masks) {
                auto text = read_trusted(*path, kDocumentBytes, place_.trust, folders_);
                if (text) shown.text = std::move(*text);
                else shown.trouble = text.error().to_string();
            }
            out.push_back(std::move(shown));
        }
    }

    const Place& place_;
    FolderTrust folders_;
    std::vector<std::string> troubles_;
    std::map<std::string, UnitSources> sources_;
};

bool is_masked(const std::vector<Shown>& files) {
    return std::any_of(files.begin(), files.end(), [](const Shown& f) { return !f.drop_in && f.masks && f.behind.empty(); });
}

// What is told of a file besides its text; empty: nothing.
std::string told(const Shown& file, bool unit_is_masked) {
    if (!file.behind.empty()) return "not read: " + file.behind + " stands before it";
    if (file.masks) return file.drop_in ? "leads to /dev/null: adds nothing" : "leads to /dev/null: the unit is masked";
    if (!file.trouble.empty()) return "cannot be read";
    return unit_is_masked ? "not read: the unit is masked" : "";
}

void print_files(const std::vector<Shown>& files, const std::string& on_disk) {
    auto comment = [](const std::string& text) { print_line(painted(Colour::Faint, "# " + printable_lines(text))); };
    bool masked = is_masked(files), first = true;
    for (const Shown& file : files) {
        std::string note = told(file, masked);
        bool has_text = file.behind.empty() && !file.masks && file.trouble.empty();
        if (!std::exchange(first, false) && file.behind.empty()) print_line("");
        comment(file.path + (note.empty() ? "" : "  (" + note + ")"));
        if (!has_text || masked) continue;
        print(printable_lines(file.text));
        if (!file.text.empty() && file.text.back() != '\n') print_line("");
    }
    if (!on_disk.empty()) comment(on_disk);
}

Json json_of(const std::string& unit, const std::vector<Shown>& files, const std::string& on_disk) {
    bool masked = is_masked(files);
    Json list = Json::array();
    for (const Shown& file : files) {
        const char* state = !file.behind.empty()    ? "behind"
                            : file.masks            ? "mask"
                            : !file.trouble.empty() ? "unreadable"
                            : masked                ? "masked"
                                                    : "read";
        list.push_back({{"path", printable_lines(file.path)},
                        {"kind", file.drop_in ? "drop-in" : "unit"},
                        {"state", state},
                        {"behind", printable_lines(file.behind)},
                        {"trouble", printable_lines(file.trouble)},
                        {"text", printable_lines(file.text)}});
    }
    return {{"name", unit}, {"masked", masked}, {"files", std::move(list)}, {"on_disk", on_disk}};
}

// The file of an instance is that of its unit.
std::string with_file(const Reading& reading, const std::string& unit) {
    std::string of = unit.substr(0, unit.find('@'));
    return reading.knows(unit) || !reading.knows(of) ? unit : of;
}

Exit cat(const Session& session, const Options& options) {
    Client client(session.runtime_dir);
    Place place;
    if (Reply asked = place_of(options, client, place); !asked) return report(asked);
    Reading reading(place);
    for (const std::string& trouble : reading.troubles()) complain(printable_lines(trouble));
    std::vector<std::string> units;
    for (const std::string& asked : options.units) {
        const std::string& unit = units.emplace_back(with_file(reading, asked));
        if (reading.knows(unit)) continue;
        std::string near = nearest(unit, reading.names());
        complain("there is no file of a unit " + devmux::quoted(printable(unit)) +
                 (near.empty() ? "; looked in " + sentence(place.folders) : "; did you mean " + near + "?"));
        return Exit::NoSuchThing;
    }
    Exit code = Exit::Ok;
    for (size_t i = 0; i < units.size(); ++i) {
        const std::string& unit = units[i];
        std::vector<Shown> files = reading.of(unit);
        Reply now = place.daemon ? client.call("Unit", {unit}) : Reply{};
        std::string on_disk = now && now.value.is_object() ? on_disk_text(now.value) : "";
        if (session.json) print_json(json_of(unit, files, on_disk));
        else {
            if (i > 0) print_line("");
            print_files(files, on_disk);
        }
        for (const Shown& file : files) {
            if (file.trouble.empty()) continue;
            complain(printable_lines(file.trouble));
            code = Exit::No;
        }
    }
    return code;
}

}  // namespace

void add_cat(CLI::App& app, Commands& commands) {
    auto options = std::make_shared<Options>();
    CLI::App* sub = app.add_subcommand("cat", "show the files of a unit, and which of them count; needs no daemon");
    sub->add_option("unit", options->units, "which")->type_name("UNIT")->required();
    sub->add_option("--units", options->folders, "look in this folder of units, and ask no daemon")
        ->type_name("DIR")
        ->allow_extra_args(false);
    commands.push_back({sub, [options](const Session& session) { return cat(session, *options); }});
}

}  // namespace devmux
