// All of a core at one moment, as plain data. A recording that begins on a running engine begins with
// it (recording/checkpoint_text.h), and a core that was given it decides as the first one would have.
#pragma once

#include <map>
#include <set>
#include <string>

#include "engine/intake/history.h"
#include "engine/model/device_checkpoint.h"
#include "engine/plan/carriers.h"
#include "engine/plan/job_limits.h"
#include "engine/plan/known_links.h"
#include "engine/plan/known_mounts.h"
#include "engine/plan/late_attributes.h"
#include "engine/plan/planner_checkpoint.h"
#include "engine/plan/udev_wait.h"

namespace devmux {

struct Checkpoint {
    bool coldplug = false, doubted = false, settled = false;
    std::map<std::string, Truth> files;
    KnownMounts mounts;
    KnownLinks links;
    std::string runlevel, mode;
    std::map<std::string, ScriptRunlevels> scripts;
    bool going_down = false;
    Truth carried = Truth::False;
    Carriers carriers;  // of these what does not follow from the rest
    DeviceTableCheckpoint table;
    History::Checkpoint history;
    PlannerCheckpoint planner;
    UdevWait::Checkpoint udev;
    std::vector<LateAttributes::Due> late;
    std::vector<JobLimits::Job> limits;
    Time down_since = kNever;
    std::set<std::string, std::less<>> last_looks;
    uint64_t unready = 0;  // of the counters the only one that a decision depends on
};

}  // namespace devmux
