// each-event units: one run per event, in the order of the device's events and never overlapping for
// one device, nor for one path (run_order.h). Devices run beside each other, up to a limit. A device
// whose runs cause their own events is braked (flapping.h).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "engine/model/unit.h"
#include "engine/plan/action.h"
#include "engine/plan/flapping.h"
#include "engine/plan/run_order.h"

namespace devmux {

class EventRuns {
  public:
    // Beside each other, and waiting: per device, and in all. What does not fit is dropped, counted
    // and reported; memory stays bounded under a storm that outruns the scripts.
    struct Limits {
        size_t running = 64;
        size_t waiting_per_device = 4096;
        size_t waiting = 65536;
        size_t rested = 256;  // devices of which nothing waits, remembered for a moment
    };
    explicit EventRuns(Limits limits) : limits_(limits) {}
    EventRuns() : EventRuns(Limits{}) {}

    struct Run {
        JobId job = 0;
        std::shared_ptr<const Unit> unit;
        std::string devpath;
        Generation generation;
        std::string action;
        std::string block;
        bool remembered = false;  // an `add`: the engine's successor must not run it again
        std::string from;         // a move: the path that it left
        RunOrder::Behind behind{};  // set when it is added
    };
    void add(Run run, Time now, Actions& actions);
    // The device goes by another path: its runs go on in their order. Of which units an `add` of it waits, which
    // is remembered when it is started.
    std::set<std::string> moved(const std::string& from, const std::string& to);
    // A run that a former engine began and that goes on.
    void adopt(const SavedRun& saved, const SavedMark& mark, Time now, Actions& actions);
    // False when the job is none of these.
    bool job_ended(const JobEnded& end, Time now, Actions& actions);
    // By hand: what is held back may go on, and what was suspected is forgotten.
    void let_go(const std::string& unit, Time now, Actions& actions);
    Time next_deadline() const { return held_.empty() ? kNever : held_.begin()->first; }
    void deadline(Time now, Actions& actions);
    // Whether nothing is begun for now: the machine is going down.
    void hold(bool on) { hold_ = on; }

    // For recordings. Lanes in the order of their keys; of a run, its unit by name.
    struct Checkpoint {
        struct Lane {
            std::string unit, devpath;
            JobId running = 0;
            bool remembered = false;  // of the run under way
            Echo echo{10, 2};
            Time held = kNever, rested = kNever;
            JobId last_here = 0;
            std::vector<Run> waiting;
        };
        std::vector<Lane> lanes;
        std::vector<size_t> ready;  // of `lanes`: those whose turn has not come, in order
        struct Left {
            std::string unit, devpath;
            JobId last = 0;
        };
        std::vector<Left> left;  // who was last to be run at paths that other devices may have now
        bool full = false;
        uint64_t displaced = 0;
    };
    Checkpoint checkpoint() const;
    void restore(const Checkpoint& from);

    struct Numbers {
        uint64_t started = 0, running = 0, waiting = 0, failed = 0;
    };
    Numbers of(const std::string& unit) const;
    uint64_t dropped() const { return dropped_; }
    size_t remembered() const { return lanes_.size(); }
    // Which of the unit's devices are held back; of the one that goes on first, a sentence. Or empty.
    std::string held_back(const std::string& unit, Time now) const;

  private:
    struct Lane {
        JobId running = 0;  // 0: its turn has not come
        std::deque<Run> waiting;
        Echo echo{10, 2};
        Time held = kNever;    // it waits, until then
        Time rested = kNever;  // nothing of it waits; it may be forgotten then
        uint64_t turn = 0;     // its place in ready_; 0: none
        JobId behind = 0;      // its first run waits for that one of another lane
        JobId last_here = 0;   // the last run that was added since the device has this path; 0: none
        bool idle() const { return running == 0 && waiting.empty(); }
    };
    using Key = RunOrder::Key;
    void rename_lane(const Key& from, const Key& to);
    void leave_path(Lane& lane, const Key& key);
    void restore_order(const Checkpoint& from);
    void line_up(Lane& lane, Key key);
    void start_next(Lane& lane, const Key& key, Time now, Actions& actions);
    void fill(Time now, Actions& actions);
    void rest(Lane& lane, const Key& key);
    void forget(Time now);
    void ask_again(Lane& lane, const Key& key);
    static void tell(Lane& lane, Time now, Actions& actions);

    struct Job {
        Key lane;  // of which unit, too
        bool remembered;
    };
    Limits limits_;
    std::map<Key, Lane> lanes_;
    RunOrder order_;
    std::map<uint64_t, Key> ready_;  // by turn: lanes whose first run waits for a free place
    uint64_t turns_ = 0;
    std::set<std::pair<Time, Key>> held_;    // until when, and who
    std::set<std::pair<Time, Key>> rested_;  // when to forget whom
    std::unordered_map<JobId, Job> jobs_;
    std::unordered_map<std::string, Numbers> numbers_;
    size_t waiting_ = 0;
    uint64_t displaced_ = 0;  // lanes whose path another device took over
    uint64_t dropped_ = 0;
    bool full_ = false, hold_ = false;
};

}  // namespace devmux
