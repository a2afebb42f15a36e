// The unit state machine: every (state, event) pair, and the properties that hold for all of them.
#include "engine/plan/unit_state.h"

#include <doctest/doctest.h>

#include <array>
#include <sstream>
#include <string>
#include <vector>

using namespace devmux;

namespace {

constexpr std::array kWanted{Wanted::Down, Wanted::Up};
constexpr std::array kActual{Actual::Waiting, Actual::Starting, Actual::Active,
                             Actual::Done,    Actual::Stopping, Actual::Failed, Actual::Absent};
constexpr std::array kHolds{Hold::None, Hold::Down, Hold::Up};
constexpr std::array kEvents{UnitEvent::Edge,     UnitEvent::Loss,  UnitEvent::StopEdge, UnitEvent::HandStart,
                             UnitEvent::HandStop, UnitEvent::Reset, UnitEvent::JobDone,  UnitEvent::JobFailed,
                             UnitEvent::Asked,    UnitEvent::Begin, UnitEvent::Yield,    UnitEvent::Doomed,
                             UnitEvent::FoundRunning, UnitEvent::Died, UnitEvent::Finished, UnitEvent::Pause,
                             UnitEvent::Retry, UnitEvent::StartedElsewhere, UnitEvent::StoppedElsewhere};
// Those that the first table has no column for.
constexpr std::array kMoreEvents{UnitEvent::HandRestart, UnitEvent::Refresh, UnitEvent::Never,
                                 UnitEvent::StartingElsewhere, UnitEvent::Missing};

std::string text(const UnitState& s) {
    return std::string(to_string(s.wanted)) + "," + std::string(to_string(s.actual)) +
           (s.again ? ",again" : "") + (s.hold == Hold::None ? "" : ",hold-" + std::string(to_string(s.hold)));
}

std::string text(const Transition& t) {
    return text(t.state) + (t.step == Step::Start ? " START" : t.step == Step::Stop ? " STOP" : "");
}

template <class Visit>
void every_state(Visit visit) {
    for (Wanted wanted : kWanted)
        for (Actual actual : kActual)
            for (Hold hold : kHolds)
                for (bool again : {false, true}) visit(UnitState{wanted, actual, hold, again});
}

}  // namespace

