// each-event units: one run per event, in the order of the device's events and never overlapping for
// one device. Devices run beside each other, up to a limit.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "engine/model/unit.h"
#include "engine/plan/action.h"

namespace devmux {

class EventRuns {
  public:
    // Beside each other, and waiting: per device, and in all. What does not fit is dropped, counted
    // and reported; memory stays bounded under a storm that outruns the scripts.
    struct Limits {
        size_t running = 64;
        size_t waiting_per_device = 4096;
        size_t waiting = 65536;
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
    };
    void add(Run run, Actions& actions);
    // A run that a former engine began and that goes on.
    void adopt(const SavedRun& saved, const SavedMark& mark, Actions& actions);
    // False when the job is none of these.
    bool job_ended(const JobEnded& end, Actions& actions);

    struct Numbers {
        uint64_t started = 0, running = 0, waiting = 0, failed = 0;
    };
    Numbers of(const std::string& unit) const;
    uint64_t dropped() const { return dropped_; }

  private:
    struct Lane {
        JobId running = 0;  // 0: its turn has not come
        std::deque<Run> waiting;
    };
    using Lanes = std::unordered_map<std::string, Lane>;
    static std::string key_of(const std::string& unit, const std::string& devpath);
    void start_next(Lane& lane, const std::string& key, Actions& actions);
    void fill(Actions& actions);

    struct Job {
        std::string lane, unit;
        bool remembered;
    };
    Limits limits_;
    Lanes lanes_;
    std::deque<std::string> ready_;  // lanes whose first run waits for a free place
    std::unordered_map<JobId, Job> jobs_;
    std::unordered_map<std::string, Numbers> numbers_;
    size_t waiting_ = 0;
    uint64_t dropped_ = 0;
    bool full_ = false;
};

}  // namespace devmux
