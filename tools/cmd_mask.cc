// devmux mask UNIT…, devmux unmask UNIT…: a link to /dev/null in place of a unit's file, and a reload. The
// daemon says which folders it reads; without one they are the usual ones, or those of --units.
#include <algorithm>
#include <filesystem>

#include "conditions/text.h"
#include "engine/model/unit_file.h"
#include "engine/model/unit_folders.h"
#include "tools/command.h"
#include "tools/default_dirs.h"
#include "tools/mask.h"
#include "tools/output.h"

namespace devmux {
namespace {

struct Options {
    std::vector<std::string> units, folders;
    bool runtime = false;
};

constexpr std::string_view kRuntimeFolder = "/run/devmux/units.d";

Exit refused(const Error& error) {
    complain(error.to_string());
    return Exit::Refused;
}

Error about(std::string what, std::string hint) {
    return {.where = {}, .what = std::move(what), .source = "", .caret = -1, .hint = std::move(hint)};
}

// One run of either command: where, and whether a daemon is to be told.
struct Place {
    std::vector<std::string> folders;  // the weakest first
    size_t chosen = 0;
    bool daemon = false;
};

Result<Place> place_of(const Options& options, Client& client, Exit& code) {
    Place place{options.folders, 0, false};
    if (place.folders.empty()) {
        Reply status = client.call("Status");
        place.daemon = static_cast<bool>(status);
        if (place.daemon) place.folders = status.value.at("unit_folders").get<std::vector<std::string>>();
        else if (status.code == Exit::NoDaemon) place.folders = default_unit_dirs();
        else {
            code = status.code;
            return about(status.trouble, "");
        }
    }
    code = Exit::Refused;
    place.chosen = place.folders.size() - 1;
    if (!options.runtime) return place;
    for (place.chosen = 0; place.chosen < place.folders.size(); ++place.chosen)
        if (place.folders[place.chosen].ends_with(kRuntimeFolder)) return place;
    std::string read;
    for (const std::string& folder : place.folders) read += (read.empty() ? "" : ", ") + folder;
    return about("no folder below /run is read: units are read from " + read, "leave out --runtime");
}

// What is said of one unit when its mask has come or gone.
void tell(const Session& session, const Place& place, const std::string& unit, const std::string& path, bool masked,
          bool changed, const Json& now) {
    std::string state = now.is_object() ? now.at("state").get<std::string>() : "";
    if (session.json)
        return print_json(Json{{"unit", unit}, {"file", path}, {"masked", masked}, {"changed", changed},
                               {"in_force", place.daemon}, {"state", state}});
    if (!changed) print_line(unit + (masked ? " is masked already" : " is not masked"));
    else print_line(masked ? unit + " is masked: " + path + " leads to /dev/null" : unit + " is not masked any more");
    if (masked && state == "orphaned") print_line("its service runs on: devmux stop " + unit + " stops it");
    if (changed && !place.daemon) print_line("no daemon was told: one that runs takes it up by devmux reload");
}

Exit reload(Client& client) {
    Reply reply = client.call("Reload");
    if (!reply) return report(reply);
    for (const Json& error : reply.value.at("errors")) complain(error.get<std::string>());
    return Exit::Ok;
}

// A file in a stronger folder, which a mask in the chosen one would not cover.
std::string stronger(const Place& place, const std::string& unit) {
    std::error_code bad;
    for (size_t i = place.chosen + 1; i < place.folders.size(); ++i) {
        std::string path = place.folders[i] + "/" + unit + ".yaml";
        if (std::filesystem::exists(std::filesystem::symlink_status(path, bad))) return path;
    }
    return "";
}

// A mask of a name that is no unit's would be a slip of the pen that nobody sees.
bool is_known(const Place& place, Client& client, const std::string& unit) {
    std::error_code bad;
    for (const std::string& folder : place.folders)
        if (std::filesystem::exists(std::filesystem::symlink_status(folder + "/" + unit + ".yaml", bad))) return true;
    return place.daemon && static_cast<bool>(client.call("Unit", {unit}));
}

Exit mask(const Session& session, const Options& options) {
    Client client(session.runtime_dir);
    Exit code = Exit::Ok;
    auto place = place_of(options, client, code);
    if (!place) return complain(place.error().to_string()), code;
    const std::string& folder = place->folders[place->chosen];
    std::vector<std::pair<std::string, bool>> done;
    for (const std::string& unit : options.units)
        if (options.folders.empty() && is_unit_name(unit) && !is_known(*place, client, unit)) {
            complain(about("there is no unit " + devmux::quoted(unit), "devmux list shows them").to_string());
            return Exit::NoSuchThing;
        }
    for (const std::string& unit : options.units) {
        if (std::string path = stronger(*place, unit); !path.empty() && is_unit_name(unit) && !is_mask(path))
            return refused(about(path + " is stronger than a mask in " + folder, "move it away, or leave out --runtime"));
        auto masked = mask_unit(folder, unit);
        if (!masked) return refused(masked.error());
        done.emplace_back(unit, *masked);
    }
    if (place->daemon && std::any_of(done.begin(), done.end(), [](const auto& d) { return d.second; }))
        if (Exit bad = reload(client); bad != Exit::Ok) return bad;
    for (const auto& [unit, fresh] : done) {
        Reply now = place->daemon ? client.call("Unit", {unit}) : Reply{};
        tell(session, *place, unit, folder + "/" + unit + ".yaml", true, fresh, now.value);
    }
    return Exit::Ok;
}

Exit unmask(const Session& session, const Options& options) {
    Client client(session.runtime_dir);
    Exit code = Exit::Ok;
    auto place = place_of(options, client, code);
    if (!place) return complain(place.error().to_string()), code;
    const std::string& folder = place->folders[place->chosen];
    std::vector<std::pair<std::string, bool>> done;
    for (const std::string& unit : options.units) {
        auto gone = unmask_unit(folder, unit);
        if (!gone) return refused(gone.error());
        for (const std::string& other : place->folders) {
            std::string path = other + "/" + unit + ".yaml";
            if (other == folder || *gone || !is_mask(path)) continue;
            return refused(about(unit + " is masked by " + path, other.ends_with(kRuntimeFolder)
                                                                     ? "devmux unmask --runtime " + unit
                                                                     : "rm " + path));
        }
        done.emplace_back(unit, *gone);
    }
    if (place->daemon && std::any_of(done.begin(), done.end(), [](const auto& d) { return d.second; }))
        if (Exit bad = reload(client); bad != Exit::Ok) return bad;
    for (const auto& [unit, fresh] : done) {
        Reply now = place->daemon ? client.call("Unit", {unit}) : Reply{};
        tell(session, *place, unit, folder + "/" + unit + ".yaml", false, fresh, now.value);
    }
    return Exit::Ok;
}

void add(CLI::App& app, Commands& commands, const char* name, const char* what,
         Exit (*run)(const Session&, const Options&)) {
    auto options = std::make_shared<Options>();
    CLI::App* sub = app.add_subcommand(name, what);
    sub->add_option("unit", options->units, "which")->type_name("UNIT")->required();
    sub->add_flag("--runtime", options->runtime, "until the machine is switched off: below /run");
    sub->add_option("--units", options->folders, "work in this folder of units, and ask no daemon")
        ->type_name("DIR")
        ->allow_extra_args(false);
    commands.push_back({sub, [options, run](const Session& session) { return run(session, *options); }});
}

}  // namespace

void add_mask(CLI::App& app, Commands& commands) {
    add(app, commands, "mask", "put a link to /dev/null in place of a unit's file", mask);
}

void add_unmask(CLI::App& app, Commands& commands) {
    add(app, commands, "unmask", "take that link away again", unmask);
}

}  // namespace devmux
