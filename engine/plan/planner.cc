// From change to verdict to edge. What happens to the unit then is in planner_units.cc; each-event
// units are in planner_events.cc, starts that repeat in planner_flapping.cc; use() and restore() in
// planner_load.cc.
#include "engine/plan/planner.h"

#include "conditions/text.h"

namespace devmux {

Planner::Planner(World& world, Time now, SettleTimes settle, size_t parallel)
    : world_(world), parallel_(parallel), settle_(now, settle) {
    world_.unit_is = [this](const std::string& name, Actual actual) -> std::optional<bool> {
        auto unit = find(name);
        if (!unit) return std::nullopt;
        bool is = false;
        each_meant(*unit, [&](UnitIndex u) { is |= units_[u].state.actual == actual; });
        return is;
    };
    world_.unit_is_unknown = [this](const std::string& name) {
        return configuration_->broken.contains(name) || absent_.units.contains(name);
    };
}

std::optional<UnitIndex> Planner::find(std::string_view name) const {
    auto it = by_name_.find(name);
    return it == by_name_.end() ? std::nullopt : std::optional<UnitIndex>(it->second);
}

bool Planner::leaves_alone(const std::string& name) const {
    auto it = absent_.units.find(name);
    if (it == absent_.units.end()) return false;
    return it->second.wanted == Wanted::Up || it->second.actual == Actual::Active || it->second.job != 0;
}

void Planner::mark(UnitIndex unit) {
    if (units_[unit].unit->is_template()) return each_meant(unit, [this](UnitIndex instance) { mark(instance); });
    if (std::exchange(units_[unit].dirty, true)) return;
    queue_.push_back(unit);
}

// A device concerns the terms that watch what it is, and what it was.
void Planner::mark_watchers(const DeviceChange& change, Actions& actions) {
    auto mark_it = [this](UnitIndex unit) { mark(unit); };
    const Device& d = *change.device;
    note_devices(change, actions);
    watchers_.each_watching(d.classes(), d.name(), d.block(), mark_it);
    if (change.kind != DeviceChange::Kind::Changed) return;
    std::string old_name = change.old_devpath.empty() ? std::string(d.name()) : sysname_of(change.old_devpath);
    watchers_.each_watching(change.old_classes, old_name, change.old_block, mark_it);
}

void Planner::devices_changed(const std::vector<DeviceChange>& changes, const DeviceEvent* event,
                              bool repeated, Time now, Actions& actions) {
    for (const DeviceChange& change : changes) {
        mark_watchers(change, actions);
        if (change.kind == DeviceChange::Kind::Added) settle_.device_came(now);
    }
    if (event && event->uevent.action == Action::Bind) settle_.device_came(now);
    cause_.devices = true;
    if (changes.size() == 1) {
        cause_.device = changes[0].device;
        cause_.removed = changes[0].kind == DeviceChange::Kind::Removed;
    }
    if (event) cause_.seqnum = event->uevent.seqnum;
    settle_.unready_since(world_.table.waiting().empty() ? std::nullopt
                                                         : std::optional(world_.table.waiting().rbegin()->first));
    run_events(changes, event, repeated, now, actions);
    drain(now, actions);
    cause_ = {};
}

void Planner::links_changed(const std::vector<const Device*>& devices, const std::vector<FactKey>& facts, Time now,
                            Actions& actions) {
    for (const Device* d : devices) {
        watchers_.each_watching(d->classes(), d->name(), d->block(), [this](UnitIndex unit) { mark(unit); });
        std::set<UnitIndex> its;  // instances whose device it is
        for (auto [it, end] = at_.equal_range(d->devpath()); it != end; ++it) its.insert(it->second);
        for (UnitIndex unit : its) mark(unit);
        look_at_link(*d, now, actions);
    }
    cause_.devices = !devices.empty();
    if (devices.size() == 1) cause_.device = devices[0];
    facts_changed(facts, now, actions);
    cause_ = {};
}

void Planner::facts_changed(const std::vector<FactKey>& facts, Time now, Actions& actions) {
    for (const FactKey& fact : facts)
        watchers_.each_watching(fact, [&](UnitIndex unit) {
            if (stands_without_unit(fact.name)) each_meant(unit, [this](UnitIndex u) { pend(u); });  // a facility that it requires
            else mark(unit);
        });
    drain(now, actions);
}

void Planner::caught_up(Time now, Actions& actions) {
    held_ = false;
    go_on(now, actions);
}

void Planner::ask_all() {
    for (UnitIndex i = 0; i < units_.size(); ++i)
        if (units_[i].unit->is_template()) look_for_devices(i);
        else mark(i);
}

void Planner::go_on(Time now, Actions& actions) {
    cause_.devices = true;
    drain(now, actions);
    cause_ = {};
}

void Planner::coldplug_complete(Time now, Actions& actions) {
    held_ = false;
    if (std::exchange(world_.coldplug, true)) return;
    settle_.coldplug_complete();
    for (auto it = handled_.begin(); it != handled_.end();) {
        auto here = it++;
        const auto& [devpath, unit] = here->first;
        if (world_.table.find(devpath)) continue;
        actions.push_back(Report{Report::Level::Warning, unit, printable(devpath) +
                                     " went while no engine ran: its removal was not run"});
        actions.push_back(Record{SavedRun{unit, devpath, {}, 0}});
        handled_.erase(here);
    }
    ask_all();
    go_on(now, actions);
}

void Planner::modules_seen(const ModulesSeen& modules, Time now, Actions& actions) {
    if (!settle_.modules(modules.loading || world_.doubted, now)) return;
    actions.push_back(Report{Report::Level::Info, "", "settled: no device came for 3 s"});
    report_settled(now, actions);
}

void Planner::report_settled(Time now, Actions& actions) {
    world_.settled = true;
    actions.push_back(Record{SavedSettled{}});
    fact_changed({FactKind::Settled, ""}, now, actions);
    for (UnitIndex i = 0; i < units_.size(); ++i)
        if (units_[i].unit->if_never) mark(i);
    drain(now, actions);
}

Time Planner::next_deadline() const {
    Time unit = deadlines_.empty() ? kNever : deadlines_.begin()->first;
    return std::min({unit, settle_.next(), runs_.next_deadline()});
}

void Planner::deadline(Time now, Actions& actions) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        UnitIndex unit = deadlines_.begin()->second;
        Time& held_until = units_[unit].refreshing.held_until;
        if (held_until <= now) held_until = kNever;
        set_deadline(unit, kNever);
        mark(unit);
    }
    drain(now, actions);
    runs_.deadline(now, actions);
    switch (settle_.poll(now)) {
        case Settle::Answer::NotYet: break;
        case Settle::Answer::AskModules:
            settle_.modules(true, now);  // not again before the answer, or a second
            actions.push_back(LookAtModules{});
            break;
        case Settle::Answer::Late:
            actions.push_back(Report{Report::Level::Warning, "",
                                     "not at rest yet, but it is late: calling the machine settled all the same"});
            report_settled(now, actions);
            break;
    }
}

