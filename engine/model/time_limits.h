// How long a unit's jobs may take, and what happens then: the key `timeout` of a unit. Plain data; who
// holds jobs to it is plan/job_limits.h.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "conditions/duration.h"
#include "engine/model/yaml_fields.h"

namespace devmux {

struct TimeLimits {
    enum class Then : unsigned char { Warn, Terminate, Kill };

    // Nothing: as long as for a unit without the key.
    std::optional<Duration> start, stop;
    std::optional<Duration> shutdown;  // of either, when the machine goes down, where that is less
    std::optional<Duration> warn;  // nothing: a third
    Then then = Then::Warn;
    // Of a job that is found in the load or the probe of that driver; kNever: it may take for ever. By
    // the names that driver_name() gives.
    std::map<std::string, Duration> drivers;
    bool operator==(const TimeLimits&) const = default;
};

std::string_view to_string(TimeLimits::Then then);

// A module goes by two spellings: snd-hda-intel.ko is snd_hda_intel in /proc/modules.
std::string driver_name(std::string_view name);

// The value of `timeout`, and back to a text that reads the same.
std::optional<Error> read_time_limits(const Node& node, TimeLimits& out);
std::string time_limits_text(const TimeLimits& limits);

}  // namespace devmux
