// A unit as its file describes it. Plain data, immutable once loaded.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "conditions/condition.h"
#include "conditions/result.h"
#include "engine/intake/event.h"
#include "engine/model/service.h"
#include "engine/model/time_limits.h"
#include "engine/model/unit_links.h"

namespace devmux {

enum class ConditionKind : unsigned char { None, When, While };

// Settled, and the condition has never been true in this boot: start all the same, or say so and rest.
enum class IfNever : unsigned char { Start, Skip };

// each-event: run once for each event of a matching device.
struct EachEvent {
    DeviceTerm devices;
    std::set<Action> actions{Action::Add, Action::Remove};
    bool synthetic = false;  // run for `udevadm trigger` and its like, too
};

struct Unit {
    std::string name;
    std::string file;         // who won
    std::string description;
    std::vector<std::string> documentation;
    ConditionKind condition_kind = ConditionKind::None;
    Condition condition;
    std::string condition_text;           // canonical
    std::shared_ptr<const Condition> stop_when;  // null: none
    std::string stop_when_text;
    Duration linger{};
    std::shared_ptr<const EachEvent> each_event;  // null: none
    std::shared_ptr<const DeviceTerm> refresh;    // reloaded when these are others; null: for none
    Service service;
    UnitLinks links;
    bool task = false;
    std::shared_ptr<const TimeLimits> limits;  // of its jobs; null: as usual
    IfRunning if_running = IfRunning::Skip;
    std::optional<IfNever> if_never;      // nothing: it rests, and nothing is said
    Restart restart;
    std::string user;                      // who runs it; empty: the daemon's
    std::vector<std::string> environment;  // "NAME=value"
    Errors warnings;                       // what `check` says beyond errors
};

// Whether two readings of a unit say the same.
bool same_text(const Unit& a, const Unit& b);

}  // namespace devmux
