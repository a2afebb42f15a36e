// Configurations in, and the memory of a former engine in.
#include <utility>

#include "conditions/text.h"
#include "engine/plan/planner.h"

namespace devmux {
namespace {

void restore_latches(const Condition& condition, const std::string& unit,
                     const std::vector<SavedLatch>& latches, Memory& memory) {
    each_leaf(condition, [&](const Condition& leaf) {
        if (leaf.kind != Condition::Kind::Device || leaf.device.quantifier != Quantifier::First) return;
        std::string text = to_string(leaf.device);
        for (const SavedLatch& latch : latches) {
            if (latch.unit != unit || latch.leaf != text) continue;
            if (memory.slots.size() <= leaf.slot) memory.slots.resize(leaf.slot + 1);
            memory.slots[leaf.slot].latch = latch.winner;
        }
    });
}

// Latches of the old condition, as they would have been saved.
std::vector<SavedLatch> latches_of(const Unit& unit, const Condition& condition, const Memory& memory) {
    std::vector<SavedLatch> out;
    each_leaf(condition, [&](const Condition& leaf) {
        if (leaf.kind == Condition::Kind::Device && leaf.slot < memory.slots.size() &&
            memory.slots[leaf.slot].latch)
            out.push_back({unit.name, to_string(leaf.device), *memory.slots[leaf.slot].latch, false});
    });
    return out;
}

// A start that another unit asked for, and that was not begun.
bool waits_to_be_asked(const SavedUnit& unit, const SavedState& state) {
    bool begun = unit.actual == Actual::Starting && state.marks.contains(unit.job);
    return unit.asker == Asker::Unit && unit.wanted == Wanted::Up && !begun &&
           (unit.actual == Actual::Waiting || unit.actual == Actual::Starting);
}

// The same unit, as if nobody had asked.
SavedUnit at_rest(SavedUnit unit) {
    bool was_done = unit.actual == Actual::Waiting && unit.again;
    unit.actual = was_done ? Actual::Done : Actual::Waiting;
    unit.wanted = Wanted::Down;
    unit.again = false;
    unit.job = 0;
    return unit;
}

// One unit, a unit with instances, or one of these.
bool same_kind(const Managed& m, const Unit& fresh) {
    return !m.instance && m.unit->is_template() == fresh.is_template();
}

bool runs(const Managed& m) {
    return m.job != 0 || m.state.actual == Actual::Active || m.state.actual == Actual::Starting ||
           m.state.actual == Actual::Stopping;
}

}  // namespace

void Planner::use(std::shared_ptr<const Configuration> configuration, Time now, Actions& actions,
                  const SavedState* saved) {
    std::deque<Managed> old = std::exchange(units_, {});
    jobs_.clear();
    auto old_names = std::exchange(by_name_, {});
    configuration_ = std::move(configuration);
    watchers_ = {};
    event_watchers_ = {};
    for_each_watchers_ = {};
    places_.clear();
    at_.clear();
    comings_.clear();
    queue_.clear();
    begin_.clear();
    for_slot_.clear();
    unpaid_.clear();
    deadlines_.clear();
    std::vector<DeviceChange> changes;
    world_.table.use(configuration_->classes, changes);

    auto take_in = [&](Managed m) {
        auto index = static_cast<UnitIndex>(units_.size());
        if (m.job) jobs_[m.job] = index;
        if (m.daemon) jobs_[m.daemon] = index;
        if (m.refreshing.job) jobs_[m.refreshing.job] = index;
        bool by_condition = m.asker == Asker::Condition;
        if (m.is_held_back() && by_condition && m.unit->condition_kind == ConditionKind::None) {
            m.state = next(m.state, UnitEvent::Loss, m.kind()).state;
            m.retry_at = kNever;
        }
        m.dirty = m.pending = false;
        m.deadline = kNever;
        by_name_[m.unit->name] = index;
        if (auto of = m.instance && !m.orphaned ? find(m.unit->of) : std::nullopt) places_[*of].push_back(index);
        units_.push_back(std::move(m));
        if (units_.back().instance) attach(index);
        if (!units_.back().orphaned) watch(index);
        mark(index);
    };
    // A running unit that is of another kind now keeps its name until it has stopped.
    std::set<std::string, std::less<>> kept;
    for (const auto& [name, index] : old_names) {
        auto fresh = configuration_->units.find(name);
        if (fresh == configuration_->units.end() || same_kind(old[index], *fresh->second)) continue;
        if (runs(old[index])) kept.insert(name);
        else old[index].unit.reset();
    }
    auto carry = [](Managed& m, const std::shared_ptr<const Unit>& unit) {
        const std::string& name = unit->name;
        if (m.unit) {
            // A verdict is about the unit, not about the wording: a reload that only says better what
            // was true already starts nothing. Latches go over by what their leaf says, clocks of
            // `for` where the whole condition is the same.
            if (m.unit->condition_text != unit->condition_text) {
                auto latches = latches_of(*m.unit, m.unit->condition, m.memory);
                m.memory = {};
                m.memory.resumed = m.verdict == Truth::True;
                restore_latches(unit->condition, name, latches, m.memory);
            }
            if (m.unit->stop_when_text != unit->stop_when_text) {
                auto latches = m.unit->stop_when ? latches_of(*m.unit, *m.unit->stop_when, m.stop_memory)
                                                 : std::vector<SavedLatch>{};
                m.stop_memory = {};
                if (unit->stop_when) restore_latches(*unit->stop_when, name, latches, m.stop_memory);
            }
            if (!unit->stop_when) m.stop_verdict = Truth::False;
            if (m.unit->boot_if_text != unit->boot_if_text) {
                m.boot_memory = {};
                m.boots = Truth::Unknown;
            }
        }
        std::shared_ptr<const Unit> before = std::exchange(m.unit, unit);
        carry_refresh(m, before.get());
        m.orphaned = false;
    };
    for (const auto& [name, unit] : configuration_->units) {
        if (kept.contains(name)) continue;
        Managed m;
        m.since = now;
        auto was = old_names.find(name);
        bool is_back = was == old_names.end() || !old[was->second].unit;
        if (!is_back) m = std::move(old[was->second]);
        m.crowded = false;
        carry(m, unit);
        take_in(std::move(m));
        // It was here before, in this boot: what it did then it has done.
        if (auto it = absent_.never.find(name); is_back && it != absent_.never.end()) {
            units_.back().was_true = it->second.was_true;
            units_.back().never = it->second.acted;
        }
        if (auto it = absent_.units.find(name); is_back && it != absent_.units.end()) {
            SavedUnit was = std::move(it->second);
            absent_.units.erase(it);
            UnitIndex index = by_name_.find(name)->second;
            restore_unit(units_[index], index, was, absent_, now, actions);
        }
    }
    for (const auto& [name, index] : old_names) {
        Managed& m = old[index];
        if (!m.unit || m.unit->is_template() || (configuration_->units.contains(name) && !kept.contains(name))) continue;
        auto of = m.instance ? find(m.unit->of) : std::nullopt;
        if (of && units_[*of].unit->is_template() && !kept.contains(name)) {
            carry(m, instance_unit(*units_[*of].unit, name));
            take_in(std::move(m));
            continue;
        }
        if (!runs(m)) {
            if (m.instance) absent_.instances[name] = {name, m.unit->of, m.instance->device, m.instance->last};
            absent_.units[name] = m.saved();
            absent_.never[name] = {name, m.was_true, m.never};
            for (SavedLatch& latch : latches_of(*m.unit, m.unit->condition, m.memory))
                absent_.latches.push_back(std::move(latch));
            continue;
        }
        m.orphaned = true;
        actions.push_back(Report{Report::Level::Warning, name,
                                 orphan_text(m) + ", its service runs on: devmux stop " + name + " stops it"});
        take_in(std::move(m));
    }
    auto left = absent_.instances;
    restore_instances(absent_, now);
    for (const auto& [name, instance] : left) {
        auto was = absent_.units.find(name);
        if (absent_.instances.contains(name) || was == absent_.units.end()) continue;
        SavedUnit state = std::move(was->second);
        absent_.units.erase(was);
        UnitIndex index = by_name_.find(name)->second;
        restore_unit(units_[index], index, state, absent_, now, actions);
    }
    forget_units_that_went();
    // The first picture is not there yet: what holds by memory alone (a latch) waits for it, so that a
    // start knows the device that it is for.
    build_graph();
    if (saved) return restore(*saved, now, actions);
    line_up();
    for (UnitIndex i = 0; i < units_.size(); ++i)
        if (units_[i].unit->is_template()) look_for_devices(i);
    drain(now, actions);
    // An each-event unit that is new, or means more devices than before, is run for those that are
    // there, as at the start. Which were handled is known.
    world_.table.each([&](const Device& d) {
        run_event(d, {.action = "add", .block = d.block(), .at = now}, world_.table.awaits_udev() && !d.ready(),
                  now, actions);
    });
}

// To whom `then` or `on-failure` is owed. The engine may have been killed between the record of who was asked
// and that of who asked: then the latter asks once more, and the former must not start by itself as well.
std::set<UnitIndex> Planner::creditors_of(const SavedState& saved) const {
    std::set<UnitIndex> out;
    for (const auto& [name, unit] : saved.units) {
        auto index = unit.owed == Owed::Nothing ? std::nullopt : find(name);
        if (!index) continue;
        const UnitNode& node = graph_.of(*index);
        const auto& creditors = unit.owed == Owed::Then ? node.then : node.on_failure;
        out.insert(creditors.begin(), creditors.end());
    }
    return out;
}

void Planner::restore(const SavedState& saved, Time now, Actions& actions) {
    last_job_ = std::max(last_job_, saved.last_job);
    world_.going_down = saved.going_down;
    runs_.hold(saved.going_down);
    if (saved.settled) {
        settle_.restore();
        world_.settled = true;
    }
    for (const SavedRun& run : saved.runs) {
        auto mark = saved.marks.find(run.job);
        bool ran = mark != saved.marks.end();
        bool ended = saved.ended.contains(run.job);
        // Asked for, and never run: the walk will find the device, and run it then.
        if (!ran && !ended) continue;
        handled_[{run.devpath, run.unit}] = run.generation;
        if (ran && !ended) runs_.adopt(run, mark->second, now, actions);
    }
    for (const auto& [name, never] : saved.never)
        if (auto index = find(name)) {
            units_[*index].was_true = never.was_true;
            units_[*index].never = never.acted;
        }
    absent_.instances = saved.instances;
    restore_instances(absent_, now);
    build_graph();
    std::set<UnitIndex> owed = creditors_of(saved);
    for (const auto& [name, unit] : saved.units) {
        if (auto index = find(name); index && !units_[*index].unit->is_template()) {
            bool twice = owed.contains(*index) && waits_to_be_asked(unit, saved);
            restore_unit(units_[*index], *index, twice ? at_rest(unit) : unit, saved, now, actions);
            continue;
        }
        absent_.units[name] = unit;  // until its file is there, and good, again
        // Boot runs scripts of which there was no unit at all.
        if (unit.wanted == Wanted::Up && unit.asker != Asker::Boot)
            actions.push_back(Report{Report::Level::Warning, name,
                                     "was " + std::string(to_string(unit.actual)) + " under a former engine; its "
                                     "file is gone or broken, and its service is left alone"});
    }
    absent_.latches = saved.latches;
    absent_.marks = saved.marks;
    absent_.ended = saved.ended;
    absent_.daemons = saved.daemons;
    absent_.refreshes = saved.refreshes;
    absent_.never = saved.never;
    absent_.claims = saved.claims;
    line_up();
}

void Planner::restore_unit(Managed& m, UnitIndex index, const SavedUnit& saved, const SavedState& state,
                           Time now, Actions& actions) {
    restore_latches(m.unit->condition, m.unit->name, state.latches, m.memory);
    if (m.unit->stop_when) restore_latches(*m.unit->stop_when, m.unit->name, state.latches, m.stop_memory);
    m.verdict = saved.verdict;
    m.memory.resumed = saved.verdict == Truth::True;
    m.stop_verdict = m.unit->stop_when ? saved.stop_verdict : Truth::False;
    m.state = {saved.wanted, saved.actual, saved.hold, saved.again};
    // What was noted of a script before its file was there: such a unit has no start of its own.
    bool starts_nothing = m.unit->each_event || m.unit->is_template();
    if (starts_nothing) m.state = {.hold = saved.hold};
    m.asker = saved.asker;
    m.owed = saved.owed;
    m.up_reason = saved.asker == Asker::Hand   ? "by hand"
                  : saved.asker == Asker::Unit ? "asked for by another unit"
                  : saved.asker == Asker::Boot ? "started by the boot sequence"
                  : saved.asker == Asker::Never ? "its condition had not been true when the machine had settled"
                                               : m.unit->condition_text;
    m.since = now;
    if (saved.actual == Actual::Failed) m.last_end = "its last job failed, under a former engine";
    // It was held back, or waited: what the condition asked for, it asks for again.
    if (m.is_held_back() && !m.asked_by_others()) {
        m.state = next(m.state, UnitEvent::Loss, m.kind()).state;
        m.verdict = Truth::False;
    }
    if (auto claim = state.claims.find(saved.unit); claim != state.claims.end()) {
        m.script = static_cast<unsigned>(claim->second.pid);
        m.script_at = claim->second.started;
    }
    restore_refresh(index, state, actions);
    if (restore_daemon(index, saved, state, now, actions)) return;
    bool under_way = saved.actual == Actual::Starting || saved.actual == Actual::Stopping;
    if (!under_way || starts_nothing) return;
    if (auto mark = state.marks.find(saved.job); mark != state.marks.end() && !state.ended.contains(saved.job)) {
        m.job = saved.job;
        jobs_[m.job] = index;
        actions.push_back(Report{Report::Level::Info, m.unit->name,
                                 "was " + std::string(to_string(saved.actual)) +
                                     " when the engine went; watching it to its end"});
        bool starts = saved.actual == Actual::Starting;
        const auto pid = static_cast<unsigned>(mark->second.pid);
        bool foreign = starts && (saved.asker == Asker::Boot || (m.script == pid && m.script_at == mark->second.at));
        if (starts) m.script = pid, m.script_at = mark->second.at;
        actions.push_back(AdoptJob{m.job, m.unit->name, mark->second.pid, mark->second.at, starts ? m.unit : nullptr, foreign});
        return;
    }
    // It was asked for and never ran. What the condition asked for, it asks for again once it is known
    // to hold still: the verdict goes back, so that this is an edge. A person's word stands.
    m.state.again = false;
    if (saved.actual == Actual::Starting) {
        m.state.actual = Actual::Waiting;
        m.state.wanted = Wanted::Down;
        bool by_hand = saved.asker == Asker::Hand ||
                       (saved.asker == Asker::Nobody && (saved.hold == Hold::Up || saved.verdict != Truth::True));
        if (saved.wanted == Wanted::Up && saved.asker == Asker::Unit)
            apply(index, UnitEvent::Asked, m.up_reason, now, actions);
        else if (saved.wanted == Wanted::Up && saved.asker == Asker::Never)
            apply(index, UnitEvent::Never, m.up_reason, now, actions);
        else if (by_hand && saved.wanted == Wanted::Up)
            apply(index, UnitEvent::HandStart, "by hand, when the engine went", now, actions);
        else if (saved.wanted == Wanted::Up) m.verdict = Truth::False;
    } else {
        m.state.actual = Actual::Active;
        m.state.wanted = Wanted::Up;
        m.stop_verdict = Truth::False;
        if (saved.hold == Hold::Down)
            apply(index, UnitEvent::HandStop, "by hand, when the engine went", now, actions);
        else if (saved.again && saved.wanted == Wanted::Up)
            apply(index, UnitEvent::Refresh, "to be restarted, when the engine went", now, actions);
    }
}

}  // namespace devmux
