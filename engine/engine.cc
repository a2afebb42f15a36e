// See engine.h.
#include "engine/engine.h"

namespace devmux {
namespace {

// A removal that is older than the walk which found the device: the directory may have been about to
// go. The kernel announces a removal just before it takes the directory away (device_del() in
// drivers/base/core.c), so a moment later sysfs tells the truth.
constexpr Duration kMoment = std::chrono::seconds(1);

}  // namespace

Engine::Engine(std::shared_ptr<const Configuration> configuration, std::string kernel_command_line,
               Time now, SettleTimes settle)
    : configuration_(std::move(configuration)), world_(configuration_->classes), planner_(world_, now, settle) {
    world_.kernel_command_line = std::move(kernel_command_line);
}

void Engine::start(const SavedState& saved, Time now, Actions& actions) {
    planner_.use(configuration_, now, actions, &saved);
}

void Engine::handle(const Event& event, Time now, Actions& actions) {
    std::visit([&](const auto& e) { take(e, now, actions); }, event);
}

void Engine::take(const DeviceEvent& event, Time now, Actions& actions) {
    const Uevent& u = event.uevent;
    ++counters_.received;
    if (u.synthetic) ++counters_.synthetic;
    auto look = [&](Duration delay) {
        ++counters_.looked;
        actions.push_back(LookAgain{std::string(u.devpath), delay});
    };
    switch (history_.take(u.seqnum, Level::Seen)) {
        case Outcome::New: break;
        case Outcome::Duplicate: ++counters_.duplicate; return;
        case Outcome::Older: ++counters_.late; return look({});
        case Outcome::Unnumbered: return look({});
    }
    changes_.clear();
    switch (world_.table.apply(event, now, changes_)) {
        case Effect::Taken: break;
        case Effect::Ignored: return;
        case Effect::Look:
            if (!u.devpath_old.empty()) actions.push_back(LookAgain{std::string(u.devpath_old), {}});
            return look({});
        case Effect::Late:
            ++counters_.late;
            if (u.action == Action::Remove && knows(u.devpath)) look(kMoment);
            // A walk was quicker: it says what is, and not that there was this event.
            if (u.action != Action::Remove && u.action != Action::Add && u.action != Action::Move)
                planner_.devices_changed(changes_, &event, now, actions);
            return;
    }
    planner_.devices_changed(changes_, &event, now, actions);
}

void Engine::take(const LookedAt& seen, Time now, Actions& actions) {
    changes_.clear();
    world_.table.apply(seen, now, changes_);
    planner_.devices_changed(changes_, nullptr, now, actions);
}

// One event, however many devices: removes first, then adds, and the conditions are asked at the end.
void Engine::take(const Snapshot& snapshot, Time now, Actions& actions) {
    changes_.clear();
    world_.table.apply(snapshot, now, changes_);
    if (world_.coldplug)
        for (const DeviceChange& change : changes_)
            ++(change.kind == DeviceChange::Kind::Added     ? counters_.resync_adds
               : change.kind == DeviceChange::Kind::Removed ? counters_.resync_removes
                                                            : counters_.resync_changes);
    planner_.hold();
    planner_.devices_changed(changes_, nullptr, now, actions);
}

void Engine::take(const CaughtUp&, Time now, Actions& actions) { planner_.caught_up(now, actions); }

void Engine::take(const ColdplugComplete&, Time now, Actions& actions) {
    planner_.coldplug_complete(now, actions);
}

void Engine::take(const EventsLost&, Time, Actions& actions) {
    ++counters_.lost;
    actions.push_back(Report{Report::Level::Warning, "",
                             "events were lost (the kernel's socket overran): looking at all of sysfs again"});
}

void Engine::take(const ModulesSeen& modules, Time now, Actions& actions) {
    planner_.modules_seen(modules, now, actions);
}

void Engine::take(const FileSeen& file, Time now, Actions& actions) {
    Truth& known = world_.files.try_emplace(file.path, Truth::Unknown).first->second;
    if (known == file.exists) return;
    known = file.exists;
    planner_.fact_changed({FactKind::File, file.path}, now, actions);
}

void Engine::take(const JobEnded& end, Time now, Actions& actions) {
    planner_.job_ended(end, now, actions);
}

void Engine::take(const DeadlineReached&, Time now, Actions& actions) {
    planner_.deadline(now, actions);
}

void Engine::take(const HandRequest& request, Time now, Actions& actions) {
    auto unit = planner_.find(request.unit);
    if (!unit) return;
    planner_.by_hand(*unit, request.event, now, actions);
    if (request.clear_latches) planner_.clear_latches(*unit, now, actions);
}

void Engine::take(const NewConfiguration& fresh, Time now, Actions& actions) {
    configuration_ = fresh.configuration;
    planner_.use(configuration_, now, actions);
}

}  // namespace devmux