void Planner::set_deadline(UnitIndex unit, Time deadline) {
    Managed& m = units_[unit];
    deadline = std::min(deadline, m.refreshing.held_until);
    if (m.deadline == deadline) return;
    if (m.deadline != kNever) deadlines_.erase({m.deadline, unit});
    m.deadline = deadline;
    if (deadline != kNever) deadlines_.insert({deadline, unit});
}

// Circles of units were refused at load, so every round moves something for the last time; the bound
// is for the bug that we have not thought of, and says so.
void Planner::drain(Time now, Actions& actions) {
    if (held_) return;
    for (UnitIndex unit : kept_) pend(unit);  // it may be over
    size_t steps = 0;
    auto first = [](std::deque<UnitIndex>& line) {
        UnitIndex unit = line.front();
        line.pop_front();
        return unit;
    };
    while (true) {
        if (!comings_.empty()) {
            take_in_devices(now, actions);
        } else if (graph_.is_stale()) {
            build_graph();  // once for all that came
        } else if (!asks_.empty()) {
            Ask ask = std::move(asks_.front());
            asks_.pop_front();
            apply(ask.unit, UnitEvent::Asked, ask.reason, now, actions);
        } else if (!owing_.empty()) {
            pay(first(owing_), now, actions);
        } else if (!queue_.empty()) {
            UnitIndex unit = first(queue_);
            units_[unit].dirty = false;
            reconsider(unit, now, actions);
        } else if (!begin_.empty()) {
            begin_or_wait(first(begin_), now, actions);
        } else {
            return;
        }
        if (++steps <= 16 * (units_.size() + graph_.links() + 1)) continue;
        actions.push_back(Report{Report::Level::Error, "",
                                 "units keep moving each other without end; leaving them as they are (this is a bug)"});
        for (UnitIndex left : queue_) units_[left].dirty = false;
        for (UnitIndex left : begin_) units_[left].pending = false;
        queue_.clear();
        begin_.clear();
        asks_.clear();
        owing_.clear();
        comings_.clear();
    }
}

