// What the plan answers with: the closed list of things that the shell can be asked to do. They are
// carried out in order; a record stands before the job that it remembers.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "engine/plan/job.h"
#include "engine/plan/saved.h"

namespace devmux {

// Read this devpath in sysfs again, after `delay`, and feed a LookedAt.
struct LookAgain {
    std::string devpath;
    Duration delay{};
};

// Read the attributes of this device again, and feed an AttributesRead: one of them is not there yet.
struct ReadAttributes {
    std::string devpath;
    std::string subsystem;
};

// Is udevd there, and idle? Feed a UdevSeen.
struct LookAtUdev {};

// Does /proc/modules show a module that is loading? Feed a ModulesSeen.
struct LookAtModules {};

// What does this job wait in? Feed a JobSeen, in any case.
struct LookAtJob {
    JobId job = 0;
};

// Send this signal to the processes of a job, each alone, but to none that loads a module; the kernel's
// log gets to know before. Feed a JobSignalled, in any case.
struct KillJob {
    JobId job = 0;
    int signal = 0;
    std::string unit, reason;
};

// For the kernel's log: one that outlives us, where a machine hangs.
struct TellKernel {
    std::string text;
};

// Something that a person may want to know; one line. Empty unit: about the engine.
struct Report {
    enum class Level : unsigned char { Info, Warning, Error };
    Level level = Level::Info;
    std::string unit;
    std::string text;
};

// A unit moved: whoever waits for it, or watches, may want to look.
struct UnitChanged {
    std::string unit;
};

using PlanAction = std::variant<Record, RunJob, AdoptJob, LookAgain, ReadAttributes, LookAtUdev, LookAtModules,
                                LookAtJob, KillJob, TellKernel, Report, UnitChanged>;
using Actions = std::vector<PlanAction>;

}  // namespace devmux
