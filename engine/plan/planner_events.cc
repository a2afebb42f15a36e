// The one kind of unit that is driven by events: each-event.
#include <algorithm>
#include <utility>

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

// Events of one device that wait; beyond, the oldest is run as it is.
constexpr size_t kWaitingOfDevice = 64;

}  // namespace

// A device that moved is the device that it was.
void Planner::moved_events(const DeviceChange& change, Actions& actions) {
    std::string now(change.device->devpath());
    std::set<std::string> awaited = runs_.moved(change.old_devpath, now);  // units that have yet to run its arrival
    for (auto it = handled_.lower_bound({change.old_devpath, ""});
         it != handled_.end() && it->first.first == change.old_devpath; ++it) {
        const std::string& unit = it->first.second;
        if (awaited.contains(unit)) continue;
        actions.push_back(Record{SavedRun{unit, change.old_devpath, {}, 0}});
        actions.push_back(Record{SavedRun{unit, now, it->second, ++last_job_}});
        actions.push_back(Record{SavedEnd{last_job_}});
    }
    auto rename = [&](auto& map) {
        auto it = map.lower_bound({change.old_devpath, ""});
        while (it != map.end() && it->first.first == change.old_devpath) {
            map[{now, it->first.second}] = std::move(it->second);
            it = map.erase(it);
        }
    };
    rename(handled_);
    rename(waiting_runs_);
    rename(ran_upto_);
}

void Planner::run_events(const std::vector<DeviceChange>& changes, const DeviceEvent* event, bool repeated,
                         Time now, Actions& actions) {
    if (event_watchers_.empty() && handled_.empty()) return;
    bool udev = world_.table.awaits_udev();
    // Devices that came or went without an event of their own: found by a walk, or missed by one.
    for (const DeviceChange& change : changes) {
        const Device& d = *change.device;
        if (!change.old_devpath.empty()) moved_events(change, actions);
        bool by_event = event && event->uevent.devpath == d.devpath();
        DeviceRun run{.action = "add", .block = d.block(), .at = now};
        if (change.kind == DeviceChange::Kind::Added && !(by_event && event->uevent.action == Action::Add))
            run_event(d, run, udev && !d.ready(), now, actions);
        if (change.kind == DeviceChange::Kind::Removed) {
            // What it waited for will not come any more; it happened all the same, and before this.
            run_waiting(d, [](const DeviceRun&) { return true; }, true, now, actions);
            run.action = "remove";
            if (!(by_event && event->uevent.action == Action::Remove)) run_event(d, run, false, now, actions);
        }
        // More is known of it: attributes, or that it is ready.
        if (change.kind == DeviceChange::Kind::Changed)
            run_waiting(d, [&](const DeviceRun& r) { return !r.for_udev || (r.seqnum == 0 && d.ready()); }, false,
                        now, actions);
    }
    if (!event) return;
    const Uevent& u = event->uevent;
    const Device* device = world_.table.find(u.devpath);
    for (const DeviceChange& change : changes)
        if (u.action == Action::Remove && change.device->devpath() == u.devpath) device = change.device;
    if (!device) return;
    bool gone = u.action == Action::Remove && !u.synthetic;
    if (event->level() == Level::Ready && !gone) return run_processed(*device, u, repeated, now, actions);
    DeviceRun run{.action = std::string(u.action_word), .block = std::string(u.block), .seqnum = u.seqnum,
                  .synthetic = u.synthetic, .at = now};
    run_event(*device, std::move(run), udev && u.action != Action::Remove, now, actions);
}