void Planner::reconsider(UnitIndex index, Time now, Actions& actions) {
    if (world_.going_down) return;  // whatever goes now goes with the machine
    Managed& m = units_[index];
    if (m.vacant) return;
    look_at_devices(index, now, actions);
    Time of_boot = look_at_boot_if(index, now, actions);
    if (m.orphaned || m.unit->condition_kind == ConditionKind::None) {
        if (m.retry_at <= now) retry_if_due(index, Truth::True, now, actions);
        bool held = m.is_held_back() && m.held_until > now;
        bool paused = m.retry_at != kNever;
        if (m.is_held_back() && !held && !paused) pend(index);
        return set_deadline(index, std::min(of_boot, paused ? m.retry_at : held ? m.held_until : kNever));
    }
    SavedUnit before = m.saved();
    Memory memory_before = m.memory;
    Verdict v = evaluate(m.unit->condition, world_, now, m.memory);
    if (m.instance) v.truth = both(v.truth, is_there(world_, m.unit->for_each->devices, m.instance->device));
    save_latches(m, m.unit->condition, memory_before, m.memory, actions);
    if (v.truth != Truth::Unknown) m.memory.resumed = false;
    if (m.now == Truth::Unknown && v.truth != Truth::Unknown)
        for (UnitIndex owes : std::exchange(unpaid_, {})) owing_.push_back(owes);
    m.now = v.truth;
    m.was_true |= v.truth == Truth::True;
    m.witness = v.witness;
    Time ask_again = std::min(v.deadline, of_boot);

    bool stop_edge = false;
    if (m.unit->stop_when) {
        Memory stop_before = m.stop_memory;
        Verdict stop = evaluate(*m.unit->stop_when, world_, now, m.stop_memory);
        save_latches(m, *m.unit->stop_when, stop_before, m.stop_memory, actions);
        ask_again = std::min(ask_again, stop.deadline);
        stop_edge = stop.truth == Truth::True && m.stop_verdict != Truth::True;
        if (stop.truth != Truth::Unknown) m.stop_verdict = stop.truth;
    }
    bool edge = v.truth == Truth::True && m.verdict != Truth::True;
    if (v.truth == Truth::False && m.verdict == Truth::True) note_loss(m, now);
    if (v.truth != Truth::Unknown) m.verdict = v.truth;
    if (m.retry_at != kNever && !stop_edge) retry_if_due(index, v.truth, now, actions);
    else if (m.is_held_back() && m.job == 0 && !stop_edge) reconsider_held_back(index, v.truth, now, actions);
    bool lost = lost_for_good(m, v.truth, now);
    Time held_until = m.is_held_back() && m.held_until > now ? m.held_until : kNever;
    Time retry_at = m.retry_at > now ? m.retry_at : kNever;
    set_deadline(index, std::min({ask_again, m.loss_due, held_until, retry_at}));

    // An explicit stop wins, and asks for a fresh false -> true after it.
    if (stop_edge) {
        apply(index, UnitEvent::StopEdge, "stop-when: " + m.unit->stop_when_text, now, actions);
    } else if (edge && m.stop_verdict != Truth::True) {
        apply(index, UnitEvent::Edge, m.unit->condition_text, now, actions);
    } else if (lost) {
        apply(index, UnitEvent::Loss, "no longer: " + m.unit->condition_text, now, actions);
    }
    if (m.unit->if_never) consider_never(index, now, actions);
    if (m.saved() != before) {
        // apply() has saved it, unless nothing but a verdict moved.
        if (m.state == UnitState{before.wanted, before.actual, before.hold, before.again} &&
            m.job == before.job)
            actions.push_back(Record{m.saved()});
    }
    settle_instance(index, now, actions);
}

// A `while` that is definitely false, for as long as its linger says. Also after a restart, where the
// loss may have come while nobody looked.
bool Planner::lost_for_good(Managed& m, Truth truth, Time now) {
    bool running = m.unit->condition_kind == ConditionKind::While && m.state.wanted == Wanted::Up &&
                   m.state.hold != Hold::Up;
    if (!running || truth == Truth::True) {
        m.loss_due = kNever;
        m.loss_left.reset();
        return false;
    }
    if (truth == Truth::Unknown) {
        if (m.loss_due != kNever) m.loss_left = m.loss_due - now;
        m.loss_due = kNever;
        return false;
    }
    if (m.loss_due == kNever) m.loss_due = now + m.loss_left.value_or(m.unit->linger);
    if (now < m.loss_due) return false;
    m.loss_due = kNever;
    m.loss_left.reset();
    return true;
}

void Planner::save_latches(const Managed& m, const Condition& condition, const Memory& before,
                           const Memory& after, Actions& actions) {
    each_leaf(condition, [&](const Condition& leaf) {
        if (leaf.kind != Condition::Kind::Device || leaf.device.quantifier != Quantifier::First) return;
        auto latch = [&](const Memory& memory) -> std::optional<Witness> {
            return leaf.slot < memory.slots.size() ? memory.slots[leaf.slot].latch : std::nullopt;
        };
        std::optional<Witness> won = latch(after);
        if (won && !latch(before))
            actions.push_back(Record{SavedLatch{m.unit->name, to_string(leaf.device), *won, false}});
    });
}

}  // namespace devmux
