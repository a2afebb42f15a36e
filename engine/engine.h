// The core: the file to read first. One door in, one list out; the same events at the same times
// give the same actions, so a boot can be recorded and replayed, and a race is a test without luck.
//
//   handle(event):  history  - was it taken in before?            engine/intake/history.h
//                   table    - what does it do to the devices?    engine/model/device_table.h
//                   planner  - whom does that concern, and what   engine/plan/planner.h
//                              should happen?
//
// The shell (shell.h) brings the events and carries out the actions.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "engine/intake/event.h"
#include "engine/intake/history.h"
#include "engine/plan/planner.h"

namespace devmux {

// The kernel's socket overran, or a message of its was cut off: events are gone. The shell walks
// sysfs again and feeds a Snapshot.
struct EventsLost {};

// The socket was read empty after a walk. A walk is not atomic: what it found may have gone before it
// ended, and the events that say so wait in the socket. Conditions are asked when both are in.
struct CaughtUp {};

struct DeadlineReached {};

// By hand, from a client.
struct HandRequest {
    std::string unit;
    UnitEvent event = UnitEvent::HandStart;
    bool clear_latches = false;  // of Reset
};

struct NewConfiguration {
    std::shared_ptr<const Configuration> configuration;
};

using Event = std::variant<DeviceEvent, LookedAt, Snapshot, CaughtUp, ColdplugComplete, EventsLost, ModulesSeen,
                           FileSeen, JobEnded, DeadlineReached, HandRequest, NewConfiguration>;

struct Counters {
    uint64_t received = 0;    // events of the kernel's, parsed
    uint64_t synthetic = 0;   // of these: somebody asked for them
    uint64_t duplicate = 0;   // taken in before
    uint64_t late = 0;        // something newer was known of the device
    uint64_t looked = 0;      // devices that were read from sysfs again, in doubt
    uint64_t lost = 0;        // times that events were lost
    uint64_t resync_adds = 0, resync_removes = 0, resync_changes = 0;  // found by walking again
};

class Engine {
  public:
    // `kernel_command_line`: of /proc/cmdline. `now` begins the count to "settled".
    Engine(std::shared_ptr<const Configuration> configuration, std::string kernel_command_line,
           Time now, SettleTimes settle = {});

    // Puts the configuration in force, with what a former engine of this boot left. Call once.
    void start(const SavedState& saved, Time now, Actions& actions);
    void handle(const Event& event, Time now, Actions& actions);
    Time next_deadline() const { return planner_.next_deadline(); }

    const World& world() const { return world_; }
    const Planner& planner() const { return planner_; }
    const Counters& counters() const { return counters_; }
    bool knows(std::string_view devpath) const { return world_.table.find(devpath) != nullptr; }
    bool has_taken(uint64_t seqnum) const { return history_.knows(seqnum, Level::Seen); }

  private:
    void take(const DeviceEvent& event, Time now, Actions& actions);
    void take(const LookedAt& look, Time now, Actions& actions);
    void take(const Snapshot& snapshot, Time now, Actions& actions);
    void take(const CaughtUp&, Time now, Actions& actions);
    void take(const ColdplugComplete&, Time now, Actions& actions);
    void take(const EventsLost&, Time now, Actions& actions);
    void take(const ModulesSeen& modules, Time now, Actions& actions);
    void take(const FileSeen& file, Time now, Actions& actions);
    void take(const JobEnded& end, Time now, Actions& actions);
    void take(const DeadlineReached&, Time now, Actions& actions);
    void take(const HandRequest& request, Time now, Actions& actions);
    void take(const NewConfiguration& fresh, Time now, Actions& actions);

    std::shared_ptr<const Configuration> configuration_;
    World world_;
    History history_;
    Planner planner_;
    Counters counters_;
    std::vector<DeviceChange> changes_;  // kept for its capacity
};

}  // namespace devmux
