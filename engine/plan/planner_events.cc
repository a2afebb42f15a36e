// The one kind of unit that is driven by events: each-event.
#include "conditions/text.h"
#include "engine/plan/planner.h"

namespace devmux {
namespace {

// A device as the event shows it: what the event says comes before what is known. (A predicate may
// ask for a variable that only the event has, like SYNTH_ARG_… or DISK_MEDIA_CHANGE.)
class EventDevice final : public DeviceFacts {
  public:
    EventDevice(const Device& device, Block block) : device_(device), block_(block) {}
    std::string_view devpath() const override { return device_.devpath(); }
    std::string_view name() const override { return device_.name(); }
    std::string_view subsystem() const override { return device_.subsystem(); }
    std::string_view driver() const override { return device_.driver(); }
    bool ready() const override { return device_.ready(); }
    Generation generation() const override { return device_.generation(); }
    Time since() const override { return device_.since(); }
    std::optional<std::string_view> property(std::string_view key) const override {
        auto value = find_in(block_, key);
        return value ? value : device_.property(key);
    }
    AttributeValue attribute(std::string_view name) const override { return device_.attribute(name); }
    const DeviceFacts* parent() const override { return device_.parent(); }

  private:
    const Device& device_;
    Block block_;
};

}  // namespace

void Planner::run_events(const std::vector<DeviceChange>& changes, const DeviceEvent* event,
                         Actions& actions) {
    // A device that moved is the device that it was.
    for (const DeviceChange& change : changes) {
        if (change.old_devpath.empty()) continue;
        for (auto it = handled_.begin(); it != handled_.end();) {
            auto [unit, devpath] = it->first;
            auto here = it++;
            if (devpath != change.old_devpath) continue;
            std::string now(change.device->devpath());
            actions.push_back(Record{SavedRun{unit, devpath, {}, 0}});
            actions.push_back(Record{SavedRun{unit, now, here->second, ++last_job_}});
            actions.push_back(Record{SavedEnd{last_job_}});
            handled_[{unit, now}] = here->second;
            handled_.erase(here);
        }
    }
    // Devices that came or went without an event of their own: found by a walk, or missed by one.
    for (const DeviceChange& change : changes) {
        bool by_event = event && event->uevent.devpath == change.device->devpath();
        if (change.kind == DeviceChange::Kind::Added && !(by_event && event->uevent.action == Action::Add))
            run_event(*change.device, "add", change.device->block(), false, actions);
        if (change.kind == DeviceChange::Kind::Removed &&
            !(by_event && event->uevent.action == Action::Remove))
            run_event(*change.device, "remove", change.device->block(), false, actions);
    }
    if (!event) return;
    const Uevent& u = event->uevent;
    const Device* device = world_.table.find(u.devpath);
    for (const DeviceChange& change : changes)
        if (u.action == Action::Remove && change.device->devpath() == u.devpath) device = change.device;
    if (device) run_event(*device, u.action_word, u.block, u.synthetic, actions);
}

void Planner::run_event(const Device& device, std::string_view action, Block block, bool synthetic,
                        Actions& actions) {
    if (event_watchers_.empty()) return;
    EventDevice seen(device, block);
    bool arrival = action == "add" && !synthetic, gone = action == "remove" && !synthetic;
    event_watchers_.each_watching(device.classes(), device.name(), block, [&](UnitIndex index) {
        const Managed& m = units_[index];
        const EachEvent& each = *m.unit->each_event;
        auto key = std::make_pair(m.unit->name, std::string(device.devpath()));
        // What went may come again under the same path: forget it, whatever the unit does with it.
        if (gone && handled_.erase(key) > 0)
            actions.push_back(Record{SavedRun{key.first, key.second, {}, 0}});
        if (!each.actions.contains(action_of(action)) || (synthetic && !each.synthetic)) return;
        if (m.state.hold == Hold::Down) return;
        bool member = false;
        for (const auto& c : device.classes()) member |= c.id == each.devices.class_id && !c.unsure;
        if (!member || matches(each.devices.predicate, seen) != Truth::True) return;
        if (arrival) {
            auto before = handled_.find(key);
            if (before != handled_.end() && !differs(before->second, device.generation())) return;
            handled_[key] = device.generation();
        }
        runs_.add({++last_job_, m.unit, std::move(key.second), device.generation(), std::string(action),
                   std::string(block), arrival}, actions);
    });
}

}  // namespace devmux
