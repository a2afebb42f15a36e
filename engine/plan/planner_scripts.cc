// Init scripts that somebody else runs: the boot sequence, a person, a program of another unit. What they tell
// (devmux guard) counts as what it is: a start, or a stop by hand.
#include "engine/plan/planner.h"

namespace devmux {
namespace {

// Between the start of a process of ours and the mark that it leaves.
constexpr Duration kMarkLater = std::chrono::seconds(10);
constexpr size_t kMostAbsent = 256;  // scripts of boot's whose units are not there

}  // namespace

// It is told of by the guard, by the claim that the guard left where nobody answered, and by that again after
// a crash. What was run under a former engine, whose end it did not see, left no claim that we do not know.
void Planner::script_started(const ScriptStarted& seen, Time now, Actions& actions) {
    auto index = find(seen.unit);
    if (!index) return await_unit_of(seen, actions);
    Managed& m = units_[*index];
    const auto pid = static_cast<unsigned>(seen.pid);
    bool known = m.script == pid && seen.started <= m.script_at && m.script_at - seen.started < kMarkLater;
    if (known || !m.is_still() || m.unit->is_run_by_devices() || m.orphaned) return;
    m.script = pid;
    m.script_at = seen.started;
    let_go(*index, now, actions);
    m.retry_at = kNever;
    m.start_block.clear();
    // What its condition would ask for has been done: that it is true now is no edge.
    m.verdict = Truth::True;
    m.was_true = true;
    m.asker = seen.by.empty() ? Asker::Boot : Asker::Unit;
    m.job = ++last_job_;
    jobs_[m.job] = *index;
    // As of a start of ours: with the mark, the next engine watches it as well.
    actions.push_back(Record{SavedMark{m.job, seen.pid, seen.started}});
    std::string why = seen.by.empty() ? "started by the boot sequence" : "its script was called by " + seen.by;
    apply(*index, UnitEvent::StartingElsewhere, why, now, actions);
    // Last: what is told once more after a crash is news until all of it was written.
    actions.push_back(Record{SavedClaim{m.unit->name, seen.pid, seen.started}});
    actions.push_back(AdoptJob{m.job, m.unit->name, seen.pid, seen.started, m.unit, true});
    mark(*index);
    drain(now, actions);
}

// Its unit comes with the next configuration, and is one of this boot that was here before.
void Planner::await_unit_of(const ScriptStarted& seen, Actions& actions) {
    SavedUnit unit{.unit = seen.unit, .verdict = Truth::True, .wanted = Wanted::Up, .actual = Actual::Starting,
                   .job = ++last_job_, .asker = seen.by.empty() ? Asker::Boot : Asker::Unit};
    SavedMark mark{unit.job, seen.pid, seen.started};
    SavedClaim claim{seen.unit, seen.pid, seen.started};
    auto known = absent_.claims.find(seen.unit);
    if (known == absent_.claims.end() ? absent_.claims.size() >= kMostAbsent : known->second == claim) return;
    absent_.claims[seen.unit] = claim;
    absent_.marks[unit.job] = mark;
    absent_.units[seen.unit] = unit;
    absent_.never[seen.unit] = {seen.unit, true, false};
    actions.insert(actions.end(), {Record{mark}, Record{unit}, Record{claim}});
}

// A person has called the script's `stop`, which is about to end what the unit stands for. What it cannot end -
// a start that is under way, a process of ours - is ended as by devmux stop.
void Planner::stopped_by_script(UnitIndex index, Time now, Actions& actions) {
    Managed& m = units_[index];
    bool moves = m.state.actual == Actual::Starting || m.state.actual == Actual::Stopping;
    bool ends_it = m.unit->service.kind == Service::Kind::InitScript && !m.unit->task && !m.unit->each_event;
    bool by_script = ends_it && !moves;
    m.forced = !by_script && (moves || m.state.actual == Actual::Active);  // it cannot be refused any more
    apply(index, by_script ? UnitEvent::StoppedElsewhere : UnitEvent::HandStop, "by hand, by its script", now, actions);
    mark(index);
    drain(now, actions);
}

}  // namespace devmux
