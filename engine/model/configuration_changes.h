// What the folders say now, against what is in force: what a reload would change.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/configuration.h"

namespace devmux {

struct ConfigurationChanges {
    enum class Change : unsigned char {
        Changed,  // it says something else, or is no longer broken or masked
        Gone,
        New,
        Broken,   // it cannot be read; of a unit in force, what is in force stays so
        Masked,
    };
    std::map<std::string, Change> units;
    std::vector<std::string> classes;  // that came, went or mean something else

    bool any() const { return !units.empty() || !classes.empty(); }
};

std::string_view to_string(ConfigurationChanges::Change change);

ConfigurationChanges changes_between(const Configuration& in_force, const Configuration& on_disk);

}  // namespace devmux
