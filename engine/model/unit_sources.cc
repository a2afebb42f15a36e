// See unit_sources.h.
#include "engine/model/unit_sources.h"

#include "engine/model/unit_folders.h"

namespace devmux {

std::map<std::string, UnitSources> unit_sources(const std::vector<std::string>& folders,
                                                const std::function<bool(const std::string&)>& is_safe, Errors& errors) {
    constexpr std::string_view kFile = ".yaml", kDropIns = ".yaml.d";
    std::map<std::string, UnitSources> out;
    for (const std::string& folder : folders) {
        if (!is_safe(folder)) continue;
        for (const std::string& file : names_in(folder, kFile, errors))
            out[file.substr(0, file.size() - kFile.size())].files.push_back(folder + "/" + file);
        for (const std::string& name : names_in(folder, kDropIns, errors)) {
            std::string path = folder + "/" + name;
            if (!is_safe(path)) continue;
            UnitSources& unit = out[name.substr(0, name.size() - kDropIns.size())];
            for (const std::string& file : names_in(path, kFile, errors)) unit.drop_ins[file].push_back(path + "/" + file);
        }
    }
    return out;
}

}  // namespace devmux
