// The engine's answers to what conditions ask: devices from the table, the other facts from what the
// shell reported, and the states of units from the planner.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "conditions/facts.h"
#include "engine/model/device_table.h"
#include "engine/plan/carriers.h"
#include "engine/plan/known_links.h"
#include "engine/plan/known_mounts.h"
#include "engine/plan/unit_state.h"

namespace devmux {

class World final : public Facts {
  public:
    explicit World(std::shared_ptr<const ClassSet> classes) : table(std::move(classes)) {}

    void each_device(ClassId id, std::string_view name, const Visitor& visit) const override {
        table.each_of(id, name, visit);
    }
    void each_without_driver(const Visitor& visit) const override {
        table.each([&](const Device& device) {
            if (device.driver().empty()) visit(device, false);
        });
    }
    bool coldplug_complete() const override { return coldplug && !doubted; }
    bool in_doubt() const override { return doubted; }
    bool stands(std::string_view devpath, const Generation& generation) const override;
    Truth fact(const FactKey& key) const override;
    std::string seen(const FactKey& key) const override;
    // Whether a facility is met without a unit: by what is mounted, by the network. False for all others.
    Truth facility(const std::string& name) const;
    // What is missing, behind its name: ": /home is not mounted".
    std::string facility_seen(const std::string& name) const;
    Truth link(const DeviceFacts& device, LinkState state) const override { return link_is(links, device, state); }
    std::string link_seen(const DeviceFacts& device) const override { return devmux::link_seen(links, device); }
    Truth carries_root(const DeviceFacts& device) const override { return carries(carriers, links, device); }
    std::string carries_seen(const DeviceFacts& device) const override { return carries_text(carriers, mounts, links, device); }
    std::string nothing_carried() const override;
    // Whether a link may carry something that this machine lives on. Before anything is known of mounts: as it was,
    // and in the first moment of a boot it may.
    bool may_be_carried() const {
        return carriers.mounts || !carriers.carried.empty() ? !carriers.carried.empty() : was_carried != Truth::False;
    }
    // After news of mounts or links, and when it is time; false where that changed nothing of it.
    bool renew_carriers(Time now);

    DeviceTable table;
    bool coldplug = false;
    bool doubted = false;  // everything is being verified: what is not seen may be there all the same
    bool settled = false;
    std::string kernel_command_line;
    std::map<std::string, Truth> files;
    KnownMounts mounts;
    KnownLinks links;
    Carriers carriers;  // what follows from these two, and from what followed before
    // / or /usr came from a server when that was known last, under a former engine too. Unknown until somebody has
    // looked; what is out of sight then (of a daemon in a chroot) is nothing that links carry.
    Truth was_carried = Truth::False;
    std::string runlevel;  // one character; empty: not known
    std::string mode;      // that devmux mode has set in this boot; empty: none
    std::map<std::string, ScriptRunlevels> scripts;  // init scripts of which something is known
    bool going_down = false;  // the machine
    // Whether a unit, or any of its instances, is in that state; nothing for a unit that is not there. Of a broken
    // one, or one that was here before in this boot, nobody knows.
    std::function<std::optional<bool>(const std::string&, Actual)> unit_is;
    std::function<bool(const std::string&)> unit_is_unknown;

  private:
    std::string seen_of_unit(const std::string& name) const;
};

}  // namespace devmux
