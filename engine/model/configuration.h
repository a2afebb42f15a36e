// All that the administrator wrote: classes and units, from every folder, checked. One loader for
// the daemon, `check` and `simulate`. Immutable once loaded; a reload loads another one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/intake/attributes.h"
#include "engine/model/class_set.h"
#include "engine/model/trusted_file.h"
#include "engine/model/unit.h"

namespace devmux {

// Folders of units, the weakest first: /usr/lib/devmux/units.d, /run/…, /etc/…. A file of a later
// folder replaces one of the same name, a link to /dev/null masks it, NAME.yaml.d/*.yaml adds to it.
// The classes of each folder stand in its classes.d.
struct ConfigurationDirs {
    std::vector<std::string> units;
    // In front of the paths of `chosen-by`. Nothing: what was chosen on this machine is not asked.
    std::optional<std::string> root = {};
};

struct Configuration {
    std::shared_ptr<const ClassSet> classes = std::make_shared<ClassSet>();
    std::map<std::string, std::shared_ptr<const Unit>> units;
    std::map<std::string, Errors> broken;  // units that could not be read, and why
    std::set<std::string> masked;
    Errors errors;                         // of class files and folders
    std::shared_ptr<const AttributeNeeds> needs = std::make_shared<AttributeNeeds>();
};

// Never fails as a whole: one broken file takes down that unit, or class, alone.
Configuration load_configuration(const ConfigurationDirs& dirs, Trust trust);

// After a reload: a unit whose file broke stays in force as it was in `old`. Returns the names of
// the units that were kept so; their errors stay in `broken`.
std::set<std::string> keep_last_good(Configuration& fresh, const Configuration& old);

// What `units` name in `attr.…`, for the intake to read.
AttributeNeeds attribute_needs(const Configuration& configuration);

// The same for one condition, added to `needs`; whether it named anything new.
bool add_needs(const Condition& condition, const ClassSet& classes, AttributeNeeds& needs);

inline constexpr size_t kMostUnits = 100'000;

}  // namespace devmux
