// The transition table. It is written as code, since most pairs share an answer; the table test
// (tests/plan/unit_state_test.cc) writes out every pair.
#include "engine/plan/unit_state.h"

#include <array>
#include <utility>

namespace devmux {
namespace {

// Moves actual one step towards wanted, where nothing runs that must end first.
Transition reconciled(UnitState s) {
    if (s.wanted == Wanted::Up && s.actual == Actual::Waiting) {
        s.actual = Actual::Starting;
        s.again = false;
        return {s, Step::Start};
    }
    if (s.actual == Actual::Active && (s.wanted == Wanted::Down || s.again)) {
        s.actual = Actual::Stopping;
        return {s, Step::Stop};
    }
    if (s.actual == Actual::Failed && s.again) {
        s.actual = Actual::Stopping;
        s.again = s.wanted == Wanted::Up;
        return {s, Step::Stop};
    }
    return {s, Step::None};
}

Transition wanted_up(UnitState s, bool run_again) {
    s.wanted = Wanted::Up;
    if (s.actual == Actual::Starting) s.again |= run_again;
    bool rests = s.actual == Actual::Done || s.actual == Actual::Absent || (s.actual == Actual::Failed && !s.again);
    if (rests) s.actual = Actual::Waiting;
    return reconciled(s);
}

Transition wanted_down(UnitState s) {
    s.wanted = Wanted::Down;
    // What was done stays done: that it was to be run once more is what is taken back.
    if (s.actual != Actual::Failed && std::exchange(s.again, false) && s.actual == Actual::Waiting) s.actual = Actual::Done;
    return reconciled(s);
}

Transition job_ended(UnitState s, bool well, UnitKind kind) {
    if (s.actual == Actual::Starting) {
        // A service that runs is stopped before it is started once more.
        bool runs = well && !kind.task;
        if (s.again && !runs) {
            s.again = false;
            return {s, Step::Start};
        }
        s.actual = !well ? Actual::Failed : kind.task ? Actual::Done : Actual::Active;
        return reconciled(s);
    }
    if (s.actual == Actual::Stopping) {
        // Wanted again meanwhile: it is started, whatever became of the stop.
        s.actual = well || s.wanted == Wanted::Up ? Actual::Waiting : Actual::Failed;
        s.again = false;
        return reconciled(s);
    }
    return {s, Step::None};
}

template <class T, size_t N>
std::optional<T> word_of(const std::array<std::string_view, N>& words, std::string_view word) {
    for (size_t i = 0; i < N; ++i)
        if (words[i] == word) return static_cast<T>(i);
    return std::nullopt;
}

constexpr std::array<std::string_view, 2> kWanted{"down", "up"};
constexpr std::array<std::string_view, 7> kActual{"waiting", "starting", "active", "done", "stopping", "failed", "absent"};
constexpr std::array<std::string_view, 3> kHold{"none", "down", "up"};
constexpr std::array<std::string_view, 6> kAsker{"nobody", "condition", "hand", "unit", "never", "boot"};
constexpr std::array<std::string_view, 3> kOwed{"nothing", "then", "on-failure"};

}  // namespace

Transition next(UnitState s, UnitEvent event, UnitKind kind) {
    switch (event) {
        case UnitEvent::Edge:
            if (s.hold == Hold::Down) return {s, Step::None};
            s.hold = Hold::None;
            if (kind.starts_again && s.wanted == Wanted::Up && s.actual == Actual::Active && !s.again) {
                s.actual = Actual::Starting;
                return {s, Step::Start};
            }
            return wanted_up(s, kind.task);
        case UnitEvent::Loss:
            return s.hold == Hold::Up ? Transition{s, Step::None} : wanted_down(s);
        case UnitEvent::StopEdge:
            if (s.hold == Hold::Up) s.hold = Hold::None;
            return wanted_down(s);
        case UnitEvent::HandStart:
            s.hold = kind.holds ? Hold::Up : Hold::None;
            return wanted_up(s, false);
        case UnitEvent::HandRestart:
            s.hold = kind.holds ? Hold::Up : Hold::None;
            // After a failure something may still run: it is stopped first.
            s.again |= s.actual == Actual::Failed && !kind.task;
            s.again |= s.actual == Actual::Starting || s.actual == Actual::Active || s.actual == Actual::Stopping;
            return wanted_up(s, false);
        case UnitEvent::Refresh:
            if (s.wanted != Wanted::Up || s.actual != Actual::Active) return {s, Step::None};
            s.again = true;
            return reconciled(s);
        case UnitEvent::HandStop:
            s.hold = Hold::Down;
            // After a failure something may still run: a stop by hand is tried.
            s.again |= s.actual == Actual::Failed && !kind.task;
            return wanted_down(s);
        case UnitEvent::Reset:
            s.hold = Hold::None;
            if (s.actual == Actual::Waiting) s.again = false;  // that it was done is forgotten
            if (s.actual == Actual::Failed || s.actual == Actual::Done || s.actual == Actual::Absent) {
                s.actual = Actual::Waiting;
                s.wanted = Wanted::Down;
                s.again = false;
            }
            return {s, Step::None};
        case UnitEvent::Asked:
            // A person's word stands above another unit's.
            return s.hold == Hold::Down ? Transition{s, Step::None} : wanted_up(s, false);
        case UnitEvent::Never:
            // Whoever has asked already has decided.
            if (s.hold == Hold::Down || s.wanted == Wanted::Up || s.actual != Actual::Waiting) return {s, Step::None};
            if (kind.holds) s.hold = Hold::Up;
            return wanted_up(s, false);
        case UnitEvent::Begin: return reconciled(s);
        case UnitEvent::Yield:
            if (s.actual != Actual::Active) return {s, Step::None};
            s.actual = Actual::Stopping;
            return {s, Step::Stop};
        case UnitEvent::Doomed:
            if (s.wanted != Wanted::Up || s.actual != Actual::Waiting) return {s, Step::None};
            s.actual = Actual::Failed;
            s.again = false;
            return {s, Step::None};
        case UnitEvent::JobDone: return job_ended(s, true, kind);
        case UnitEvent::JobFailed: return job_ended(s, false, kind);
        case UnitEvent::FoundRunning:
            if (s.actual == Actual::Starting && !kind.task) s.again = false;  // whoever runs there is not stopped on a guess
            return job_ended(s, false, kind);
        case UnitEvent::Missing:
            if (s.actual == Actual::Starting) s.actual = Actual::Absent, s.again = false;
            return {s, Step::None};
        case UnitEvent::Died:
        case UnitEvent::Finished:
            if (s.actual != Actual::Active) return {s, Step::None};
            if (std::exchange(s.again, false)) {  // it was to be stopped and started: that was the stop
                s.actual = Actual::Waiting;
                return reconciled(s);
            }
            // It was to stop anyway, and waited for others to stop first.
            s.actual = s.wanted == Wanted::Down      ? Actual::Waiting
                       : event == UnitEvent::Died ? Actual::Failed
                                                  : Actual::Done;
            return {s, Step::None};
        case UnitEvent::Pause:
            if (s.actual != Actual::Starting && s.actual != Actual::Active) return {s, Step::None};
            s.actual = Actual::Waiting;
            s.again = false;
            return {s, Step::None};
        case UnitEvent::Retry:
            return s.wanted == Wanted::Up && s.actual == Actual::Waiting ? reconciled(s) : Transition{s, Step::None};
        // As by hand, of what was done already. While a job of ours runs, its end tells.
        case UnitEvent::StartedElsewhere:
            if (kind.task || s.actual == Actual::Starting || s.actual == Actual::Stopping || s.actual == Actual::Active)
                return {s, Step::None};
            s = {Wanted::Up, Actual::Active, kind.holds ? Hold::Up : Hold::None, false};
            return {s, Step::None};
        case UnitEvent::StartingElsewhere:
            if (s.actual == Actual::Starting || s.actual == Actual::Stopping || s.actual == Actual::Active)
                return {s, Step::None};
            return {{Wanted::Up, Actual::Starting, Hold::None, false}, Step::None};
        case UnitEvent::StoppedElsewhere:
            if (kind.task || s.actual == Actual::Starting || s.actual == Actual::Stopping) return {s, Step::None};
            if (s.actual != Actual::Done) s.actual = Actual::Waiting;
            s.wanted = Wanted::Down;
            s.hold = Hold::Down;
            s.again = false;
            return {s, Step::None};
    }
    return {s, Step::None};
}

std::string_view to_string(Wanted wanted) { return kWanted[static_cast<size_t>(wanted)]; }
std::string_view to_string(Actual actual) { return kActual[static_cast<size_t>(actual)]; }
std::string_view to_string(Hold hold) { return kHold[static_cast<size_t>(hold)]; }
std::string_view to_string(Asker asker) { return kAsker[static_cast<size_t>(asker)]; }
std::string_view to_string(Owed owed) { return kOwed[static_cast<size_t>(owed)]; }
std::optional<Asker> asker_of(std::string_view word) { return word_of<Asker>(kAsker, word); }
std::optional<Owed> owed_of(std::string_view word) { return word_of<Owed>(kOwed, word); }
std::optional<Wanted> wanted_of(std::string_view word) { return word_of<Wanted>(kWanted, word); }
std::optional<Actual> actual_of(std::string_view word) { return word_of<Actual>(kActual, word); }
std::optional<Hold> hold_of(std::string_view word) { return word_of<Hold>(kHold, word); }

}  // namespace devmux
