// What must be at rest, said naively: for each unit a few lines over what the machine's sysfs has. And
// the units themselves.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/model/configuration.h"
#include "tests/plan/storm_daemon.h"
#include "tests/plan/storm_machine.h"

namespace devmux::test {

// Two configurations, between which a reload goes to and fro.
enum class Plan : unsigned char { One, Other };
std::shared_ptr<const Configuration> storm_configuration(Plan plan);

// What each unit's condition asks, of which only what is there decides.
bool wanted(const std::string& unit, Plan plan, const Machine& machine);

// The first thing that is not as it must be; empty: all is well. `failed`: a job has failed.
struct Past {
    bool failed = false, crashed = false, other_plan = false;
};
std::string trouble_at_rest(Plan plan, const Machine& machine, Daemon& daemon, const Past& past);

// The part of it that is about devices: the table is sysfs, and nothing of it is in doubt or awaited.
std::string trouble_of_table(const Machine& machine, Daemon& daemon);

// … at any time: what was run for events.
std::string trouble_of_runs(const Machine& machine, const Daemon& daemon);

}  // namespace devmux::test
