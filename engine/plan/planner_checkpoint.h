// All that the planner remembers, as plain data: for a recording that begins on a running engine. What
// follows from the units (indices, jobs, deadlines) is not in it.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "engine/plan/event_runs.h"
#include "engine/plan/managed.h"
#include "engine/plan/settle.h"
#include "engine/plan/watch_index.h"

namespace devmux {

struct PlannerCheckpoint {
    // An event of an each-event unit that waits for udev's word, or for attributes.
    struct WaitingRun {
        std::string unit, devpath, action, block;
        uint64_t seqnum = 0;
        bool synthetic = false, for_udev = false;
        Time at{};
    };
    struct Handled {
        std::string unit, devpath;
        Generation generation;
    };
    struct RanUpto {
        std::string unit, devpath;
        uint64_t seqnum = 0;
    };
    // A device that may get an instance of a unit: waits like the queue.
    struct Coming {
        std::string unit, devpath;
    };
    std::deque<Managed> units;      // in the planner's order
    std::deque<UnitIndex> queue;    // of what is still to be looked at: empty unless a walk is under way
    std::deque<UnitIndex> begin;    // of what is to be begun: the same
    std::vector<UnitIndex> for_slot;  // as many were starting as may
    std::vector<Coming> comings;
    EventRuns::Checkpoint runs;
    std::vector<Handled> handled;
    std::vector<WaitingRun> waiting;  // of one device and unit in order
    std::vector<RanUpto> ran_upto;
    SavedState absent;
    Settle::Checkpoint settle;
    bool held = false;
    JobId last_job = 0;
};

}  // namespace devmux
