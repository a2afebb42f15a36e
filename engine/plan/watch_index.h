// Who must be asked when something changed: units are indexed by what their terms watch, so that an
// event costs nothing for units that it cannot concern, be they 10 or 10,000.
//
// A term watches a class. Where its predicate demands an exact name, or an exact value of a property,
// it is filed under that as well, and devices of another name never reach it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "conditions/condition.h"
#include "engine/model/device.h"

namespace devmux {

using UnitIndex = uint32_t;

class WatchIndex {
  public:
    void add(const DeviceTerm& term, UnitIndex unit);
    void add(const FactKey& fact, UnitIndex unit);
    // Which links carry / and /usr (carriers.h): its terms ask for it; or its stop may take such a link down, and
    // then news of it concern nobody until the unit is to stop.
    void add_carriers(UnitIndex unit);
    void add_taking_down(UnitIndex unit);

    // Each unit at least once, in no order; more than once where it watches in several ways.
    using Visitor = std::function<void(UnitIndex)>;
    void each_watching(const std::vector<Device::Membership>& classes, std::string_view name, Block block,
                       const Visitor& visit) const;
    void each_watching(const FactKey& fact, const Visitor& visit) const;
    const std::vector<UnitIndex>& asking_carriers() const { return carriers_; }
    bool asks_carriers() const { return !carriers_.empty() || !taking_down_.empty(); }
    // Each unit once, in their order: who watches the device for what is known of it, or for what an event says.
    std::vector<UnitIndex> watching(const Device& device, Block event) const;
    // Those of mounts are all of the kind Mounted: what is watched is the path. Who asks for the state of a
    // link watches kAnyLink (known_links.h) as well.
    std::vector<FactKey> facts(FactKind kind) const;
    bool empty() const { return classes_.empty() && facts_.empty(); }

  private:
    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
    };
    using ByText = std::unordered_map<std::string, std::vector<UnitIndex>, Hash, std::equal_to<>>;
    struct ByProperty {
        std::string key;
        ByText by_value;
    };
    struct OfClass {
        std::vector<UnitIndex> every;  // terms that no exact word narrows
        ByText by_name;
        std::vector<ByProperty> by_property;
    };
    std::vector<OfClass> classes_;  // by ClassId
    std::map<FactKey, std::vector<UnitIndex>> facts_;
    std::vector<UnitIndex> carriers_, taking_down_;

    void add_paths(UnitIndex unit);
};

}  // namespace devmux
