// What init does stands above conditions. An init script runs in its runlevels; when the machine goes down,
// nothing is started, nothing is asked any more, and what init will not stop is stopped, in the order in
// which those that require each other stop. What is stopped so stays wanted: should the runlevel come back,
// it does as well.
#include <utility>

#include "conditions/text.h"
#include "engine/plan/planner.h"

namespace devmux {

// Of an init script; nothing where nothing is known of it.
const ScriptRunlevels* Planner::runlevels_of(const Managed& m) const {
    if (m.unit->service.kind != Service::Kind::InitScript) return nullptr;
    auto it = world_.scripts.find(m.unit->service.init_script);
    return it == world_.scripts.end() ? nullptr : &it->second;
}

// A person may start a script in any runlevel; at the end of the machine nobody starts anything.
Gate Planner::boot_gate(const Managed& m) const {
    if (world_.going_down) return {.kind = Gate::Kind::GoingDown, .name = "the end"};
    if (m.is_left_to_boot() && m.asker != Asker::Hand) return {.kind = Gate::Kind::Boot, .name = "the boot sequence"};
    const ScriptRunlevels* runlevels = runlevels_of(m);
    if (!runlevels || m.asker == Asker::Hand || runlevels->allows(world_.runlevel)) return {};
    return {.kind = Gate::Kind::Runlevel, .name = "a runlevel"};
}

// boot-if. What waited for it to become false is begun, those without a condition as well: another unit may
// have asked for them.
Time Planner::look_at_boot_if(UnitIndex index, Time now, Actions& actions) {
    Managed& m = units_[index];
    if (!m.unit->boot_if) return kNever;
    Verdict v = evaluate(*m.unit->boot_if, world_, now, m.boot_memory);
    if (std::exchange(m.boots, v.truth) != v.truth) {
        pend(index);
        actions.push_back(UnitChanged{m.unit->name});
    }
    return v.deadline;
}

// Whether it is to stop for what init does, if it runs. At the machine's end init stops whatever has a link
// for that, and kills the rest without asking: that is stopped by us.
bool Planner::is_put_down(const Managed& m) const {
    const ScriptRunlevels* runlevels = runlevels_of(m);
    if (!world_.going_down)
        return runlevels && m.asker != Asker::Hand && runlevels->init_stops_in(world_.runlevel);
    bool known = world_.runlevel == "0" || world_.runlevel == "6";
    bool by_init = runlevels && (known ? runlevels->init_stops_in(world_.runlevel)
                                       : runlevels->init_stops_in("0") || runlevels->init_stops_in("6"));
    const Service& service = m.unit->service;
    switch (service.kind) {
        case Service::Kind::InitScript: return !by_init && !m.unit->task;
        case Service::Kind::Command: return !service.stop.empty();
        case Service::Kind::Daemon: return true;
        default: return false;
    }
}

std::string Planner::put_down_text() const {
    return world_.going_down ? "the machine is going down" : "init stops it in runlevel " + world_.runlevel;
}

// Which runlevel it is, what is known of a script, or whether the machine goes down has changed.
void Planner::boot_changed(bool another_runlevel, Time now, Actions& actions) {
    for (const FactKey& fact : watchers_.facts(FactKind::Runlevel))
        watchers_.each_watching(fact, [this](UnitIndex unit) { mark(unit); });
    for (UnitIndex i = 0; i < units_.size(); ++i) {
        Managed& m = units_[i];
        if (m.is_held_back()) mark(i);
        pend(i);
        // A person's start holds as long as the runlevel that it was made in.
        const ScriptRunlevels* runlevels = runlevels_of(m);
        if (another_runlevel && m.asker == Asker::Hand && runlevels && runlevels->init_stops_in(world_.runlevel))
            m.asker = Asker::Condition;
        if (m.state.actual != Actual::Active || m.state.wanted != Wanted::Up || !is_put_down(m)) continue;
        m.yields = true;
        fall_in(i);
        if (graph_.has(i)) lose(i);
    }
    // At the very begin: a picture of no moment that ever was is not evaluated.
    if (world_.table.size() == 0 && !world_.coldplug) return;
    drain(now, actions);
}

void Planner::go_down(bool down, Time now, Actions& actions) {
    if (world_.going_down == down) return;
    world_.going_down = down;
    actions.push_back(Record{SavedGoingDown{down}});
    actions.push_back(Report{Report::Level::Info, "",
                             down ? "the machine is going down: nothing is started any more"
                                  : "the machine does not go down after all"});
    runs_.hold(down);
    if (!down) ask_all();
    runs_.deadline(now, actions);
    boot_changed(false, now, actions);
}

// Nothing is under way any more that the end of the machine should wait for.
bool Planner::is_down() const {
    if (!world_.going_down) return true;
    for (const Managed& m : units_) {
        bool moves = m.state.actual == Actual::Starting || m.state.actual == Actual::Stopping || m.is_leaving();
        if (moves && !m.overdue) return false;
    }
    return true;
}

}  // namespace devmux
