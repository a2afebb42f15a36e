// A unit in force: its description, its state, and what its condition remembers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "conditions/evaluate.h"
#include "engine/model/service_file.h"
#include "engine/model/unit.h"
#include "engine/plan/flapping.h"
#include "engine/plan/instance.h"
#include "engine/plan/refreshing.h"
#include "engine/plan/saved.h"
#include "engine/plan/unit_state.h"

namespace devmux {

struct Managed {
    std::shared_ptr<const Unit> unit;
    std::shared_ptr<const Unit> chosen;  // takes its place when it rests: another script was chosen while it ran (chosen-by)
    bool orphaned = false;  // its file is gone, its service is not

    // For-each (planner_instances.cc).
    std::shared_ptr<const InstanceDevice> instance;  // null: it is no instance
    bool vacant = false;    // an instance that was; its place is kept for the next
    bool crowded = false;   // of the unit itself: it has as many as it may, and that was told

    UnitState state;
    bool was_true = false;    // its condition, in this boot
    bool never = false;       // if-never was acted upon, in this boot
    JobId job = 0;            // of the transition under way
    JobId daemon = 0;         // the process that is the service, once it was ready
    Asker asker = Asker::Nobody;
    Owed owed = Owed::Nothing;
    bool overdue = false;     // its job takes longer than it may (job_limits.h)
    Time since{};             // when `state.actual` was entered
    uint64_t starts = 0;
    std::string reason;       // of the last start or stop
    std::string up_reason;    // why it is wanted, since it is
    std::string last_end;     // how the last job ended
    unsigned script = 0;      // the process that ran its script last, where that may be told of again
    Time script_at{};         // CLOCK_BOOTTIME: it was there
    std::string start_block;  // variables of the device that it was started for

    Truth now = Truth::Unknown;  // of the condition, when it was last evaluated
    // The last *definite* verdicts, at first false: an edge is a definite false -> true, and
    // true -> unknown -> true is none.
    Truth verdict = Truth::False;
    Truth stop_verdict = Truth::False;
    Truth boots = Truth::Unknown;  // of boot-if
    Memory memory, stop_memory, boot_memory;
    std::optional<Witness> witness;

    // `linger`: when a definite loss will have lasted long enough. Unknown freezes what is left.
    Time loss_due = kNever;
    std::optional<Duration> loss_left;
    Time deadline = kNever;   // when it must be looked at without an event
    bool dirty = false;       // in the planner's queue
    FlappingPointer flapping;  // from the first start on
    Time held_until = kNever;  // of a start that is held back
    unsigned tries = 0;        // restarts in a row
    Time retry_at = kNever;    // of the next

    Refreshing refreshing;    // planner_refresh.cc

    // The graph (planner_graph.cc).
    bool pending = false;     // it stands in line to be begun, or to be told what it waits for
    bool yields = false;      // it runs, and what it requires does not any more: it is to stop first
    bool on_its_way = false;  // what it waits for is on its way itself; `after` waits for such a unit alone
    std::string waits_for;    // as it was told last; empty: it waits for nobody

    // It should stop, and is not stopped: what it would take down is needed (planner_carriers.cc). Empty: it is not kept.
    std::string kept;
    bool forced = false;      // a person has it stopped, or what it requires, whatever that takes down

    // Wanted, and not begun: its start is held back, or is to be asked for again.
    bool is_held_back() const { return state.wanted == Wanted::Up && state.actual == Actual::Waiting; }
    // A person or another unit asked, or nobody came: what its condition says now is not the matter.
    bool asked_by_others() const {
        return asker == Asker::Hand || asker == Asker::Unit || asker == Asker::Never;
    }
    // if-never: skip. It rests, and still starts when its condition becomes true.
    bool is_skipped() const {
        return never && !was_true && unit->if_never == IfNever::Skip && state == UnitState{};
    }
    // The boot sequence owns its script, or may: nobody but a person has it started.
    bool is_left_to_boot() const { return unit->boot_if && boots != Truth::False; }
    // "left to the boot sequence: /usr on nfs"
    std::string left_to_boot_text() const {
        return std::string("left to the boot sequence") +
               (boots == Truth::True ? ": " : ", as long as it is not known whether: ") + unit->boot_if_text;
    }
    // It is one of those that are starting, of whom there are so many at most. Nobody waits for who is overdue.
    bool takes_place() const { return state.actual == Actual::Starting && !overdue; }
    // It runs, and should not, or not on: it is to be restarted. Or it failed, and a person stops what is left.
    bool is_to_leave() const {
        if (state.actual == Actual::Failed) return state.again;
        return state.actual == Actual::Active && (state.wanted == Wanted::Down || yields || state.again);
    }
    // The same, and nothing keeps it.
    bool is_leaving() const { return kept.empty() && is_to_leave(); }
    UnitKind kind() const {
        return {.task = unit->task, .holds = unit->condition_kind == ConditionKind::While,
                .starts_again = unit->if_running == IfRunning::Run};
    }
    // It is up, or on its way to it.
    bool is_on() const { return state.actual == Actual::Active || state.actual == Actual::Starting; }
    // It is not started, active or stopped now.
    bool is_still() const {
        return state.actual == Actual::Waiting || state.actual == Actual::Done || state.actual == Actual::Failed ||
               state.actual == Actual::Absent;
    }
    // Nothing of it runs, or is on its way.
    bool rests() const { return is_still() && job == 0 && daemon == 0 && refreshing.job == 0; }
    // It failed, or is not installed: who requires it cannot have it, until somebody asks for it afresh.
    bool is_unavailable() const { return state.actual == Actual::Failed || state.actual == Actual::Absent; }
    // It failed, and once that is forgotten its condition, or if-never, asks for it afresh: what either asks for is
    // known to hold, or did when it was known last. A person's start is not forgotten on what nobody knows. Of a
    // failure that nobody would ask about again the word stays.
    bool asks_again() const {
        if (state.wanted != Wanted::Up || unit->condition_kind == ConditionKind::None) return false;
        if (asker == Asker::Never) return true;
        bool by_hand = state.hold == Hold::Up && now != Truth::True;
        return verdict == Truth::True && stop_verdict != Truth::True && !by_hand;
    }
    // What was not installed may be so by now: its condition, or if-never, asks for it once more.
    void look_again() {
        if (asker == Asker::Never) never = false;
        state = {.hold = state.hold == Hold::Down ? Hold::Down : Hold::None};
        verdict = Truth::False;
    }
    // What runs is what is stopped: it stands for that init script until it rests, and then for the one that is chosen
    // now (chosen-by). What there is to say of that; empty: nothing, it is that one, or none that can be.
    std::string keep_script(const std::string& script) {
        const Service& is = unit->service;
        if (is.chosen_by.empty() || is.init_script == script || !is_script_name(script)) return "";
        auto kept = std::make_shared<Unit>(*unit);
        kept->service.init_script = script;
        chosen = std::exchange(unit, std::move(kept));
        return "its script is " + script + " until it has stopped, and then " + chosen->service.init_script;
    }
    SavedUnit saved() const {
        const Service& service = unit->service;
        return {.unit = unit->name, .verdict = verdict, .stop_verdict = stop_verdict,
                .wanted = state.wanted, .actual = state.actual, .hold = state.hold,
                .again = state.again, .job = job, .asker = asker, .owed = owed,
                .script = service.chosen_by.empty() ? "" : service.init_script, .forced = forced};
    }
};

}  // namespace devmux