// udev has processed this event, and with it all that came before it of this device. Who asked for
// `seen`, or ran it when nobody knew of udev, has run it - if there was a copy of the kernel's.
void Planner::run_processed(const Device& device, const Uevent& u, bool repeated, Time now, Actions& actions) {
    for (auto it = waiting_runs_.lower_bound({std::string(device.devpath()), ""});
         it != waiting_runs_.end() && it->first.first == device.devpath(); ++it)
        for (DeviceRun& run : it->second) {
            if (run.seqnum > u.seqnum) continue;
            await_no_more(run);
            if (run.seqnum == u.seqnum) run.block = u.block;
            ran_upto_[it->first] = u.seqnum;
        }
    run_waiting(device, [](const DeviceRun& run) { return !run.for_udev; }, false, now, actions);
    for (UnitIndex index : event_watchers_.watching(device, u.block)) {
        RunKey key{device.devpath(), units_[index].unit->name};
        uint64_t& upto = ran_upto_[key];
        bool by_seen = units_[index].unit->each_event->devices.state == DeviceState::Seen;
        if (upto >= u.seqnum || (by_seen && repeated)) continue;
        upto = u.seqnum;
        run_or_keep(index, device,
                    {.action = std::string(u.action_word), .block = std::string(u.block), .seqnum = u.seqnum,
                     .synthetic = u.synthetic, .at = now}, false, now, actions);
    }
}

// Whom it concerns: a removal has no word of udev's, and what only the event says is not known of the device.
void Planner::run_event(const Device& device, DeviceRun run, bool wait_for_udev, Time now, Actions& actions) {
    bool gone = run.action == "remove" && !run.synthetic;
    if (gone) forget(device.devpath(), actions);
    for (UnitIndex index : event_watchers_.watching(device, run.block)) {
        const Managed& m = units_[index];
        RunKey key{device.devpath(), m.unit->name};
        if (gone) {
            run_now(m, device, run, true, now, actions);
            continue;
        }
        bool waits = wait_for_udev && m.unit->each_event->devices.state != DeviceState::Seen;
        if (!waits && run.seqnum != 0 && m.unit->each_event->devices.state != DeviceState::Seen)
            ran_upto_[key] = run.seqnum;
        run_or_keep(index, device, run, waits, now, actions);
    }
}

// What went may come again under the same path: whatever units do with its removal, nothing of it is left.
void Planner::forget(std::string_view devpath, Actions& actions) {
    RunKey first{devpath, ""};
    for (auto it = handled_.lower_bound(first); it != handled_.end() && it->first.first == devpath;
         it = handled_.erase(it))
        actions.push_back(Record{SavedRun{it->first.second, it->first.first, {}, 0}});
    for (auto it = ran_upto_.lower_bound(first); it != ran_upto_.end() && it->first.first == devpath;)
        it = ran_upto_.erase(it);
}

// At its place among those that wait already: a device's events are run in their order.
void Planner::run_or_keep(UnitIndex index, const Device& device, DeviceRun run, bool wait_for_udev,
                          Time now, Actions& actions) {
    const Managed& m = units_[index];
    RunKey key{device.devpath(), m.unit->name};
    auto newer = [&](const DeviceRun& other) { return run.seqnum != 0 && other.seqnum > run.seqnum; };
    auto waiting = waiting_runs_.find(key);
    bool behind = waiting != waiting_runs_.end() && !waiting->second.empty() && !newer(waiting->second.front());
    if (!behind && !wait_for_udev && run_now(m, device, run, false, now, actions)) return;
    const EachEvent& each = *m.unit->each_event;
    if (!each.actions.contains(action_of(run.action)) || (run.synthetic && !each.synthetic)) return;
    run.for_udev = wait_for_udev;
    if (wait_for_udev) for_udev_since_.insert(run.at);
    std::deque<DeviceRun>& runs = waiting_runs_[key];
    auto place = std::ranges::find_if(runs, newer);
    runs.insert(place, std::move(run));
    if (runs.size() <= kWaitingOfDevice) return;
    DeviceRun oldest = std::move(runs.front());
    runs.pop_front();
    await_no_more(oldest);
    run_now(m, device, oldest, true, now, actions);
}

