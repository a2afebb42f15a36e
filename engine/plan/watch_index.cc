// See watch_index.h.
#include "engine/plan/watch_index.h"

#include <algorithm>

#include "engine/plan/carriers.h"
#include "engine/plan/known_links.h"

namespace devmux {
namespace {

void add_once(std::vector<UnitIndex>& list, UnitIndex unit) {
    if (list.empty() || list.back() != unit) list.push_back(unit);
}

template <class Map>
void visit_all(const Map& map, std::string_view text, const WatchIndex::Visitor& visit) {
    if (map.empty()) return;
    if (auto it = map.find(text); it != map.end())
        for (UnitIndex unit : it->second) visit(unit);
}

}  // namespace

// Where the paths lie is watched with it: what is asked of mounts is found in one place.
void WatchIndex::add_paths(UnitIndex unit) {
    for (std::string_view path : {kRootPath, kUsrPath}) add(FactKey{FactKind::Mounted, std::string(path)}, unit);
}

void WatchIndex::add_carriers(UnitIndex unit) {
    add_once(carriers_, unit);
    add_paths(unit);
}

void WatchIndex::add_taking_down(UnitIndex unit) {
    add_once(taking_down_, unit);
    add_paths(unit);
}

void WatchIndex::add(const DeviceTerm& term, UnitIndex unit) {
    if (is_of_links(term.state)) add(kAnyLink, unit);
    if (asks_what_it_carries(term)) add_carriers(unit);
    if (classes_.size() <= term.class_id) classes_.resize(term.class_id + 1U);
    OfClass& c = classes_[term.class_id];
    // `all` and `at most` are concerned by devices outside the set as little as the others are: the
    // predicate decides who is in the set, before and after the change.
    if (const Predicate* name = exact(term.predicate, Predicate::Field::Name)) {
        add_once(c.by_name[name->value], unit);
    } else if (const Predicate* property = exact(term.predicate, Predicate::Field::Property)) {
        auto it = std::find_if(c.by_property.begin(), c.by_property.end(),
                               [&](const ByProperty& p) { return p.key == property->key; });
        if (it == c.by_property.end()) it = c.by_property.insert(it, {property->key, {}});
        add_once(it->by_value[property->value], unit);
    } else {
        add_once(c.every, unit);
    }
}

// All that is asked of mounts hangs on the path: one event brings news of it.
void WatchIndex::add(const FactKey& fact, UnitIndex unit) {
    if (is_of_mounts(fact.kind)) add_once(facts_[{FactKind::Mounted, std::string(mount_path(fact))}], unit);
    else add_once(facts_[fact], unit);
}

void WatchIndex::each_watching(const std::vector<Device::Membership>& classes, std::string_view name,
                               Block block, const Visitor& visit) const {
    for (const Device::Membership& membership : classes) {
        if (membership.id >= classes_.size()) continue;
        const OfClass& c = classes_[membership.id];
        for (UnitIndex unit : c.every) visit(unit);
        visit_all(c.by_name, name, visit);
        for (const ByProperty& property : c.by_property)
            if (auto value = find_in(block, property.key)) visit_all(property.by_value, *value, visit);
    }
}

std::vector<UnitIndex> WatchIndex::watching(const Device& device, Block event) const {
    std::vector<UnitIndex> units;
    auto take = [&](UnitIndex unit) { units.push_back(unit); };
    each_watching(device.classes(), device.name(), device.block(), take);
    if (event != device.block()) each_watching(device.classes(), device.name(), event, take);
    std::ranges::sort(units);
    units.erase(std::unique(units.begin(), units.end()), units.end());
    return units;
}

void WatchIndex::each_watching(const FactKey& fact, const Visitor& visit) const {
    if (auto it = facts_.find(fact); it != facts_.end())
        for (UnitIndex unit : it->second) visit(unit);
}

std::vector<FactKey> WatchIndex::facts(FactKind kind) const {
    std::vector<FactKey> out;
    for (const auto& [fact, units] : facts_)
        if (fact.kind == kind) out.push_back(fact);
    return out;
}

}  // namespace devmux
