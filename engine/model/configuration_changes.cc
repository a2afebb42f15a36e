// See configuration_changes.h.
#include "engine/model/configuration_changes.h"

#include <optional>
#include <set>

#include "conditions/predicate.h"
#include "engine/model/unit.h"

namespace devmux {
namespace {

using Change = ConfigurationChanges::Change;

bool same_class(const DeviceClass& a, const DeviceClass& b) {
    return a.name == b.name && a.plural == b.plural && a.aliases == b.aliases && a.description == b.description &&
           a.supplied_by == b.supplied_by && a.subsystems == b.subsystems &&
           to_string(a.match) == to_string(b.match) && a.includes == b.includes && a.file == b.file;
}

std::optional<Change> change_of(const std::string& name, const Configuration& in_force, const Configuration& on_disk) {
    auto old = in_force.units.find(name);
    bool was_broken = in_force.broken.contains(name), was_masked = in_force.masked.contains(name);
    if (on_disk.masked.contains(name)) return was_masked ? std::nullopt : std::optional(Change::Masked);
    if (on_disk.broken.contains(name)) {
        bool as_before = old == in_force.units.end() && was_broken;
        return as_before ? std::nullopt : std::optional(Change::Broken);
    }
    auto fresh = on_disk.units.find(name);
    if (fresh == on_disk.units.end()) return Change::Gone;
    if (was_broken || was_masked) return Change::Changed;
    if (old == in_force.units.end()) return Change::New;
    return same_text(*old->second, *fresh->second) ? std::nullopt : std::optional(Change::Changed);
}

}  // namespace

std::string_view to_string(Change change) {
    switch (change) {
        case Change::Changed: return "changed";
        case Change::Gone: return "gone";
        case Change::New: return "new";
        case Change::Broken: return "broken";
        case Change::Masked: return "masked";
    }
    return "";
}

ConfigurationChanges changes_between(const Configuration& in_force, const Configuration& on_disk) {
    ConfigurationChanges out;
    std::set<std::string> names;
    for (const Configuration* c : {&in_force, &on_disk}) {
        for (const auto& [name, unit] : c->units) names.insert(name);
        for (const auto& [name, errors] : c->broken) names.insert(name);
        names.insert(c->masked.begin(), c->masked.end());
    }
    for (const std::string& name : names)
        if (auto change = change_of(name, in_force, on_disk)) out.units[name] = *change;
    std::map<std::string, std::vector<const DeviceClass*>> classes;
    for (const Configuration* c : {&in_force, &on_disk})
        for (const DeviceClass& device_class : c->classes->classes()) classes[device_class.name].push_back(&device_class);
    for (const auto& [name, found] : classes)
        if (found.size() != 2 || !same_class(*found[0], *found[1])) out.classes.push_back(name);
    return out;
}

}  // namespace devmux