// Those of its events, from the oldest on, that may be run now.
void Planner::run_waiting(const Device& device, const std::function<bool(const DeviceRun&)>& may, bool gone,
                          Time now, Actions& actions) {
    auto it = waiting_runs_.lower_bound({std::string(device.devpath()), ""});
    while (it != waiting_runs_.end() && it->first.first == device.devpath()) {
        auto unit = find(it->first.second);
        std::deque<DeviceRun>& runs = it->second;
        while (!runs.empty() && (!unit || !units_[*unit].unit->each_event ||
                                 (may(runs.front()) && run_now(units_[*unit], device, runs.front(), gone, now, actions)))) {
            await_no_more(runs.front());
            runs.pop_front();
        }
        it = runs.empty() ? waiting_runs_.erase(it) : std::next(it);
    }
}

// False when nobody knows yet whether the unit is concerned. `gone`: nobody ever will.
bool Planner::run_now(const Managed& m, const Device& device, const DeviceRun& run, bool gone,
                      Time now, Actions& actions) {
    const EachEvent& each = *m.unit->each_event;
    RunKey key{device.devpath(), m.unit->name};
    bool arrival = run.action == "add" && !run.synthetic;
    if (!each.actions.contains(action_of(run.action)) || (run.synthetic && !each.synthetic)) return true;
    if (m.state.hold == Hold::Down) return true;
    Truth concerned = Truth::False;
    for (const auto& c : device.classes())
        if (c.id == each.devices.class_id) concerned = c.unsure ? Truth::Unknown : Truth::True;
    concerned = both(concerned, matches(each.devices.predicate, EventDevice(device, run.block), &world_));
    if (concerned == Truth::Unknown && !gone) return false;
    if (concerned != Truth::True) return true;
    if (arrival) {
        auto before = handled_.find(key);
        if (before != handled_.end() && !differs(before->second, device.generation())) return true;
        handled_[key] = device.generation();
    }
    std::string_view from = run.action == "move" ? find_in(run.block, "DEVPATH_OLD").value_or("") : "";
    runs_.add({++last_job_, m.unit, std::move(key.first), device.generation(), run.action, run.block, arrival,
               std::string(from)}, now, actions);
    return true;
}

// A unit that is not there any more has no turn to wait for. What it was run for it has been run for: its file
// may come back.
void Planner::forget_units_that_went() {
    auto went = [&](const auto& entry) {
        auto unit = find(entry.first.second);
        return !unit || !units_[*unit].unit->each_event;
    };
    for (auto& entry : waiting_runs_)
        if (went(entry)) std::ranges::for_each(entry.second, [&](DeviceRun& run) { await_no_more(run); });
    std::erase_if(waiting_runs_, went);
    std::erase_if(ran_upto_, went);
}

// Udev has said its word on it, or never will. False when it did not wait for that.
bool Planner::await_no_more(DeviceRun& run) {
    if (!std::exchange(run.for_udev, false)) return false;
    for_udev_since_.erase(for_udev_since_.find(run.at));
    return true;
}

std::optional<Time> Planner::event_waits_since() const {
    return for_udev_since_.empty() ? std::nullopt : std::optional(*for_udev_since_.begin());
}

std::vector<std::string> Planner::events_waiting_since(Time then) const {
    std::vector<std::string> out;
    for (const auto& [key, runs] : waiting_runs_)
        if (!runs.empty() && runs.front().for_udev && runs.front().at <= then) out.push_back(key.first);
    return out;
}

void Planner::give_up_udev(std::string_view devpath, Time now, Actions& actions) {
    std::set<std::string> devices;
    for (auto it = waiting_runs_.lower_bound({std::string(devpath), ""});
         it != waiting_runs_.end() && (devpath.empty() || it->first.first == devpath); ++it) {
        devices.insert(it->first.first);
        for (DeviceRun& run : it->second) {
            if (!await_no_more(run)) continue;  // it may still wait for attributes
            uint64_t& upto = ran_upto_[it->first];
            upto = std::max(upto, run.seqnum);
        }
    }
    for (const std::string& path : devices)
        if (const Device* device = world_.table.find(path))
            run_waiting(*device, [](const DeviceRun&) { return true; }, false, now, actions);
}

}  // namespace devmux
