// The state of a unit is the pair (wanted, actual). The condition, and people, say what is wanted;
// jobs say what is. The reconciler moves the one towards the other, one transition at a time, so a
// replug during a stop ends with the unit running (devmux(7), law 4).
//
//   wanted  actual     what it means                               next step
//   Down    Waiting    nothing runs, nothing should                -
//   Up      Waiting    an edge came; or it failed, and is tried    start it, when nothing holds it back:
//                      again after a pause; or it was done, and    flapping.h, planner_graph.cc, restart
//                      is to be run once more (`again`)
//   Up      Starting   the start job runs                          wait for its end
//   Down    Starting   lost while starting: starts are never       wait, then stop
//                      interrupted because of the condition
//   Up      Active     the service runs, as it should              -
//   Up      Active     the same with `again`: to be restarted      stop it, when those that require it
//                                                                  have stopped, and start it
//   Down    Active     it runs and should not                      stop it, when those that require it
//                                                                  have stopped
//   Up      Stopping   wanted again while the stop job runs; or    wait, then start
//                      what it requires stops
//   Down    Stopping   the stop job runs                           wait for its end
//   Up      Done       a task that ran to its end, or a daemon     -
//                      that ended well
//   Down    Done       the same, and its condition was left        -
//   Up      Failed     the last start or stop failed, or what it   -   (a new edge tries again;
//                      requires did; it rests                     where what it requires is not installed, a
//                                                                 reload and a new engine do so as well)
//   Down    Failed     the same                                    -
//   Up      Absent     what it would start is not installed        -   (a new edge, a reload and a new engine
//                                                                      look again)
//   Down    Absent     the same, and its condition was left        -
//   any     Failed     the same with `again`: a person stops or    stop it, when those that stop before it
//                      restarts it, and something may still run    have, and start it where it is wanted
//
// `masked`, `broken` and `orphaned` are properties of the unit's file, not of this pair.
#pragma once

#include <optional>
#include <string_view>

namespace devmux {

enum class Wanted : unsigned char { Down, Up };
enum class Actual : unsigned char { Waiting, Starting, Active, Done, Stopping, Failed, Absent };
// By hand: `stop` holds it down until start or reset; `start`, and if-never, hold it up against a false
// condition until that has been true once, or until stop or reset.
enum class Hold : unsigned char { None, Down, Up };

struct UnitState {
    Wanted wanted = Wanted::Down;
    Actual actual = Actual::Waiting;
    Hold hold = Hold::None;
    // Once more, and on from the next rest: a task, because an edge came while it ran, or a person restarts
    // it; a service that a person restarts, until its stop has ended. Of one that waits: it was done, and waits
    // to be run once more; when nobody wants that any longer, it is done as before. Of one that failed: it is to be
    // stopped first.
    bool again = false;
    bool operator==(const UnitState&) const = default;
};

enum class UnitEvent : unsigned char {
    Edge,         // the condition went from definitely false to definitely true
    Loss,         // a `while` was definitely false for its linger
    StopEdge,     // stop-when became true
    HandStart,    // devmux start
    HandStop,     // devmux stop
    Reset,        // devmux reset
    JobDone,      // the running job ended well
    JobFailed,    // … or not
    Asked,        // another unit requires or wants it, or has it in `then` or `on-failure`
    Begin,        // nothing holds it back any more: what is wanted may be begun
    Yield,        // what it requires stops, or has stopped: it stops, and stays wanted
    Doomed,       // what it requires failed while it waited
    FoundRunning,  // the start found the service running, and that is an error (if-running)
    Missing,      // the start found nothing that it could run, and that is no error (if-missing)
    Died,         // the daemon ended, and was to stay
    Finished,     // it ended by itself and well
    Pause,        // a start failed, or the daemon ended, and it will be tried again (restart)
    Retry,        // now
    HandRestart,  // devmux restart
    StartedElsewhere,  // the service runs, and not by a job of ours: systemctl, or another unit of systemd
    StoppedElsewhere,  // the same of a stop
    Refresh,      // what it serves is another set of devices, and it cannot be reloaded: stop and start
    Never,        // settled, and the condition has never been true: if-never: start
    StartingElsewhere,  // somebody else runs its init script, and a job watches that to its end
};

// Whether it only comes when the unit's turn has come.
constexpr bool is_next(UnitEvent event) { return event == UnitEvent::Begin || event == UnitEvent::Yield; }

// Whether it tells how something ended, and not what is wanted.
constexpr bool is_end(UnitEvent event) {
    return event == UnitEvent::JobDone || event == UnitEvent::JobFailed ||
           (event >= UnitEvent::FoundRunning && event <= UnitEvent::Pause);
}

enum class Step : unsigned char { None, Start, Stop };

struct Transition {
    UnitState state;
    Step step = Step::None;  // the job that is now to be run; the state already says Starting/Stopping
};

// What the transition depends on besides the state.
struct UnitKind {
    bool task = false;      // leaves nothing running: Done when it ends, each edge runs it again
    bool holds = false;     // `while`: going true again ends a hold up
    bool starts_again = false;  // if-running: run: an edge on what is active starts it once more
};

// The one function that changes a unit's state. Total: every pair has an answer.
Transition next(UnitState state, UnitEvent event, UnitKind kind);

// Who asked last for what is wanted of a unit.
enum class Asker : unsigned char {
    Nobody,
    Condition,
    Hand,
    Unit,  // another one, by a link
    Never,  // its if-never
    Boot,   // the boot sequence: nobody asked us
};

// What a unit still owes to others since its start ended: it is in the same record as that end.
enum class Owed : unsigned char { Nothing, Then, OnFailure };

std::string_view to_string(Wanted wanted);
std::string_view to_string(Actual actual);
std::string_view to_string(Hold hold);
std::string_view to_string(Asker asker);
std::string_view to_string(Owed owed);
std::optional<Asker> asker_of(std::string_view word);
std::optional<Owed> owed_of(std::string_view word);
std::optional<Wanted> wanted_of(std::string_view word);
std::optional<Actual> actual_of(std::string_view word);
std::optional<Hold> hold_of(std::string_view word);

}  // namespace devmux
