// See script_folder.h. The order is that of udev's udev_run_devd.c and hotplug's hotplug.c; that each folder
// on the way to the node counts is in udev's history since version 025.
#include "engine/run/script_folder.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "engine/run/trust.h"

namespace devmux {
namespace {

// Of one event; who has more has made a mistake.
constexpr size_t kMostScripts = 256;

bool is_plain_name(std::string_view name) {
    return !name.empty() && name.size() <= 255 && name[0] != '.' &&
           std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c != 0x7F && c != '/'; });
}

// The folders for a node's or an interface's name: "input", "input/event0". None: it has no such name.
std::vector<std::string> folders_of(std::string_view name) {
    std::vector<std::string> out;
    std::string so_far;
    while (!name.empty()) {
        size_t end = std::min(name.find('/'), name.size());
        if (!is_plain_name(name.substr(0, end))) return {};
        so_far += (so_far.empty() ? "" : "/") + std::string(name.substr(0, end));
        out.push_back(so_far);
        name.remove_prefix(std::min(end + 1, name.size()));
    }
    return out;
}

std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> out;
    std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(folder.c_str()), closedir);
    while (const dirent* entry = directory ? readdir(directory.get()) : nullptr) out.emplace_back(entry->d_name);
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

ScriptsFound scripts_for(const std::string& folder, Block device) {
    std::string_view node = find_in(device, "DEVNAME").value_or("");
    if (node.starts_with("/dev/")) node.remove_prefix(5);
    std::string_view named = node.empty() ? find_in(device, "INTERFACE").value_or("") : node;
    std::string_view subsystem = find_in(device, "SUBSYSTEM").value_or("");
    std::vector<std::string> folders = folders_of(named);
    bool has_node = !folders.empty();
    if (is_plain_name(subsystem)) folders.emplace_back(subsystem);
    folders.emplace_back("default");

    ScriptsFound out;
    for (size_t i = 0; i < folders.size(); ++i) {
        if (std::find(folders.begin(), folders.begin() + static_cast<std::ptrdiff_t>(i), folders[i]) !=
            folders.begin() + static_cast<std::ptrdiff_t>(i))
            continue;
        std::string path = folder + "/" + folders[i];
        for (const std::string& name : names_in(path)) {
            bool meant = (name.ends_with(".dev") && has_node) || name.ends_with(".hotplug");
            std::string script = path + "/" + name;
            // As they did: what is not executable is switched off.
            if (!meant || name[0] == '.' || access(script.c_str(), X_OK) != 0) continue;
            if (out.scripts.size() >= kMostScripts) {
                out.refused.push_back(Error{Mark{script}, "is the " + std::to_string(kMostScripts + 1) +
                                                              "th script of one event: not run, nor are others"});
                return out;
            }
            auto error = distrust(script);
            if (!error) error = distrust_above(script);
            if (error) out.refused.push_back(std::move(*error));
            else out.scripts.push_back(std::move(script));
        }
    }
    return out;
}

}  // namespace devmux
