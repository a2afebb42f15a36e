// The links of the units in force, by index: who must rest before whom. Circles were refused at load
// (model/unit_order.h), so what follows "waits for" comes to an end.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/model/unit.h"
#include "engine/plan/watch_index.h"

namespace devmux {

// What a unit asks for: a unit, or a facility with all who provide it. Nobody is left: it is not there.
struct Need {
    std::string name;
    std::vector<UnitIndex> units;
    bool operator==(const Need&) const = default;
};

struct UnitNode {
    std::vector<Need> required, wanted;
    std::vector<UnitIndex> ahead;      // who starts before it, and stops after it: of all keys
    std::vector<UnitIndex> behind;     // the other way round
    std::vector<UnitIndex> dependents;  // of `behind`: those that require it
    std::vector<UnitIndex> conflicts;  // both ways
    std::vector<UnitIndex> then, on_failure;
    std::vector<UnitIndex> neighbours;  // whoever may wait for it
};

class UnitGraph {
  public:
    // One unit of the planner after the other, in its order.
    void build(const std::vector<const Unit*>& units);
    // Units have come or gone since: it is to be built again before it is asked.
    void outdate() { stale_ = true; }
    bool is_stale() const { return stale_; }

    // Nothing but empty lists for a unit that has no links.
    const UnitNode& of(UnitIndex unit) const;
    bool has(UnitIndex unit) const { return nodes_.contains(unit); }
    size_t links() const { return links_; }  // all of them: how often one move can concern others

  private:
    std::unordered_map<UnitIndex, UnitNode> nodes_;
    size_t links_ = 0;
    bool stale_ = false;
};

}  // namespace devmux
