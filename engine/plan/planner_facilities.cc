// Who is started for a facility that a unit requires or wants, and that nobody provides yet.
#include <algorithm>

#include "engine/plan/planner.h"

namespace devmux {
namespace {

constexpr size_t kNamed = 6;  // of many, so many are named

// Its condition, its events or its missing file decide about it: no other unit does.
bool decides_by_itself(const Managed& m) {
    return m.unit->condition_kind != ConditionKind::None || m.unit->each_event || m.orphaned;
}

}  // namespace

// Those of a need whom other units may start.
std::vector<UnitIndex> Planner::startable(const Need& need) const {
    std::vector<UnitIndex> out;
    for (UnitIndex u : need.units)
        if (!decides_by_itself(units_[u])) out.push_back(u);
    return out;
}

// A unit that is named is asked in any case. A facility takes the one who provides it and has no
// condition, where nobody does so yet, or is about to; among several a person chooses. What is
// mounted, or the network, may still turn out to do.
bool Planner::asks_for(const Need& need, bool afresh) const {
    if (!is_facility(need.name)) return true;
    if (stands(need)) return false;
    if (world_.facility(need.name) == Truth::Unknown) return false;
    if (std::any_of(need.units.begin(), need.units.end(), [&](UnitIndex u) { return is_moving(units_[u]); })) return false;
    std::vector<UnitIndex> choice = startable(need);
    if (choice.size() != 1) return false;
    // The same event may let another one come: all conditions are asked first.
    return !afresh || units_[choice.front()].is_unavailable();
}

// "$syslog of syslogd", or "$mta, which exim and postfix provide: …" where a person has to choose.
std::string Planner::facility_text(UnitIndex index, const std::string& facility, bool& chooses) const {
    const auto& required = graph_.of(index).required;
    auto need = std::find_if(required.begin(), required.end(), [&](const Need& n) { return n.name == facility; });
    if (need == required.end()) return facility;
    std::vector<UnitIndex> choice = startable(*need);
    chooses = choice.size() > 1;
    if (need->units.size() == 1) return facility + " of " + units_[need->units.front()].unit->name;
    if (!chooses) return facility;
    std::string names;
    size_t shown = std::min(choice.size(), kNamed);
    for (size_t i = 0; i < shown; ++i) {
        bool last = i + 1 == choice.size();
        names += (i == 0 ? "" : last ? " and " : ", ") + units_[choice[i]].unit->name;
    }
    if (shown < choice.size()) names += " and " + std::to_string(choice.size() - shown) + " more";
    return facility + ", which " + names + " provide: start one of them by hand";
}

}  // namespace devmux
