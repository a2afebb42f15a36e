// See planner_checkpoint.h: the planner, out and in.
#include "engine/plan/planner_checkpoint.h"

#include "engine/plan/planner.h"

namespace devmux {

PlannerCheckpoint Planner::checkpoint() const {
    PlannerCheckpoint out;
    out.units = units_;
    out.queue = queue_;
    out.begin = begin_;
    out.for_slot.assign(for_slot_.begin(), for_slot_.end());
    for (const auto& [unit, devpath] : comings_) out.comings.push_back({units_[unit].unit->name, devpath});
    out.runs = runs_.checkpoint();
    for (const auto& [key, generation] : handled_) out.handled.push_back({key.second, key.first, generation});
    for (const auto& [key, runs] : waiting_runs_)
        for (const DeviceRun& r : runs)
            out.waiting.push_back({key.second, key.first, r.action, r.block, r.seqnum, r.synthetic, r.for_udev, r.at});
    for (const auto& [key, seqnum] : ran_upto_) out.ran_upto.push_back({key.second, key.first, seqnum});
    out.absent = absent_;
    out.settle = settle_.checkpoint();
    out.held = held_;
    out.last_job = last_job_;
    return out;
}

void Planner::restore(std::shared_ptr<const Configuration> configuration, const PlannerCheckpoint& from) {
    configuration_ = std::move(configuration);
    units_ = from.units;
    for (UnitIndex i = 0; i < units_.size(); ++i) {
        Managed& m = units_[i];
        auto of = find(m.unit->of);
        if (of && !m.orphaned) places_[*of].push_back(i);
        if (m.instance) attach(i);
        if (!m.vacant) by_name_[m.unit->name] = i;
        if (m.job) jobs_[m.job] = i;
        if (m.daemon) jobs_[m.daemon] = i;
        if (m.refreshing.job) jobs_[m.refreshing.job] = i;
        if (!m.vacant) watch(i);
        if (!m.kept.empty()) kept_.insert(i);
        if (m.deadline != kNever) deadlines_.insert({m.deadline, i});
        m.dirty = m.pending = false;
        starting_ += m.takes_place();
        if (m.owed != Owed::Nothing) unpaid_.insert(i);
    }
    build_graph();
    for (UnitIndex unit : from.queue)
        if (unit < units_.size()) mark(unit);
    for (UnitIndex unit : from.begin)
        if (unit < units_.size()) pend(unit);
    for (UnitIndex unit : from.for_slot)
        if (unit < units_.size()) for_slot_.insert(unit);
    for (const auto& c : from.comings)
        if (auto unit = find(c.unit); unit && units_[*unit].unit->is_template()) comings_.insert({*unit, c.devpath});
    runs_.restore(from.runs);
    runs_.hold(world_.going_down);
    for (const auto& h : from.handled) handled_[{h.devpath, h.unit}] = h.generation;
    for (const auto& w : from.waiting) {
        waiting_runs_[{w.devpath, w.unit}].push_back({w.action, w.block, w.seqnum, w.synthetic, w.for_udev, w.at});
        if (w.for_udev) for_udev_since_.insert(w.at);
    }
    for (const auto& r : from.ran_upto) ran_upto_[{r.devpath, r.unit}] = r.seqnum;
    absent_ = from.absent;
    settle_.restore(from.settle);
    held_ = from.held;
    last_job_ = from.last_job;
}

}  // namespace devmux
