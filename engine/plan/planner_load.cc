// Configurations in. What a former engine has left is taken up in planner_restore.cc.
#include <algorithm>
#include <utility>

#include "engine/model/unit_file.h"
#include "engine/plan/latches.h"
#include "engine/plan/planner.h"

namespace devmux {
namespace {

// One unit, a unit with instances, or one of these.
bool same_kind(const Managed& m, const Unit& fresh) {
    return !m.instance && m.unit->is_template() == fresh.is_template();
}

// A job of it runs, or its service does: it cannot be forgotten, or be another unit, before that is over.
bool is_engaged(const Managed& m) {
    return m.job != 0 || !m.is_still();
}

}  // namespace

// What was not installed may be so by now: it is looked for again, and who failed because it requires that tries
// again with it, where that leads to a start. A unit that nobody but others asks for is asked by those.
void Planner::look_again(Actions& actions) {
    std::vector<UnitIndex> missed;
    for (UnitIndex i = 0; i < units_.size(); ++i)
        if (units_[i].state.actual == Actual::Absent) missed.push_back(i);
    std::set<UnitIndex> known(missed.begin(), missed.end());
    for (size_t i = 0; i < missed.size(); ++i) {
        const UnitIndex missing = missed[i];
        for (UnitIndex u : graph_.of(missing).dependents) {
            const Managed& m = units_[u];
            bool failed = m.state.actual == Actual::Failed && !m.state.again;
            auto is_missed = [&](const Need& need) {
                return std::ranges::count(need.units, missing) > 0 && !stands(need);
            };
            if (failed && std::ranges::any_of(graph_.of(u).required, is_missed) && known.insert(u).second) missed.push_back(u);
        }
    }
    // Who failed is recorded before that for which it did: killed in between, the next engine finds both again.
    std::reverse(missed.begin(), missed.end());
    for (UnitIndex u : missed) {
        Managed& m = units_[u];
        if (m.state.actual != Actual::Absent && !m.asks_again()) continue;
        bool never = m.never;
        m.look_again();
        if (m.never != never) actions.push_back(Record{SavedNever{m.unit->name, m.was_true, m.never}});
        actions.push_back(Record{m.saved()});
    }
}

void Planner::watch(UnitIndex index) {
    const Unit& unit = *units_[index].unit;
    // Nobody asks its condition any more, and what its stop takes down matters still.
    if (units_[index].orphaned) {
        if (may_take_down(unit, *configuration_->classes)) watchers_.add_taking_down(index);
        return;
    }
    if (units_[index].instance) return;  // the unit of which it is one stands for all of them
    auto add = [&](const Condition& leaf) {
        bool it = leaf.kind == Condition::Kind::Device && leaf.device.quantifier == Quantifier::It;
        if (it && is_of_links(leaf.device.state)) watchers_.add(kAnyLink, index);
        if (it && asks_what_it_carries(leaf.device)) watchers_.add_carriers(index);
        if (it) return;  // each instance is found by its device
        if (leaf.kind == Condition::Kind::Device) watchers_.add(leaf.device, index);
        else if (leaf.kind == Condition::Kind::Fact) watchers_.add(leaf.fact, index);
    };
    if (unit.condition_kind != ConditionKind::None) each_leaf(unit.condition, add);
    if (unit.stop_when) each_leaf(*unit.stop_when, add);
    if (unit.boot_if) each_leaf(*unit.boot_if, add);
    for (const std::string& name : unit.links.required)
        if (stands_for_mounts(name)) watchers_.add(FactKey{FactKind::Mounted, name}, index);
        else if (stands_for_network(name)) watchers_.add(kNetworkFacility, index);
    if (unit.refresh) watchers_.add(*unit.refresh, index);
    if (unit.for_each) for_each_watchers_.add(unit.for_each->devices, index);
    if (unit.each_event) event_watchers_.add(unit.each_event->devices, index);
    if ((unit.for_each && asks_what_it_carries(unit.for_each->devices)) ||
        (unit.each_event && asks_what_it_carries(unit.each_event->devices)))
        watchers_.add_carriers(index);
    if (may_take_down(unit, *configuration_->classes)) watchers_.add_taking_down(index);
}

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
    kept_.clear();
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
        if (!m.kept.empty()) kept_.insert(index);
        by_name_[m.unit->name] = index;
        if (auto of = m.instance && !m.orphaned ? find(m.unit->of) : std::nullopt) places_[*of].push_back(index);
        units_.push_back(std::move(m));
        if (units_.back().instance) attach(index);
        watch(index);
        mark(index);
    };
    // A running unit that is of another kind now keeps its name until it has stopped.
    std::set<std::string, std::less<>> kept;
    for (const auto& [name, index] : old_names) {
        auto fresh = configuration_->units.find(name);
        if (fresh == configuration_->units.end() || same_kind(old[index], *fresh->second)) continue;
        if (is_engaged(old[index])) kept.insert(name);
        else old[index].unit.reset();
    }
    auto carry = [&actions](Managed& m, const std::shared_ptr<const Unit>& unit) {
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
        bool same_choice = before && before->service.chosen_by == unit->service.chosen_by;
        m.chosen = nullptr;
        if (std::string why = is_engaged(m) && same_choice ? m.keep_script(before->service.init_script) : ""; !why.empty())
            actions.push_back(Report{Report::Level::Info, name, why});
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
        if (of && units_[*of].unit->is_template() && !kept.contains(name) && !configuration_->masked.contains(name)) {
            carry(m, instance_unit(*units_[*of].unit, name));
            take_in(std::move(m));
            continue;
        }
        if (!is_engaged(m)) {
            if (m.instance) absent_.instances[name] = {name, m.unit->of, m.instance->device, m.instance->last};
            absent_.units[name] = m.saved();
            absent_.never[name] = {name, m.was_true, m.never};
            for (SavedLatch& latch : latches_of(*m.unit, m.unit->condition, m.memory))
                absent_.latches.push_back(std::move(latch));
            continue;
        }
        m.orphaned = true;
        // Its terms in the classes of now; of a class that has gone there is no device.
        auto now_in = rebind(*m.unit, *configuration_->classes);
        if (now_in.unit) m.unit = now_in.unit;
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
    look_again(actions);
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

}  // namespace devmux