TEST_SUITE("plan/unit_state") {
    // Columns: Edge, Loss, StopEdge, HandStart, HandStop, Reset, JobDone, JobFailed, Asked, Begin, Yield,
    // Doomed, FoundRunning, Died, Finished, Pause, Retry, StartedElsewhere,
    // StoppedElsewhere; of a service.
    // "." = stays as it is.
    struct Row {
        const char* state;
        std::array<const char*, 19> next;
    };

    const Row kService[] = {
        {"down,waiting", {"up,starting START", ".", ".", "up,starting START", "down,waiting,hold-down", ".", ".", ".", "up,starting START", ".", ".", ".", ".", ".", ".", ".", ".", "up,active", "down,waiting,hold-down"}},
        {"up,waiting", {"up,starting START", "down,waiting", "down,waiting", "up,starting START", "down,waiting,hold-down", ".", ".", ".", "up,starting START", "up,starting START", ".", "up,failed", ".", ".", ".", ".", "up,starting START", "up,active", "down,waiting,hold-down"}},
        {"down,starting", {"up,starting", ".", ".", "up,starting", "down,starting,hold-down", ".", "down,stopping STOP", "down,failed", "up,starting", ".", ".", ".", "down,failed", ".", ".", "down,waiting", ".", ".", "."}},
        {"up,starting", {".", "down,starting", "down,starting", ".", "down,starting,hold-down", ".", "up,active", "up,failed", ".", ".", ".", ".", "up,failed", ".", ".", "up,waiting", ".", ".", "."}},
        {"down,active", {"up,active", "down,stopping STOP", "down,stopping STOP", "up,active", "down,stopping,hold-down STOP", ".", ".", ".", "up,active", "down,stopping STOP", "down,stopping STOP", ".", ".", "down,waiting", "down,waiting", "down,waiting", ".", ".", "down,waiting,hold-down"}},
        {"up,active", {".", "down,stopping STOP", "down,stopping STOP", ".", "down,stopping,hold-down STOP", ".", ".", ".", ".", ".", "up,stopping STOP", ".", ".", "up,failed", "up,done", "up,waiting", ".", ".", "down,waiting,hold-down"}},
        {"down,done", {"up,starting START", ".", ".", "up,starting START", "down,done,hold-down", "down,waiting", ".", ".", "up,starting START", ".", ".", ".", ".", ".", ".", ".", ".", "up,active", "down,done,hold-down"}},
        {"up,done", {"up,starting START", "down,done", "down,done", "up,starting START", "down,done,hold-down", "down,waiting", ".", ".", "up,starting START", ".", ".", ".", ".", ".", ".", ".", ".", "up,active", "down,done,hold-down"}},
        {"down,stopping", {"up,stopping", ".", ".", "up,stopping", "down,stopping,hold-down", ".", "down,waiting", "down,failed", "up,stopping", ".", ".", ".", "down,failed", ".", ".", ".", ".", ".", "."}},
        {"up,stopping", {".", "down,stopping", "down,stopping", ".", "down,stopping,hold-down", ".", "up,starting START", "up,starting START", ".", ".", ".", ".", "up,starting START", ".", ".", ".", ".", ".", "."}},
        {"down,failed", {"up,starting START", ".", ".", "up,starting START", "down,stopping,hold-down STOP", "down,waiting", ".", ".", "up,starting START", ".", ".", ".", ".", ".", ".", ".", ".", "up,active", "down,waiting,hold-down"}},
        {"up,failed", {"up,starting START", "down,failed", "down,failed", "up,starting START", "down,stopping,hold-down STOP", "down,waiting", ".", ".", "up,starting START", ".", ".", ".", ".", ".", ".", ".", ".", "up,active", "down,waiting,hold-down"}},
        {"down,absent", {"up,starting START", ".", ".", "up,starting START", "down,absent,hold-down", "down,waiting", ".", ".", "up,starting START", ".", ".", ".", ".", ".", ".", ".", ".", "up,active", "down,waiting,hold-down"}},
        {"up,absent", {"up,starting START", "down,absent", "down,absent", "up,starting START", "down,absent,hold-down", "down,waiting", ".", ".", "up,starting START", ".", ".", ".", ".", ".", ".", ".", ".", "up,active", "down,waiting,hold-down"}},
    };

    // The same of a task that is to be run once more: while it starts, and while it waits for that, done before.
    const Row kTaskAgain[] = {
        {"up,waiting,again", {"up,starting START", "down,done", "down,done", "up,starting START", "down,done,hold-down", "up,waiting", ".", ".", "up,starting START", "up,starting START", ".", "up,failed", ".", ".", ".", ".", "up,starting START", ".", "."}},
        {"up,starting,again", {".", "down,starting", "down,starting", ".", "down,starting,hold-down", ".", "up,starting START", "up,starting START", ".", ".", ".", ".", "up,starting START", ".", ".", "up,waiting", ".", ".", "."}},
    };

    UnitState parse(const std::string& state) {
        size_t comma = state.find(','), again = state.find(",again");
        return {*wanted_of(state.substr(0, comma)), *actual_of(state.substr(comma + 1, again - comma - 1)), Hold::None,
                again != state.npos};
    }

    TEST_CASE("every pair of a service without a hold") {
        CHECK(std::size(kService) == kWanted.size() * kActual.size());
        for (const Row& row : kService)
            for (size_t i = 0; i < kEvents.size(); ++i) {
                UnitState s = parse(row.state);
                CAPTURE(row.state);
                CAPTURE(i);
                std::string expected = std::string(row.next[i]) == "." ? text(s) : row.next[i];
                CHECK(text(next(s, kEvents[i], {.task = false, .holds = false})) == expected);
            }
    }

    TEST_CASE("every event of a task that is to be run once more") {
        for (const Row& row : kTaskAgain)
            for (size_t i = 0; i < kEvents.size(); ++i) {
                UnitState s = parse(row.state);
                CAPTURE(row.state);
                CAPTURE(i);
                std::string expected = std::string(row.next[i]) == "." ? text(s) : row.next[i];
                CHECK(text(next(s, kEvents[i], {.task = true, .holds = false})) == expected);
            }
    }

    TEST_CASE("a task: done when it ends, run again by each edge, once more for an edge while it runs") {
        UnitKind task{.task = true, .holds = false};
        UnitState s{Wanted::Up, Actual::Starting, Hold::None, false};
        CHECK(text(next(s, UnitEvent::JobDone, task)) == "up,done");
        CHECK(text(next(s, UnitEvent::Edge, task)) == "up,starting,again");
        CHECK(text(next(s, UnitEvent::HandStart, task)) == "up,starting");
        s.again = true;
        CHECK(text(next(s, UnitEvent::JobDone, task)) == "up,starting START");
        CHECK(text(next(s, UnitEvent::JobFailed, task)) == "up,starting START");
        CHECK(text(next(s, UnitEvent::Edge, task)) == "up,starting,again");
        CHECK(text(next(s, UnitEvent::Loss, task)) == "down,starting");
        CHECK(text(next({Wanted::Up, Actual::Failed, Hold::None, false}, UnitEvent::HandStop, task)) ==
              "down,failed,hold-down");
    }

    // "again" of a service: a person restarts it. Columns as above, and HandRestart behind them.
    TEST_CASE("a restart by hand: stopped and started, in one request") {
        struct Restarted {
            const char *state, *service, *task;
        };
        for (const Restarted& row : {Restarted{"down,waiting", "up,starting START", "up,starting START"},
                                     {"up,waiting", "up,starting START", "up,starting START"},
                                     {"down,starting", "up,starting,again", "up,starting,again"},
                                     {"up,starting", "up,starting,again", "up,starting,again"},
                                     {"down,active", "up,stopping,again STOP", "up,stopping,again STOP"},
                                     {"up,active", "up,stopping,again STOP", "up,stopping,again STOP"},
                                     {"down,done", "up,starting START", "up,starting START"},
                                     {"up,done", "up,starting START", "up,starting START"},
                                     {"down,stopping", "up,stopping,again", "up,stopping,again"},
                                     {"up,stopping", "up,stopping,again", "up,stopping,again"},
                                     {"down,failed", "up,stopping,again STOP", "up,starting START"},
                                     {"up,failed", "up,stopping,again STOP", "up,starting START"}}) {
            CAPTURE(row.state);
            UnitState s = parse(row.state);
            CHECK(text(next(s, UnitEvent::HandRestart, {})) == row.service);
            CHECK(text(next(s, UnitEvent::HandRestart, {.task = true})) == row.task);
            s.hold = Hold::Down;
            CHECK(text(next(s, UnitEvent::HandRestart, {})) == row.service);
            CHECK(next(s, UnitEvent::HandRestart, {.holds = true}).state.hold == Hold::Up);
        }
    }

    TEST_CASE("a refresh of what cannot be reloaded: what runs is stopped and started, and nothing else") {
        every_state([&](UnitState s) {
            CAPTURE(text(s));
            Transition t = next(s, UnitEvent::Refresh, {});
            if (s.wanted == Wanted::Up && s.actual == Actual::Active) {
                s.again = true;
                s.actual = Actual::Stopping;
                CHECK(t.step == Step::Stop);
            } else {
                CHECK(t.step == Step::None);
            }
            CHECK(t.state == s);
        });
    }

    TEST_CASE("every event while a service is being restarted") {
        const Row kRestarting[] = {
            {"up,starting", {".", "down,starting", "down,starting", ".", "down,starting,hold-down", ".", "up,stopping,again STOP", "up,starting START", ".", ".", ".", ".", "up,failed", ".", ".", "up,waiting", ".", ".", "."}},
            {"up,active", {"up,stopping,again STOP", "down,stopping STOP", "down,stopping STOP", "up,stopping,again STOP", "down,stopping,hold-down STOP", ".", ".", ".", "up,stopping,again STOP", "up,stopping,again STOP", "up,stopping,again STOP", ".", ".", "up,starting START", "up,starting START", "up,waiting", ".", ".", "down,waiting,hold-down"}},
            {"up,stopping", {".", "down,stopping", "down,stopping", ".", "down,stopping,hold-down", ".", "up,starting START", "up,starting START", ".", ".", ".", ".", "up,starting START", ".", ".", ".", ".", ".", "."}},
        };
        for (const Row& row : kRestarting)
            for (size_t i = 0; i < kEvents.size(); ++i) {
                UnitState s = parse(row.state);
                s.again = true;
                CAPTURE(row.state);
                CAPTURE(i);
                std::string expected = std::string(row.next[i]) == "." ? text(s) : row.next[i];
                CHECK(text(next(s, kEvents[i], {})) == expected);
            }
        // Another edge does not begin a start beside the stop that is due.
        CHECK(text(next({Wanted::Up, Actual::Active, Hold::None, true}, UnitEvent::Edge, {.starts_again = true})) ==
              "up,stopping,again STOP");
    }

    TEST_CASE("every event of one that failed, and is to be stopped by hand: it is never called active for that") {
        const Row kLeftOvers[] = {
            {"up,failed,again", {"up,stopping,again STOP", "down,stopping STOP", "down,stopping STOP", "up,stopping,again STOP", "down,stopping,hold-down STOP", "down,waiting", ".", ".", "up,stopping,again STOP", "up,stopping,again STOP", ".", ".", ".", ".", ".", ".", ".", "up,active", "down,waiting,hold-down"}},
            {"down,failed,again", {"up,stopping,again STOP", "down,stopping STOP", "down,stopping STOP", "up,stopping,again STOP", "down,stopping,hold-down STOP", "down,waiting", ".", ".", "up,stopping,again STOP", "down,stopping STOP", ".", ".", ".", ".", ".", ".", ".", "up,active", "down,waiting,hold-down"}},
        };
        for (const Row& row : kLeftOvers)
            for (size_t i = 0; i < kEvents.size(); ++i) {
                UnitState s = parse(row.state);
                CAPTURE(row.state);
                CAPTURE(i);
                std::string expected = std::string(row.next[i]) == "." ? text(s) : row.next[i];
                CHECK(text(next(s, kEvents[i], {})) == expected);
            }
        CHECK(text(next(parse("down,failed,again"), UnitEvent::HandRestart, {})) == "up,stopping,again STOP");
    }

    TEST_CASE("if-never: a start, where nobody has asked for anything yet") {
        for (const Row& row : kService) {
            CAPTURE(row.state);
            UnitState s = parse(row.state);
            bool rests = s == UnitState{};
            CHECK(text(next(s, UnitEvent::Never, {})) == (rests ? "up,starting START" : text(s)));
            CHECK(text(next(s, UnitEvent::Never, {.holds = true})) == (rests ? "up,starting,hold-up START" : text(s)));
            s.hold = Hold::Down;
            CHECK(next(s, UnitEvent::Never, {}).state == s);
        }
        // A `while` is held up until its condition has been true once; then it follows.
        UnitState up{Wanted::Up, Actual::Active, Hold::Up, false};
        CHECK(next(up, UnitEvent::Loss, {.holds = true}).state == up);
        CHECK(text(next(up, UnitEvent::Edge, {.holds = true})) == "up,active");
    }

    TEST_CASE("somebody else runs its script: it starts, unless it runs or is on its way already") {
        for (const Row& row : kService) {
            CAPTURE(row.state);
            UnitState s = parse(row.state);
            bool moves = s.actual == Actual::Starting || s.actual == Actual::Stopping || s.actual == Actual::Active;
            for (UnitKind kind : {UnitKind{}, UnitKind{.task = true}, UnitKind{.holds = true}})
                CHECK(text(next(s, UnitEvent::StartingElsewhere, kind)) == (moves ? text(s) : "up,starting"));
        }
        UnitState down{Wanted::Down, Actual::Done, Hold::Down, false};
        CHECK(text(next(down, UnitEvent::StartingElsewhere, {.task = true})) == "up,starting");
    }

    TEST_CASE("nothing to start: it is absent, also a task that was to be run once more") {
        for (const Row& row : kService) {
            CAPTURE(row.state);
            UnitState s = parse(row.state);
            std::string expected = s.actual != Actual::Starting ? text(s) : std::string(to_string(s.wanted)) + ",absent";
            CHECK(text(next(s, UnitEvent::Missing, {})) == expected);
        }
        CHECK(text(next(parse("up,starting,again"), UnitEvent::Missing, {.task = true})) == "up,absent");
    }

    TEST_CASE("if-running: run starts again what is active; nobody else does") {
        UnitKind again{.starts_again = true}, while_again{.holds = true, .starts_again = true};
        UnitState active{Wanted::Up, Actual::Active, Hold::None, false};
        CHECK(text(next(active, UnitEvent::Edge, again)) == "up,starting START");
        CHECK(text(next(active, UnitEvent::Edge, while_again)) == "up,starting START");
        CHECK(text(next(active, UnitEvent::HandStart, again)) == "up,active");
        CHECK(text(next(active, UnitEvent::Edge, {})) == "up,active");
        CHECK(text(next({Wanted::Up, Actual::Starting, Hold::None, false}, UnitEvent::Edge, again)) == "up,starting");
    }

    TEST_CASE("by hand: a stop holds until start or reset, a start holds a `while` up") {
        UnitKind service{}, held{.task = false, .holds = true};
        UnitState down{Wanted::Down, Actual::Waiting, Hold::Down, false};
        CHECK(next(down, UnitEvent::Edge, service).state == down);
        CHECK(text(next(down, UnitEvent::HandStart, service)) == "up,starting START");
        CHECK(text(next(down, UnitEvent::Reset, service)) == "down,waiting");
        UnitState up = next({Wanted::Down, Actual::Waiting, Hold::None, false}, UnitEvent::HandStart, held).state;
        CHECK(text(up) == "up,starting,hold-up");
        CHECK(next(up, UnitEvent::Loss, held).state == up);
        CHECK(text(next(up, UnitEvent::Edge, held)) == "up,starting");
        CHECK(text(next({Wanted::Up, Actual::Active, Hold::Up, false}, UnitEvent::StopEdge, held)) ==
              "down,stopping STOP");
    }

    TEST_CASE("elsewhere: what was done already, as by hand; of a task it says nothing") {
        UnitKind service{}, held{.holds = true}, task{.task = true};
        UnitState rests{Wanted::Down, Actual::Waiting, Hold::Down, false};
        CHECK(text(next(rests, UnitEvent::StartedElsewhere, service)) == "up,active");
        CHECK(text(next(rests, UnitEvent::StartedElsewhere, held)) == "up,active,hold-up");
        UnitState up = next(rests, UnitEvent::StartedElsewhere, held).state;
        CHECK(next(up, UnitEvent::Loss, held).state == up);
        CHECK(text(next(up, UnitEvent::StoppedElsewhere, held)) == "down,waiting,hold-down");
        UnitState stopped = next(up, UnitEvent::StoppedElsewhere, held).state;
        CHECK(next(stopped, UnitEvent::Edge, held).state == stopped);
        UnitState done{Wanted::Up, Actual::Done, Hold::None, false};
        CHECK(next(done, UnitEvent::StartedElsewhere, task).state == done);
        CHECK(next(done, UnitEvent::StoppedElsewhere, task).state == done);
    }

    TEST_CASE("asked by another unit: as by hand, but a person's stop stands") {
        UnitKind service{}, task{.task = true, .holds = false};
        CHECK(text(next({Wanted::Down, Actual::Waiting, Hold::Down, false}, UnitEvent::Asked, service)) ==
              "down,waiting,hold-down");
        CHECK(text(next({Wanted::Up, Actual::Done, Hold::None, false}, UnitEvent::Asked, task)) ==
              "up,starting START");
        CHECK(text(next({Wanted::Up, Actual::Starting, Hold::None, false}, UnitEvent::Asked, task)) == "up,starting");
        CHECK(text(next({Wanted::Up, Actual::Active, Hold::Up, false}, UnitEvent::Yield, service)) ==
              "up,stopping,hold-up STOP");
    }

    TEST_CASE("what holds for every state, event and kind") {
        for (UnitKind kind : {UnitKind{false, false}, UnitKind{true, false}, UnitKind{false, true}, UnitKind{true, true},
                              UnitKind{.starts_again = true}, UnitKind{.holds = true, .starts_again = true}})
            every_state([&](const UnitState& s) {
                std::vector<UnitEvent> events(kEvents.begin(), kEvents.end());
                events.insert(events.end(), kMoreEvents.begin(), kMoreEvents.end());
                for (UnitEvent event : events) {
                    Transition t = next(s, event, kind);
                    CAPTURE(text(s));
                    CAPTURE(static_cast<int>(event));
                    // A job is only begun when none runs, or when the one that ran has just ended.
                    bool was_running = s.actual == Actual::Starting || s.actual == Actual::Stopping;
                    bool ended = event == UnitEvent::JobDone || event == UnitEvent::JobFailed ||
                                 event == UnitEvent::FoundRunning ||
                                 (event == UnitEvent::Missing && s.actual == Actual::Starting) ||
                                 (event == UnitEvent::Pause && s.actual == Actual::Starting);
                    if (was_running && !ended) CHECK(t.step == Step::None);
                    if (was_running && !ended) CHECK(t.state.actual == s.actual);
                    // The state says so while a job runs, and only then.
                    if (t.step == Step::Start) CHECK(t.state.actual == Actual::Starting);
                    if (t.step == Step::Stop) CHECK(t.state.actual == Actual::Stopping);
                    bool running = t.state.actual == Actual::Starting || t.state.actual == Actual::Stopping;
                    bool still = was_running && !ended;
                    bool foreign = event == UnitEvent::StartingElsewhere && s.actual != Actual::Active;
                    CHECK(running == (t.step != Step::None || still || foreign));
                    // Nothing starts what is held down, and nothing runs that is held down without being
                    // on its way to a stop.
                    if (t.state.hold == Hold::Down && s.hold == Hold::Down && s.wanted == Wanted::Down && !s.again)
                        CHECK(t.step != Step::Start);
                    if (t.step == Step::Start) CHECK((t.state.wanted == Wanted::Up || s.again));
                }
            });
    }

    TEST_CASE("the words read back") {
        for (Wanted w : kWanted) CHECK(wanted_of(to_string(w)) == w);
        for (Actual a : kActual) CHECK(actual_of(to_string(a)) == a);
        for (Hold h : kHolds) CHECK(hold_of(to_string(h)) == h);
        CHECK_FALSE(wanted_of("sideways"));
        CHECK_FALSE(actual_of(""));
        CHECK_FALSE(hold_of("x"));
        for (Asker a : {Asker::Nobody, Asker::Condition, Asker::Hand, Asker::Unit, Asker::Never}) CHECK(asker_of(to_string(a)) == a);
        for (Owed o : {Owed::Nothing, Owed::Then, Owed::OnFailure}) CHECK(owed_of(to_string(o)) == o);
        CHECK_FALSE(asker_of("me"));
        CHECK_FALSE(owed_of(""));
    }
}
