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

// for-each: one instance for each matching device, `unit@sysname`.
struct ForEach {
    DeviceTerm devices;
    unsigned most = 64;  // instances at a time
    bool operator==(const ForEach& other) const {
        return to_string(devices) == to_string(other.devices) && most == other.most;
    }
};

struct Unit {
    std::string name;
    std::string of;           // of an instance: the unit that it is one of; empty: of none
    std::string file;         // who won
    std::string description;
    std::vector<std::string> documentation;
    ConditionKind condition_kind = ConditionKind::None;
    Condition condition;
    std::string condition_text;           // canonical
    std::shared_ptr<const Condition> stop_when;  // null: none
    std::string stop_when_text;
    std::shared_ptr<const Condition> boot_if;    // null: none
    std::string boot_if_text;
    Duration linger{};
    std::shared_ptr<const EachEvent> each_event;  // null: none
    std::shared_ptr<const ForEach> for_each;      // of that unit, and of its instances; null: of others
    std::shared_ptr<const DeviceTerm> refresh;    // reloaded when these are others; null: for none
    // takes-down: the network interfaces that its stop takes down. Null, and not `keeps_links`: it does not say.
    std::shared_ptr<const DeviceTerm> takes_down;
    bool keeps_links = false;  // takes-down: no
    Service service;
    bool is_chosen = false;    // the file of chosen-by names its script
    UnitLinks links;
    bool task = false;
    std::shared_ptr<const TimeLimits> limits;  // of its jobs; null: as usual
    IfRunning if_running = IfRunning::Skip;
    std::optional<IfNever> if_never;      // nothing: it rests, and nothing is said
    Restart restart;
    std::string user;                      // who runs it; empty: the daemon's
    std::vector<std::string> environment;  // "NAME=value"
    Errors warnings;                       // what `check` says beyond errors

    // It has instances, and is never started itself.
    bool is_template() const { return for_each && of.empty(); }
    // Only devices run it: it has no start of its own, by hand or by others.
    bool is_run_by_devices() const { return each_event || is_template(); }
};

// The unit of one instance of `unit`. It differs in its name alone: what its file says of its device is filled
// in when it is started (plan/placeholders.h).
std::shared_ptr<const Unit> instance_unit(const Unit& unit, std::string name);

// Whether two readings of a unit say the same.
bool same_text(const Unit& a, const Unit& b);

}  // namespace devmux
