// The memory of a former engine in, and that of units whose file is back.
#include <utility>

#include "engine/plan/latches.h"
#include "engine/plan/planner.h"

namespace devmux {
namespace {

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

}  // namespace

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
    look_again(actions);
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
    if (m.unit->is_run_by_devices()) m.state = {.hold = saved.hold};
    bool under_way = (saved.actual == Actual::Starting || saved.actual == Actual::Stopping) && !m.unit->is_run_by_devices();
    auto mark = state.marks.find(saved.job);
    bool has_run = under_way && mark != state.marks.end() && !state.ended.contains(saved.job);
    bool stands = saved.actual == Actual::Active || saved.actual == Actual::Stopping || has_run;
    if (std::string why = stands ? m.keep_script(saved.script) : ""; !why.empty())
        actions.push_back(Report{Report::Level::Info, m.unit->name, why});
    m.asker = saved.asker;
    m.owed = saved.owed;
    m.forced = saved.forced;
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
    if (!under_way) return;
    if (has_run) {
        m.job = saved.job;
        jobs_[m.job] = index;
        actions.push_back(Report{Report::Level::Info, m.unit->name,
                                 "was " + std::string(to_string(saved.actual)) +
                                     " when the engine went; watching it to its end"});
        bool starts = saved.actual == Actual::Starting;
        const auto pid = static_cast<unsigned>(mark->second.pid);
        bool foreign = starts && (saved.asker == Asker::Boot || (m.script == pid && m.script_at == mark->second.at));
        if (starts) m.script = pid, m.script_at = mark->second.at;
        // Of an instance `status` is asked about its device.
        RunJob asked{.job = saved.job, .unit = starts ? m.unit : nullptr};
        if (starts) set_job_of_instance(asked, m);
        if (!asked.error.empty()) asked.unit = nullptr;
        actions.push_back(AdoptJob{m.job, m.unit->name, mark->second.pid, mark->second.at, asked.unit, foreign});
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
