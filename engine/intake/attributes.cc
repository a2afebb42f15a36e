// See attributes.h. Inserting keeps each list sorted: a few dozen names at load time, against one
// hash lookup per event afterwards.
#include "engine/intake/attributes.h"

#include <algorithm>

namespace devmux {
namespace {

void insert(std::vector<std::string>& names, std::string_view name) {
    auto place = std::lower_bound(names.begin(), names.end(), name);
    if (place == names.end() || *place != name) names.emplace(place, name);
}

}  // namespace

void AttributeNeeds::need(std::string_view subsystem, std::string_view name) {
    if (subsystem.empty()) {
        insert(every_, name);
        for (auto& [_, names] : by_subsystem_) insert(names, name);
        return;
    }
    auto [entry, fresh] = by_subsystem_.try_emplace(std::string(subsystem));
    if (fresh) entry->second = every_;
    insert(entry->second, name);
}

std::span<const std::string> AttributeNeeds::for_subsystem(std::string_view subsystem) const {
    auto found = by_subsystem_.find(subsystem);
    return found == by_subsystem_.end() ? every_ : found->second;
}

size_t AttributeNeeds::size() const {
    size_t n = every_.size();
    for (const auto& [subsystem, names] : by_subsystem_) n += names.size();
    return n;
}

}  // namespace devmux
