// From edge to job, and from the job's end to the next state.
#include <iterator>
#include <utility>

#include "conditions/text.h"
#include "engine/plan/planner.h"

namespace devmux {
namespace {

// What a person reads of a move. Empty: nothing worth a line.
std::string move_text(const UnitState& from, const UnitState& to, const std::string& reason,
                      const std::string& end) {
    std::string because = reason.empty() ? "" : " (" + reason + ")";
    if (from.actual == to.actual) {
        if (from.actual == Actual::Starting && to.wanted != from.wanted)
            return to.wanted == Wanted::Down ? "stops as soon as it has started" + because
                                             : "stays: wanted again" + because;
        if (from.actual == Actual::Stopping && to.wanted == Wanted::Up)
            return "starts again as soon as it has stopped" + because;
        return "";
    }
    switch (to.actual) {
        case Actual::Starting: return "starting" + because;
        case Actual::Stopping: return "stopping" + because;
        case Actual::Active: return from.actual == Actual::Starting ? "active" : "active" + because;
        case Actual::Done: return from.actual == Actual::Waiting ? "done, as before" : "done";
        case Actual::Failed: return "failed: " + end;
        case Actual::Absent: return "skipped: " + end;
        case Actual::Waiting:
            if (from.actual == Actual::Stopping) return "stopped";
            return to.hold == Hold::Down && from.hold != Hold::Down ? "stopped" + because : "";  // elsewhere
    }
    return "";
}

void note_asker(Managed& m, UnitEvent event, bool moves) {
    switch (event) {
        case UnitEvent::Edge:
        case UnitEvent::Loss:
        case UnitEvent::StopEdge:
            if (moves) m.asker = Asker::Condition;
            break;
        case UnitEvent::HandStart:
        case UnitEvent::HandStop:
        case UnitEvent::HandRestart:
        case UnitEvent::StartedElsewhere:
        case UnitEvent::StoppedElsewhere:
        case UnitEvent::Reset: m.asker = Asker::Hand; break;
        case UnitEvent::Asked:
            if (moves) m.asker = Asker::Unit;
            break;
        case UnitEvent::Never:
            if (moves) m.asker = Asker::Never;
            break;
        default: break;
    }
}

}  // namespace

// Whether a start is made at once. A unit with links stands in line first: what else this event moves
// may have to come before it.
bool Planner::may_begin(UnitIndex index, UnitEvent event, Time now, Actions& actions) {
    Managed& m = units_[index];
    // One that runs and is to be started again (if-running) has all that it needs.
    bool shut = m.refreshing.job != 0 || boot_gate(m).kind != Gate::Kind::Open;
    if (m.state.actual == Actual::Active) return !shut && may_start(m, now, actions);
    bool has_slot = starting_ < parallel_ || m.state.actual == Actual::Starting;  // its own goes on
    if (event != UnitEvent::Begin && (graph_.has(index) || !has_slot || shut)) {
        fall_in(index);
        return false;
    }
    if (m.asker == Asker::Hand || event == UnitEvent::Retry || may_start(m, now, actions)) return true;
    // Who is ordered after it does not wait for that.
    if (std::exchange(m.on_its_way, false)) pend_neighbours(index);
    mark(index);
    return false;
}

void Planner::apply(UnitIndex index, UnitEvent event, const std::string& reason, Time now,
                    Actions& actions) {
    Managed& m = units_[index];
    UnitState before = m.state;
    bool was_forced = m.forced;
    Transition t = next(before, event, m.kind());
    note_asker(m, event, t.state != before);
    Actions holds;
    bool start_asked = t.step == Step::Start;
    if (t.step == Step::Start && !may_begin(index, event, now, holds)) {
        // One that runs, and was to be started again (if-running), just runs on.
        t.state.actual = before.actual == Actual::Active ? Actual::Active : Actual::Waiting;
        t.state.again = before.actual == Actual::Done || (before.actual == Actual::Waiting && before.again) ||
                        (before.actual == Actual::Starting && event == UnitEvent::JobDone);
        t.step = Step::None;
        // The device that it will be started for: of another try, the same.
        if (event != UnitEvent::Retry && !m.instance) m.start_block = start_variables(m);
    } else if (t.step == Step::Stop && before.actual != Actual::Failed && !is_next(event) && event != UnitEvent::HandStop &&
               event != UnitEvent::HandRestart && keep(index, &holds)) {
        t.state.actual = Actual::Active;
        t.step = Step::None;
    } else if (t.step == Step::Stop && (graph_.has(index) || m.refreshing.job != 0) && !is_next(event)) {
        // What failed is not active meanwhile: that it is to be stopped is what `again` says of it.
        if (before.actual == Actual::Failed) t.state.again = true;
        t.state.actual = before.actual == Actual::Failed ? Actual::Failed : Actual::Active;
        t.step = Step::None;
        // What is known of it now is what its stop will be told.
        if (event == UnitEvent::Loss && cause_.removed && cause_.device && !m.instance) m.start_block = cause_.device->block();
        fall_in(index);
    }
    m.state = t.state;
    bool is_over = m.is_still() || (before.actual == Actual::Stopping && m.state.actual == Actual::Starting);
    if (is_over && m.chosen) m.unit = std::exchange(m.chosen, nullptr);
    if (event == UnitEvent::StartedElsewhere || event == UnitEvent::StartingElsewhere) serve_what_is_there(m);
    if (m.state.wanted == Wanted::Down || start_asked) m.retry_at = kNever;
    // Where it leaves all the same (held down, or with what it requires) the word stands.
    bool stays = m.state.wanted == Wanted::Up && !m.state.again && !m.is_to_leave();
    if (stays && (event == UnitEvent::HandStart || event == UnitEvent::Edge || event == UnitEvent::Asked)) m.forced = false;
    if (!is_next(event) && !is_end(event) && event != UnitEvent::Retry) m.tries = 0;  // somebody asks anew
    if (m.state.actual != before.actual) m.since = now;
    bool asked_again = event == UnitEvent::Edge && before.wanted == Wanted::Up && before.actual == Actual::Active;
    if (asked_again && m.unit->if_running == IfRunning::Error)
        actions.push_back(Report{Report::Level::Error, m.unit->name,
                                 "is asked for again and runs already (if-running: error)"});
    // What is decided while a job runs is why the next one will.
    if (m.state.wanted != before.wanted) m.reason = reason;
    if (m.state.wanted == Wanted::Up && !is_next(event) && !is_end(event)) m.up_reason = reason;
    std::string text = move_text(before, m.state, reason, m.last_end);
    // A job that ended and the next one that begins are two moves in one transition.
    bool restarted = before.actual == Actual::Starting && t.step == Step::Start;
    if (restarted)
        text = m.asker == Asker::Hand ? "starting once more: restarted by hand meanwhile"
                                      : "starting once more: its condition was left and became true meanwhile";
    if (!text.empty())
        actions.push_back(Report{m.state.actual == Actual::Failed ? Report::Level::Error
                                                                  : Report::Level::Info,
                                 m.unit->name, std::move(text)});
    std::move(holds.begin(), holds.end(), std::back_inserter(actions));
    bool held_back = before.wanted == Wanted::Up && before.actual == Actual::Waiting;
    note_move(index, before);
    if (event == UnitEvent::FoundRunning) m.owed = Owed::Nothing;  // neither begun nor failed
    if (t.step != Step::None) run(index, t.step, reason, held_back, now, actions);
    else if (m.state != before || m.job != 0 || m.forced != was_forced) actions.push_back(Record{m.saved()});
    if (m.state == before && t.step == Step::None) return;
    actions.push_back(UnitChanged{m.unit->name});
    if (m.state.actual == before.actual) return;
    if (m.refreshing.due || m.instance) mark(index);
    auto mark_it = [this](UnitIndex unit) { mark(unit); };
    for (FactKind kind : {FactKind::UnitActive, FactKind::UnitDone, FactKind::UnitFailed}) {
        watchers_.each_watching({kind, m.unit->name}, mark_it);
        if (m.instance) watchers_.each_watching({kind, m.unit->of}, mark_it);
    }
}

void Planner::run(UnitIndex index, Step step, const std::string& reason, bool was_held_back, Time now,
                  Actions& actions) {
    Managed& m = units_[index];
    bool start = step == Step::Start;
    bool by_hand = m.asker == Asker::Hand;
    if (start) note_start(m, by_hand, now, actions);
    else if (m.flapping) m.flapping->echo.stopping();
    m.job = ++last_job_;
    jobs_[m.job] = index;
    m.reason = reason;
    std::string block;
    if (start) {
        ++m.starts;
        // What was held back is for the device of its edge, while that is there.
        auto held_for = find_in(m.start_block, "DEVPATH");
        bool kept = was_held_back && held_for && world_.table.find(*held_for);
        m.start_block = by_hand ? "" : kept ? m.start_block : start_variables(m);
        block = m.start_block;
    } else {
        // The last known properties: of what went, or else of what it was started for. A stop that had to
        // wait is not about what happens now.
        block = cause_.removed && cause_.device && !graph_.has(index) ? cause_.device->block() : m.start_block;
    }
    RunJob run{m.job, m.unit, start ? Verb::Start : Verb::Stop, reason, block.empty() ? "" : start ? "add" : "remove",
               std::move(block), start ? 0 : m.daemon, ""};
    set_job_of_instance(run, m);
    if (m.instance && start) {
        m.start_block = run.block;
        InstanceDevice it = *m.instance;
        it.last = run.block;
        bool news = it.last != m.instance->last;
        if (news) set_device(index, std::move(it));
        if (news) actions.push_back(Record{SavedInstance{m.unit->name, m.unit->of, m.instance->device, m.instance->last}});
    }
    serve_what_is_there(m);
    if (m.unit->refresh) actions.push_back(Record{saved_refresh(m)});
    actions.push_back(Record{m.saved()});
    actions.push_back(std::move(run));
}

// The device whose leaf became true last: the one that this call is about, where the condition looks
// at it at all; else the one that the verdict names. None for facts, timers and hands.
std::string Planner::start_variables(const Managed& m) const {
    if (!cause_.devices || m.now != Truth::True) return "";
    const Device* device = m.witness ? world_.table.find(m.witness->devpath) : nullptr;
    if (cause_.device && !cause_.removed) {
        bool looked_at = false;
        each_leaf(m.unit->condition, [&](const Condition& leaf) {
            if (leaf.kind != Condition::Kind::Device) return;
            for (const auto& c : cause_.device->classes())
                looked_at |= c.id == leaf.device.class_id &&
                             matches(leaf.device.predicate, *cause_.device, &world_) == Truth::True;
        });
        if (looked_at) device = cause_.device;
    }
    if (!device) return "";
    if (device != cause_.device || cause_.seqnum == 0) return device->block();
    return device->block() + "SEQNUM=" + std::to_string(cause_.seqnum) + '\0';
}

void Planner::job_ended(const JobEnded& end, Time now, Actions& actions) {
    if (runs_.job_ended(end, now, actions)) return;
    auto it = jobs_.find(end.job);
    if (it == jobs_.end()) return;
    UnitIndex index = it->second;
    jobs_.erase(it);
    Managed& m = units_[index];
    if (m.daemon == end.job) return daemon_ended(index, end, now, actions);
    if (m.refreshing.job == end.job) return reload_ended(index, end, now, actions);
    if (m.job != end.job) return;
    m.job = 0;
    m.last_end = describe(end);
    if (m.flapping) m.flapping->echo.ended(now);
    // An end that nobody saw counts as a good one: nothing is run twice on a guess.
    bool well = end.ok() || end.unseen();
    bool starting = m.state.actual == Actual::Starting;
    // A daemon's start is over when it is ready, and it never was.
    if (starting && m.unit->service.kind == Service::Kind::Daemon && std::exchange(well, false) && end.error.empty())
        m.last_end += " before it was ready";
    if (well && end.found_running)
        actions.push_back(Report{Report::Level::Info, m.unit->name, "runs already: counts as started"});
    if (!well && m.state.actual == Actual::Stopping)
        actions.push_back(Report{Report::Level::Warning, m.unit->name, "the stop " + m.last_end});
    if (starting && !well && !end.found_running && !end.missing && !m.state.again && pauses(m, false, now, actions)) {
        apply(index, UnitEvent::Pause, m.reason, now, actions);
        mark(index);
        return drain(now, actions);
    }
    if (well && starting) m.tries = 0;
    bool stopped = well && m.state.actual == Actual::Stopping && std::exchange(m.daemon, 0) != 0;
    // A person who starts it wants to hear that it cannot be.
    UnitEvent failed = end.found_running                         ? UnitEvent::FoundRunning
                       : end.missing && m.asker != Asker::Hand ? UnitEvent::Missing
                                                                : UnitEvent::JobFailed;
    apply(index, well ? UnitEvent::JobDone : failed, m.reason, now, actions);
    if (stopped) actions.push_back(Record{SavedDaemon{m.unit->name, 0}});
    if (m.orphaned && m.job == 0 && m.state.actual != Actual::Active)
        actions.push_back(Report{Report::Level::Info, m.unit->name, orphan_text(m) + ": the next reload forgets it"});
    drain(now, actions);
}

void Planner::set_overdue(std::string_view unit, bool overdue, Time now, Actions& actions) {
    auto index = find(unit);
    if (!index || units_[*index].overdue == overdue) return;
    Managed& m = units_[*index];
    starting_ -= m.takes_place();
    m.overdue = overdue;
    starting_ += m.takes_place();
    actions.push_back(UnitChanged{std::string(unit)});
    // Who is only ordered after it waits no longer; the end of the job puts them in line by itself.
    if (!overdue) return;
    free_slot();
    if (graph_.has(*index)) pend_neighbours(*index);
    drain(now, actions);
}

void Planner::by_hand(UnitIndex index, UnitEvent event, bool force, Time now, Actions& actions) {
    if (units_[index].unit->is_template()) return;  // who asks is told to name an instance
    if (std::string why = force ? "" : refusal(index, event); !why.empty())
        return actions.push_back(Report{Report::Level::Warning, units_[index].unit->name, "refused: " + why});
    // Without force, one that begins to carry something before its turn has come is held after all.
    // Their records come first: an engine that finds one of them forced, and no stop that it goes with, forgets it.
    if (force)
        for (UnitIndex u : going_with(index)) {
            bool forced = units_[u].is_on();
            if (std::exchange(units_[u].forced, forced) != forced) actions.push_back(Record{units_[u].saved()});
        }
    if (event == UnitEvent::Refresh) return refresh_by_hand(index, now, actions);
    if (event == UnitEvent::StoppedElsewhere) return stopped_by_script(index, now, actions);
    if (event != UnitEvent::HandStop) let_go(index, now, actions);
    apply(index, event, "by hand", now, actions);
    Managed& m = units_[index];
    if (event == UnitEvent::HandRestart && m.state.actual == Actual::Starting && m.state.again)
        actions.push_back(Report{Report::Level::Info, m.unit->name,
                                 m.unit->task ? "runs once more as soon as this run has ended (by hand)"
                                              : "is restarted as soon as it has started (by hand)"});
    if (event == UnitEvent::Reset && m.unit->if_never) mark(index);  // a stop by hand was in its way
    if (event == UnitEvent::Reset && m.unit->condition_kind == ConditionKind::While && !m.orphaned) {
        // A `while` is about now: given back to its condition, it follows it at once.
        if (m.verdict == Truth::True && m.now == Truth::True && m.stop_verdict != Truth::True &&
            m.state.actual != Actual::Active)
            apply(index, UnitEvent::Edge, m.unit->condition_text, now, actions);
        mark(index);
    }
    drain(now, actions);
}

void Planner::clear_latches(UnitIndex index, Time now, Actions& actions) {
    Managed& m = units_[index];
    auto clear = [&](const Condition& condition, Memory& memory) {
        each_leaf(condition, [&](const Condition& leaf) {
            if (leaf.kind != Condition::Kind::Device || leaf.slot >= memory.slots.size()) return;
            if (leaf.device.quantifier != Quantifier::First || !memory.slots[leaf.slot].latch) return;
            memory.slots[leaf.slot].latch.reset();
            actions.push_back(Record{SavedLatch{m.unit->name, to_string(leaf.device), {}, true}});
        });
    };
    clear(m.unit->condition, m.memory);
    if (m.unit->stop_when) clear(*m.unit->stop_when, m.stop_memory);
    // The choice is open again: the next device that is there wins, and that is a fresh edge.
    m.verdict = Truth::False;
    actions.push_back(Record{m.saved()});
    mark(index);
    drain(now, actions);
}

}  // namespace devmux
