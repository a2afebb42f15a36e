// Links that carry / or /usr (carriers.h): whom it concerns that they are others now, and which units are not
// stopped, since that would take such a link down and leave the machine without what it lives on.
#include "engine/plan/can_reload.h"
#include "engine/plan/planner.h"

namespace devmux {
namespace {

const std::string kUntold = "held";  // since units were taken over: told as soon as they are looked at

}  // namespace

void Planner::carriers_changed(Time now, Actions& actions) {
    for (UnitIndex unit : watchers_.asking_carriers()) {
        if (units_[unit].unit->is_template()) look_for_devices(unit);
        mark(unit);
    }
    std::set<std::string> devices;
    for (const auto& [key, runs] : waiting_runs_) devices.insert(key.first);
    for (const std::string& devpath : devices)
        if (const Device* device = world_.table.find(devpath)) look_at_link(*device, now, actions);
}

// Whether it carries something may be known now: who may have an instance for it, and what events wait for that.
void Planner::look_at_link(const Device& device, Time now, Actions& actions) {
    if (watchers_.asking_carriers().empty()) return;
    for (UnitIndex unit : watchers_.asking_carriers())
        if (units_[unit].unit->is_template()) comings_.insert({unit, std::string(device.devpath())});
    run_waiting(device, [](const DeviceRun& run) { return !run.for_udev; }, false, now, actions);
}

// With it go those that run and cannot do without it, and those that cannot do without them.
std::vector<UnitIndex> Planner::going_with(UnitIndex unit) const {
    std::vector<UnitIndex> out{unit};
    std::set<UnitIndex> seen{unit};
    for (size_t i = 0; i < out.size(); ++i)
        for (UnitIndex u : graph_.of(out[i]).dependents)
            if (units_[u].is_on() && needs(u, out[i]) && seen.insert(u).second) out.push_back(u);
    return out;
}

TakenDown Planner::taken_down_with(UnitIndex unit) const {
    TakenDown out;
    if (!world_.may_be_carried()) return out;
    for (UnitIndex u : going_with(unit)) {
        if (units_[u].state.actual == Actual::Done) continue;  // nothing of it runs: those that require it do
        TakenDown one = taken_down(units_[u], world_, *configuration_->classes);
        if (u != unit) one.unit = units_[u].unit->name;
        if (one.truth > out.truth) out = std::move(one);
    }
    return out;
}

std::string Planner::refusal(UnitIndex index, UnitEvent event) const {
    const Managed& m = units_[index];
    bool stop = event == UnitEvent::HandStop, reload = event == UnitEvent::Refresh;
    if (!stop && event != UnitEvent::HandRestart && (!reload || can_reload(m.unit->service))) return "";
    if (reload && !m.kept.empty()) return m.kept + ", and it cannot be reloaded, but only restarted";
    // A stop leaves done what was done; a restart takes it from those that require it.
    bool ends = m.is_on() || (m.state.actual == Actual::Failed && !m.unit->task) || (m.state.actual == Actual::Done && !stop);
    if (!ends) return "";
    TakenDown taken = taken_down_with(index);
    if (taken.truth == Truth::False) return "";
    const char* would = taken.truth == Truth::True ? " would" : " might";
    return taken.text() + ": " + (stop ? "stopping " : "restarting ") + m.unit->name +
           (taken.unit.empty() ? would : " would stop " + taken.unit + ", which requires it, and" + (taken.truth == Truth::True ? "" : would)) +
           " leave this machine without it";
}

// What is to stop, and not by a person's word: true where it is kept, which is told once.
bool Planner::keep(UnitIndex index, Actions* actions) {
    Managed& m = units_[index];
    TakenDown taken = m.forced ? TakenDown{} : taken_down_with(index);
    if (taken.truth == Truth::False) {
        bool was = !m.kept.empty();
        keep_no_more(index);
        if (was && graph_.has(index)) lose(index);
        return false;
    }
    std::string text = "held: " + taken.text() + (taken.unit.empty() ? "" : ", and " + taken.unit + " requires this unit");
    std::string before = m.kept;
    if (actions || before.empty()) m.kept = actions ? text : kUntold;
    kept_.insert(index);
    if (before.empty()) pend_neighbours(index);
    if (!actions || before == text) return true;
    if (before.empty() || before == kUntold)
        actions->push_back(Report{Report::Level::Warning, m.unit->name,
                                  "not stopped, " + text + " (devmux stop --force " + m.unit->name + " does it all the same)"});
    actions->push_back(UnitChanged{m.unit->name});
    return true;
}

void Planner::keep_no_more(UnitIndex index) {
    units_[index].kept.clear();
    kept_.erase(index);
}

}  // namespace devmux
