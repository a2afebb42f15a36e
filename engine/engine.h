// The core: the file to read first. One door in, one list out; the same events at the same times
// give the same actions, so a boot can be recorded and replayed, and a race is a test without luck.
//
//   handle(event):  history  - was it taken in before, and how    engine/intake/history.h
//                              far had it come then?
//                   table    - what does it do to the devices?    engine/model/device_table.h
//                   planner  - whom does that concern, and what   engine/plan/planner.h
//                              should happen?
//
// The shell (shell.h) brings the events and carries out the actions.
#pragma once

#include <array>
#include <memory>
#include <set>
#include <string>
#include <variant>

#include "engine/checkpoint.h"
#include "engine/intake/event.h"
#include "engine/intake/history.h"
#include "engine/plan/job_limits.h"
#include "engine/plan/late_attributes.h"
#include "engine/plan/planner.h"
#include "engine/plan/udev_wait.h"

namespace devmux {

// What is known may not be so any more: events were lost, or the machine or we were away. Nothing is
// certain until the shell has walked sysfs again and feeds a Snapshot that began after this.
struct InDoubt {
    enum class Why : unsigned char {
        Overrun,    // the kernel's socket overran
        Truncated,  // a message did not fit
        Malformed,  // a message made no sense
        Udev,       // udev's socket overran: what it processed is not known
        Resumed,    // the machine was suspended
        Continued,  // this process was stopped (SIGSTOP)
        Switched,   // a source of events was off
    };
    Why why = Why::Overrun;
};

std::string_view to_string(InDoubt::Why why);

// The socket was read empty after a walk. A walk is not atomic: what it found may have gone before it
// ended, and the events that say so wait in the socket. Conditions are asked when both are in.
struct CaughtUp {};

struct DeadlineReached {};

// By hand, from a client.
struct HandRequest {
    std::string unit;
    UnitEvent event = UnitEvent::HandStart;
    bool clear_latches = false;  // of Reset
    bool force = false;          // of a stop or restart: whatever that takes down
};

struct NewConfiguration {
    std::shared_ptr<const Configuration> configuration;
};

using Event = std::variant<DeviceEvent, LookedAt, AttributesRead, Snapshot, CaughtUp, ColdplugComplete, InDoubt,
                           UdevSeen, ModulesSeen, FileSeen, MountsSeen, LinksSeen, RunlevelSeen, ScriptSeen, ModeSet, ShutdownAsked,
                           JobEnded, JobSeen, JobSignalled, DaemonReady,
                           ServiceSeen, ScriptStarted, DeadlineReached, HandRequest, NewConfiguration>;

struct Counters {
    std::array<uint64_t, 3> received{};  // events, by Transport
    uint64_t synthetic = 0;   // of these: somebody asked for them
    uint64_t duplicate = 0;   // taken in before
    uint64_t late = 0;        // something newer was known of the device
    uint64_t looked = 0;      // devices that were read from sysfs again, in doubt
    uint64_t lost = 0;        // times that events were lost
    uint64_t doubts = 0;      // times that everything had to be verified, losses among them
    uint64_t resynced = 0;    // times that it was
    uint64_t resync_adds = 0, resync_removes = 0, resync_changes = 0;  // found by walking again
    uint64_t unready = 0;     // devices that udev never spoke of
};

// When the engine loses patience, and how many units it starts at a time.
struct EngineTimes {
    SettleTimes settle;
    UdevWait::Times udev;
    LateAttributes::Times late;
    JobLimits::Times jobs;
    size_t parallel = Planner::kParallel;
};

class Engine {
  public:
    // `kernel_command_line`: of /proc/cmdline. `now` begins the count to "settled".
    Engine(std::shared_ptr<const Configuration> configuration, std::string kernel_command_line,
           Time now, EngineTimes times = {});

    // Puts the configuration in force, with what a former engine of this boot left. Call once.
    void start(const SavedState& saved, Time now, Actions& actions);
    void handle(const Event& event, Time now, Actions& actions);
    Time next_deadline() const;

    // For recordings: all that it knows, and instead of start() an engine that knows all that.
    Checkpoint checkpoint() const;
    void restore(const Checkpoint& from);
    const EngineTimes& times() const { return times_; }
    const std::shared_ptr<const Configuration>& configuration() const { return configuration_; }

    const World& world() const { return world_; }
    const Planner& planner() const { return planner_; }
    const JobLimits& limits() const { return limits_; }
    const Counters& counters() const { return counters_; }
    bool knows(std::string_view devpath) const { return world_.table.find(devpath) != nullptr; }
    bool has_taken(uint64_t seqnum) const { return history_.knows(seqnum, Level::Seen); }

  private:
    void take(const DeviceEvent& event, Time now, Actions& actions);
    void take(const LookedAt& look, Time now, Actions& actions);
    void take(const AttributesRead& read, Time now, Actions& actions);
    void take(const Snapshot& snapshot, Time now, Actions& actions);
    void take(const CaughtUp&, Time now, Actions& actions);
    void take(const ColdplugComplete&, Time now, Actions& actions);
    void take(const InDoubt& doubt, Time now, Actions& actions);
    void take(const UdevSeen& udev, Time now, Actions& actions);
    void take(const ModulesSeen& modules, Time now, Actions& actions);
    void take(const FileSeen& file, Time now, Actions& actions);
    void take(const MountsSeen& seen, Time now, Actions& actions);
    void take(const LinksSeen& seen, Time now, Actions& actions);
    void take(const RunlevelSeen& seen, Time now, Actions& actions);
    void take(const ScriptSeen& seen, Time now, Actions& actions);
    void take(const ModeSet& set, Time now, Actions& actions);
    void take(const ShutdownAsked& asked, Time now, Actions& actions);
    void take(const JobEnded& end, Time now, Actions& actions);
    void take(const JobSeen& seen, Time now, Actions& actions);
    void take(const JobSignalled& signalled, Time now, Actions& actions);
    void take(const DaemonReady& ready, Time now, Actions& actions);
    void take(const ServiceSeen& seen, Time now, Actions& actions);
    void take(const ScriptStarted& seen, Time now, Actions& actions);
    void take(const DeadlineReached&, Time now, Actions& actions);
    void take(const HandRequest& request, Time now, Actions& actions);
    void take(const NewConfiguration& fresh, Time now, Actions& actions);

    void devices_changed(const DeviceEvent* event, bool repeated, Time now, Actions& actions);
    void go_down(bool down, Time now, Actions& actions);
    void look_at_carriers(Time now, Actions& actions);
    void tell_overdue(Time now, Actions& actions);
    void watch_jobs(size_t since, Time now, const Actions& actions);
    bool is_overtaken(const DeviceEvent& event) const;
    void look_at_dying(Actions& actions);
    void look(std::string_view devpath, Duration delay, Actions& actions);
    void read_again(Actions& actions) const;
    void await_udev(Time now, Actions& actions);
    void looked_for_udev(const std::string& devpath, Time now, Actions& actions);
    std::optional<Time> waiting_since() const;

    EngineTimes times_;
    std::shared_ptr<const Configuration> configuration_;
    World world_;
    History history_;
    Planner planner_;
    UdevWait udev_;
    std::set<std::string, std::less<>> last_looks_;  // at devices that udev may never speak of
    LateAttributes late_;
    JobLimits limits_;
    Counters counters_;
    std::vector<DeviceChange> changes_;  // kept for its capacity
};

}  // namespace devmux
