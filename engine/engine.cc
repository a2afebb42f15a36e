// See engine.h.
#include "engine/engine.h"

#include <utility>

#include "conditions/text.h"

namespace devmux {
namespace {

// A removal that is older than the walk which found the device: the directory may have been about to
// go. The kernel announces a removal just before it takes the directory away (device_del() in
// drivers/base/core.c), so a moment later sysfs tells the truth.
constexpr Duration kMoment = std::chrono::seconds(1);

}  // namespace

std::string_view to_string(InDoubt::Why why) {
    switch (why) {
        case InDoubt::Why::Overrun: return "the kernel's socket overran";
        case InDoubt::Why::Truncated: return "an event was cut off";
        case InDoubt::Why::Malformed: return "an event made no sense";
        case InDoubt::Why::Udev: return "udev's socket overran";
        case InDoubt::Why::Resumed: return "the machine was suspended";
        case InDoubt::Why::Continued: return "devmuxd was stopped and continued";
        case InDoubt::Why::Switched: return "a source was off";
    }
    return "";
}

Engine::Engine(std::shared_ptr<const Configuration> configuration, std::string kernel_command_line,
               Time now, EngineTimes times)
    : times_(times), configuration_(std::move(configuration)), world_(configuration_->classes),
      planner_(world_, now, times.settle, times.parallel), udev_(times.udev), late_(times.late),
      limits_(times.jobs, [this](const std::string& unit) -> const TimeLimits* {
          auto index = planner_.find(unit);
          return index ? planner_.units()[*index].unit->limits.get() : nullptr;
      }) {
    world_.kernel_command_line = std::move(kernel_command_line);
}

void Engine::start(const SavedState& saved, Time now, Actions& actions) {
    if (saved.going_down) limits_.go_down(true, now);
    world_.mode = saved.mode;
    world_.was_carried = saved.carried;
    world_.carriers.before = saved.carriers;
    planner_.use(configuration_, now, actions, &saved);
    watch_jobs(0, now, actions);
}

Checkpoint Engine::checkpoint() const {
    return {world_.coldplug, world_.doubted, world_.settled, world_.files, world_.mounts, world_.links, world_.runlevel,
            world_.mode, world_.scripts, world_.going_down, world_.was_carried, world_.carriers, world_.table.checkpoint(), history_.checkpoint(), planner_.checkpoint(),
            udev_.checkpoint(), late_.checkpoint(), limits_.checkpoint(), limits_.down_since(),
            last_looks_, counters_.unready};
}

void Engine::restore(const Checkpoint& from) {
    world_.coldplug = from.coldplug;
    world_.doubted = from.doubted;
    world_.settled = from.settled;
    world_.files = from.files;
    world_.mounts = from.mounts;
    world_.links = from.links;
    world_.carriers = carriers_of(world_.mounts, world_.links);
    recall(from.carriers, world_.carriers);
    world_.runlevel = from.runlevel;
    world_.mode = from.mode;
    world_.scripts = from.scripts;
    world_.going_down = from.going_down;
    world_.was_carried = from.carried;
    world_.table.restore(from.table);
    history_.restore(from.history);
    planner_.restore(configuration_, from.planner);
    udev_.restore(from.udev);
    late_.restore(from.late);
    limits_.restore(from.limits, from.down_since);
    last_looks_ = from.last_looks;
    counters_.unready = from.unready;
}

void Engine::handle(const Event& event, Time now, Actions& actions) {
    size_t since = actions.size();
    std::visit([&](const auto& e) { take(e, now, actions); }, event);
    watch_jobs(since, now, actions);
}

Time Engine::next_deadline() const {
    return std::min({planner_.next_deadline(), late_.next(), udev_.next(waiting_since()), limits_.next(), next_change(world_.carriers)});
}

std::optional<Time> Engine::waiting_since() const {
    std::optional<Time> since = planner_.event_waits_since();
    const auto& waiting = world_.table.waiting();
    if (!waiting.empty() && (!since || waiting.begin()->first < *since)) since = waiting.begin()->first;
    return since;
}

void Engine::look(std::string_view devpath, Duration delay, Actions& actions) {
    ++counters_.looked;
    actions.push_back(LookAgain{std::string(devpath), delay});
}

void Engine::look_at_dying(Actions& actions) {
    for (const std::string& devpath : world_.table.take_dying()) look(devpath, kMoment, actions);
}

void Engine::devices_changed(const DeviceEvent* event, bool repeated, Time now, Actions& actions) {
    for (const DeviceChange& change : changes_) {
        const Device& device = *change.device;
        if (change.kind == DeviceChange::Kind::Removed) continue;
        if (late_.concerns(device, now)) late_.await(device, now);
        // What was to be read of it under its old path is not found there.
        if (change.old_devpath.empty()) continue;
        actions.push_back(ReadAttributes{std::string(device.devpath()), std::string(device.subsystem())});
    }
    planner_.devices_changed(changes_, event, repeated, now, actions);
}

void Engine::take(const DeviceEvent& event, Time now, Actions& actions) {
    const Uevent& u = event.uevent;
    ++counters_.received[static_cast<size_t>(event.via)];
    if (u.synthetic) ++counters_.synthetic;
    bool announced = history_.knows(u.seqnum, Level::Seen);
    switch (history_.take(u.seqnum, event.level())) {
        case Outcome::New: break;
        case Outcome::Duplicate: ++counters_.duplicate; return;
        case Outcome::Older: ++counters_.late; return look(u.devpath, {}, actions);
        case Outcome::Unnumbered: return look(u.devpath, {}, actions);
    }
    changes_.clear();
    // udev's copy of what the kernel announced only says that udev is done.
    bool raises = event.level() == Level::Ready && announced;
    Effect effect = raises ? world_.table.raise(event, now, changes_) : world_.table.apply(event, now, changes_);
    look_at_dying(actions);
    switch (effect) {
        case Effect::Taken:
            if (!raises && is_overtaken(event)) look(u.devpath, kMoment, actions);
            break;
        case Effect::Ignored:
            // A module or a driver: files that are awaited may be there now.
            if (!u.devpath.starts_with("/devices/")) late_.wake(now);
            return;
        case Effect::Look:
            // What the helper says of one that has gone is a reason to look, and no more. Netlink's copy comes
            // in order, and can be believed.
            if (event.via == Transport::Hotplug) history_.forget(u.seqnum);
            devices_changed(nullptr, false, now, actions);
            if (!u.devpath_old.empty()) look(u.devpath_old, {}, actions);
            return look(u.devpath, {}, actions);
        case Effect::Late:
            ++counters_.late;
            // Where it went has changed hands already; who is left under the old path?
            if (!u.devpath_old.empty() && knows(u.devpath_old)) look(u.devpath_old, {}, actions);
            // It announced who is there now, and something newer was taken for a word on who was there before.
            if (event.standing.exists && is_overtaken(event)) look(u.devpath, kMoment, actions);
            return;
        case Effect::Behind:
            ++counters_.late;
            if (u.action == Action::Remove) return look(u.devpath, kMoment, actions);
            // A walk was quicker: it says what is, and not that there was this event.
            if (u.action == Action::Add && event.level() == Level::Seen) return;
            break;
    }
    devices_changed(&event, raises, now, actions);
}

// Sysfs was further when the event was read. The events that say how will come, unless they came before
// this one.
bool Engine::is_overtaken(const DeviceEvent& event) const {
    const Uevent& u = event.uevent;
    if (u.synthetic || (u.action != Action::Add && u.action != Action::Move)) return false;
    if (!event.standing.exists) return event.via != Transport::Kernel;
    const Device* device = world_.table.find(u.devpath);
    return device && differs(device->generation(), event.standing.generation);
}

void Engine::take(const LookedAt& seen, Time now, Actions& actions) {
    changes_.clear();
    world_.table.apply(seen, now, changes_);
    read_again(actions);
    look_at_dying(actions);
    devices_changed(nullptr, false, now, actions);
    if (last_looks_.erase(seen.devpath) > 0) looked_for_udev(seen.devpath, now, actions);
}

// The last look at who waits for udev has found no word of it: there will be none.
void Engine::looked_for_udev(const std::string& devpath, Time now, Actions& actions) {
    const Device* device = world_.table.find(devpath);
    if (!device) return;
    if (!device->ready()) {
        if (counters_.unready++ == 0)
            actions.push_back(Report{Report::Level::Warning, "", "udev is idle and has said nothing of " +
                                         printable(devpath) + ": taking it as ready, and the next ones "
                                         "without a word (status counts them)"});
        changes_.clear();
        world_.table.give_up_udev(devpath, now, changes_);
        devices_changed(nullptr, false, now, actions);
    }
    planner_.give_up_udev(devpath, now, actions);
}

void Engine::take(const AttributesRead& read, Time now, Actions& actions) {
    const Device* device = world_.table.find(read.devpath);
    if (!device) return;
    changes_.clear();
    world_.table.apply(read, late_.is_over(*device), now, changes_);
    devices_changed(nullptr, false, now, actions);
}

// One event, however many devices: removes first, then adds, and the conditions are asked at the end.
void Engine::take(const Snapshot& snapshot, Time now, Actions& actions) {
    changes_.clear();
    world_.table.apply(snapshot, now, changes_);
    look_at_dying(actions);
    if (world_.coldplug && world_.doubted)
        for (const DeviceChange& change : changes_)
            ++(change.kind == DeviceChange::Kind::Added     ? counters_.resync_adds
               : change.kind == DeviceChange::Kind::Removed ? counters_.resync_removes
                                                            : counters_.resync_changes);
    planner_.hold();
    read_again(actions);
    devices_changed(nullptr, false, now, actions);
    // A walk that was begun instead of a last look is one. What it has not found is asked for again.
    auto last_looks = std::exchange(last_looks_, {});
    if (last_looks.empty()) return;
    std::set<std::string_view> found;
    for (const FoundDevice& device : snapshot.devices) found.insert(device.devpath);
    for (const std::string& devpath : last_looks)
        if (found.contains(devpath)) looked_for_udev(devpath, now, actions);
}

void Engine::read_again(Actions& actions) const {
    for (const Device* device : world_.table.reread())
        actions.push_back(ReadAttributes{std::string(device->devpath()), std::string(device->subsystem())});
}

void Engine::take(const CaughtUp&, Time now, Actions& actions) {
    if (std::exchange(world_.doubted, false)) {
        ++counters_.resynced;
        planner_.ask_all();
    }
    planner_.caught_up(now, actions);
}

void Engine::take(const ColdplugComplete&, Time now, Actions& actions) {
    planner_.coldplug_complete(now, actions);
}

void Engine::take(const InDoubt& doubt, Time now, Actions& actions) {
    using Why = InDoubt::Why;
    ++counters_.doubts;
    bool lost = doubt.why == Why::Overrun || doubt.why == Why::Truncated || doubt.why == Why::Malformed ||
                doubt.why == Why::Udev;
    if (lost) ++counters_.lost;
    actions.push_back(Report{lost ? Report::Level::Warning : Report::Level::Info, "",
                             (lost ? "events were lost (" : "events may have been missed (") +
                                 std::string(to_string(doubt.why)) + "): looking at all of sysfs again"});
    world_.table.doubt_all();
    world_.doubted = true;
    planner_.ask_all();
    planner_.go_on(now, actions);
}

void Engine::take(const UdevSeen& udev, Time now, Actions& actions) {
    udev_.seen(udev, now);
    await_udev(now, actions);
    if (udev.presence != UdevPresence::Running || !udev.idle) return;
    // It is idle: whoever still waits has been forgotten, unless its word was lost on the way.
    for (const auto& [since, devpath] : world_.table.waiting()) {
        if (since + udev_.patience() > now) break;
        if (last_looks_.insert(devpath).second) look(devpath, {}, actions);
    }
    for (const std::string& devpath : planner_.events_waiting_since(now - udev_.patience()))
        if (last_looks_.insert(devpath).second) look(devpath, {}, actions);
}

void Engine::await_udev(Time now, Actions& actions) {
    if (udev_.awaits() == world_.table.awaits_udev()) return;
    changes_.clear();
    world_.table.await_udev(udev_.awaits(), now, changes_);
    devices_changed(nullptr, false, now, actions);
    if (!udev_.awaits()) planner_.give_up_udev("", now, actions);
}

void Engine::take(const ModulesSeen& modules, Time now, Actions& actions) {
    planner_.modules_seen(modules, now, actions);
}

void Engine::take(const DeadlineReached&, Time now, Actions& actions) {
    for (const Device* device : late_.due(world_.table, now))
        actions.push_back(ReadAttributes{std::string(device->devpath()), std::string(device->subsystem())});
    switch (udev_.poll(waiting_since(), now)) {
        case UdevWait::Answer::Nothing: break;
        case UdevWait::Answer::Ask: actions.push_back(LookAtUdev{}); break;
        case UdevWait::Answer::GiveUp:
            actions.push_back(Report{Report::Level::Warning, "",
                                     "udevd is installed and does not run: taking devices as ready when the "
                                     "kernel announces them"});
            await_udev(now, actions);
            break;
    }
    if (next_change(world_.carriers) <= now) look_at_carriers(now, actions);
    planner_.deadline(now, actions);
    limits_.deadline(now, actions);
}

void Engine::take(const HandRequest& request, Time now, Actions& actions) {
    auto unit = planner_.find(request.unit);
    if (!unit) return;
    planner_.by_hand(*unit, request.event, request.force, now, actions);
    if (request.clear_latches) planner_.clear_latches(*unit, now, actions);
}

void Engine::take(const NewConfiguration& fresh, Time now, Actions& actions) {
    configuration_ = fresh.configuration;
    planner_.use(configuration_, now, actions);
    limits_.limits_changed(now);
}

}  // namespace devmux
