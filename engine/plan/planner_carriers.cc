// Links that carry / or /usr (carriers.h): whom it concerns that they are others now.
#include "engine/plan/planner.h"

namespace devmux {

void Planner::carriers_changed(Time now, Actions& actions) {
    for (UnitIndex unit : watchers_.watching_carriers()) {
        if (units_[unit].unit->is_template()) look_for_devices(unit);
        mark(unit);
    }
    std::set<std::string> devices;
    for (const auto& [key, runs] : waiting_runs_) devices.insert(key.first);
    for (const std::string& devpath : devices)
        if (const Device* device = world_.table.find(devpath)) run_if_known(*device, now, actions);
}

// Its link is known now, and so whether it carries something: who may have an instance for it, and what
// events wait for that.
void Planner::look_at_link(const Device& device, Time now, Actions& actions) {
    if (watchers_.watching_carriers().empty()) return;
    for (UnitIndex unit : watchers_.watching_carriers())
        if (units_[unit].unit->is_template()) comings_.insert({unit, std::string(device.devpath())});
    run_if_known(device, now, actions);
}

void Planner::run_if_known(const Device& device, Time now, Actions& actions) {
    run_waiting(device, [](const DeviceRun& run) { return !run.for_udev; }, false, now, actions);
}

}  // namespace devmux
