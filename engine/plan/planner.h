// What should happen. The planner is told what changed, asks the conditions that it concerns, moves
// units by the transition table (unit_state.h), and answers with actions and its next deadline. It
// opens no file, reads no clock and starts no process: the same calls give the same answers.
//
// Units to be looked at stand in a queue, drained to rest before a call returns. No recursion.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/model/configuration.h"
#include "engine/plan/action.h"
#include "engine/plan/cause.h"
#include "engine/plan/event_runs.h"
#include "engine/plan/gate.h"
#include "engine/plan/managed.h"
#include "engine/plan/planner_checkpoint.h"
#include "engine/plan/settle.h"
#include "engine/plan/taken_down.h"
#include "engine/plan/unit_graph.h"
#include "engine/plan/watch_index.h"
#include "engine/plan/world.h"

namespace devmux {

class Planner {
  public:
    // At most `parallel` units are starting at a time; runs of each-event units are not counted.
    Planner(World& world, Time now, SettleTimes settle = {}, size_t parallel = kParallel);
    static constexpr size_t kParallel = 16;

    // The first configuration, and each reload: states, verdicts and jobs are carried over by name.
    // `saved`: with the first one, what a former engine of this boot left behind.
    void use(std::shared_ptr<const Configuration> configuration, Time now, Actions& actions, const SavedState* saved = nullptr);

    // `event` is the one that did it, where there is one; `repeated`: the kernel's copy was taken in before.
    void devices_changed(const std::vector<DeviceChange>& changes, const DeviceEvent* event, bool repeated, Time now, Actions& actions);
    void fact_changed(const FactKey& fact, Time now, Actions& actions) { facts_changed({fact}, now, actions); }
    void facts_changed(const std::vector<FactKey>& facts, Time now, Actions& actions);
    // The links of these devices, and what else hangs on links.
    void links_changed(const std::vector<const Device*>& devices, const std::vector<FactKey>& facts, Time now, Actions& actions);
    // planner_carriers.cc: other links carry / or /usr now; conditions are asked with what else is new.
    void carriers_changed(Time now, Actions& actions);
    // Why a person's stop or restart of the unit is refused; empty: it is not.
    std::string refusal(UnitIndex unit, UnitEvent event) const;
    // planner_boot.cc: what init does
    void boot_changed(bool another_runlevel, Time now, Actions& actions);
    void go_down(bool down, Time now, Actions& actions);
    bool is_down() const;
    // Between a walk and the events that waited meanwhile: a picture of no moment that ever was is not evaluated.
    void hold() { held_ = true; }
    void caught_up(Time now, Actions& actions);
    // Every condition is asked anew, at the next evaluation; go_on() makes one.
    void ask_all();
    void go_on(Time now, Actions& actions);
    // Coldplug is complete: from now on what was not seen is absent.
    void coldplug_complete(Time now, Actions& actions);
    void modules_seen(const ModulesSeen& modules, Time now, Actions& actions);
    void job_ended(const JobEnded& end, Time now, Actions& actions);
    // A job of the unit has run longer than it may; or none does so any more.
    void set_overdue(std::string_view unit, bool overdue, Time now, Actions& actions);
    void daemon_ready(JobId job, Time now, Actions& actions);
    void service_seen(const ServiceSeen& seen, Time now, Actions& actions);
    void script_started(const ScriptStarted& seen, Time now, Actions& actions);
    std::optional<JobId> stop_of(JobId daemon) const;  // the one that is over when this daemon has ended
    // Events that wait for udev's word: since when, of which devices since `then`, and that it will not come.
    std::optional<Time> event_waits_since() const;
    std::vector<std::string> events_waiting_since(Time then) const;
    void give_up_udev(std::string_view devpath, Time now, Actions& actions);
    void by_hand(UnitIndex unit, UnitEvent event, bool force, Time now, Actions& actions);
    void clear_latches(UnitIndex unit, Time now, Actions& actions);
    Time next_deadline() const;
    void deadline(Time now, Actions& actions);

    // For those who tell.
    const std::deque<Managed>& units() const { return units_; }
    std::optional<UnitIndex> find(std::string_view name) const;
    bool leaves_alone(const std::string& name) const;  // it is not in force, and was up under a former engine
    const Configuration& configuration() const { return *configuration_; }
    const EventRuns& event_runs() const { return runs_; }
    // Why its start, or its next run, is held back or waits for another try, and how long still; empty: it is not.
    std::string held_back(const Managed& m, Time now) const;
    // Which unit its start or stop waits for, and what that one waits for; empty: for none.
    std::string waiting_text(UnitIndex unit, Time now) const;
    // It has a job, or will have one as soon as others that move have come to rest.
    bool is_moving(const Managed& m) const;
    std::string never_text(const Managed& m, Time now) const;  // why if-never was acted upon
    const WatchIndex& conditions_index() const { return watchers_; }

    // planner_instances.cc: of a for-each unit, in the order of names; why a unit is there without a file.
    std::vector<UnitIndex> instances_of(UnitIndex unit) const;
    std::string orphan_text(const Managed& m) const;
    // For recordings (planner_checkpoint.cc). restore() is for a planner that has no units.
    PlannerCheckpoint checkpoint() const;
    void restore(std::shared_ptr<const Configuration> configuration, const PlannerCheckpoint& from);

  private:
    void restore(const SavedState& saved, Time now, Actions& actions);
    std::set<UnitIndex> creditors_of(const SavedState& saved) const;
    void look_again(Actions& actions);
    void watch(UnitIndex unit);
    void mark(UnitIndex unit);
    void mark_watchers(const DeviceChange& change, Actions& actions);
    void drain(Time now, Actions& actions);
    void reconsider(UnitIndex unit, Time now, Actions& actions);
    bool lost_for_good(Managed& m, Truth truth, Time now);
    void save_latches(const Managed& m, const Condition& condition, const Memory& before, const Memory& after, Actions& actions);
    void apply(UnitIndex unit, UnitEvent event, const std::string& reason, Time now, Actions& actions);
    bool may_begin(UnitIndex unit, UnitEvent event, Time now, Actions& actions);
    void run(UnitIndex unit, Step step, const std::string& reason, bool was_held_back, Time now, Actions& actions);
    std::string start_variables(const Managed& m) const;
    void set_deadline(UnitIndex unit, Time deadline);
    void restore_unit(Managed& m, UnitIndex unit, const SavedUnit& saved, const SavedState& state, Time now, Actions& actions);
    TakenDown taken_down_with(UnitIndex unit) const;  // planner_carriers.cc: what is not stopped
    std::vector<UnitIndex> going_with(UnitIndex unit) const;
    bool keep(UnitIndex unit, Actions* actions);
    void keep_no_more(UnitIndex unit);
    // planner_graph.cc: who waits for whom
    Gate start_gate(UnitIndex unit) const;
    Gate stop_gate(UnitIndex unit) const;
    bool stands(const Need& need) const;
    bool is_lost(const Need& need) const;
    bool needs(UnitIndex unit, UnitIndex other) const;
    void pend(UnitIndex unit);
    void fall_in(UnitIndex unit);
    void note_move(UnitIndex unit, const UnitState& before);
    void lose(UnitIndex unit);
    void pend_neighbours(UnitIndex unit);
    void ask_for_needs(UnitIndex unit, bool afresh);
    void begin_or_wait(UnitIndex unit, Time now, Actions& actions);
    void wait_for(UnitIndex unit, const Gate& gate, Time now, Actions& actions);
    void pay(UnitIndex unit, Time now, Actions& actions);
    void build_graph();
    void line_up();
    void free_slot();
    std::vector<UnitIndex> startable(const Need& need) const;  // planner_facilities.cc: who is started for a facility
    bool asks_for(const Need& need, bool afresh) const;
    std::string facility_text(UnitIndex unit, const std::string& facility, bool& chooses) const;
    // planner_instances.cc: for-each
    void note_devices(const DeviceChange& change, Actions& actions);
    void look_for_devices(UnitIndex unit);
    void take_in_devices(Time now, Actions& actions);
    bool has_instance(const std::string& of, const Device& device) const;
    void come(UnitIndex unit, const Device& device, Time now, Actions& actions);
    UnitIndex place_for(UnitIndex unit, const std::string& name, Time now);
    void settle_instance(UnitIndex unit, Time now, Actions& actions);
    void succeed(UnitIndex unit, const Device& device, Time now, Actions& actions);
    void vacate(UnitIndex unit, Time now, Actions& actions);
    void attach(UnitIndex unit);
    void set_device(UnitIndex unit, InstanceDevice device);
    void restore_instances(SavedState& saved, Time now);
    void each_meant(UnitIndex unit, const std::function<void(UnitIndex)>& visit) const;
    void set_job_of_instance(RunJob& job, const Managed& m) const;
    // planner_boot.cc: what init does
    Time look_at_boot_if(UnitIndex unit, Time now, Actions& actions);
    const ScriptRunlevels* runlevels_of(const Managed& m) const;
    Gate boot_gate(const Managed& m) const;
    bool is_put_down(const Managed& m) const;
    std::string put_down_text() const;
    // planner_flapping.cc: starts that repeat
    bool may_start(Managed& m, Time now, Actions& actions);
    std::string others_held_back(const Managed& m) const;
    void note_start(Managed& m, bool by_hand, Time now, Actions& actions);
    void note_loss(Managed& m, Time now);
    void let_go(UnitIndex unit, Time now, Actions& actions);
    void reconsider_held_back(UnitIndex unit, Truth truth, Time now, Actions& actions);
    // planner_daemons.cc: daemons and services of systemd that end, and starts that are tried again
    void daemon_ended(UnitIndex unit, const JobEnded& end, Time now, Actions& actions);
    bool pauses(Managed& m, bool well, Time now, Actions& actions);
    void retry_if_due(UnitIndex unit, Truth truth, Time now, Actions& actions);
    bool restore_daemon(UnitIndex unit, const SavedUnit& saved, const SavedState& state, Time now, Actions& actions);
    // planner_refresh.cc: services that are reloaded when their devices are others
    static SavedRefresh saved_refresh(const Managed& m);
    std::set<std::string> devices_of(const Managed& m, std::set<std::string>& maybe) const;
    void serve_what_is_there(Managed& m);
    void look_at_devices(UnitIndex unit, Time now, Actions& actions);
    void refresh_if_due(UnitIndex unit, Time now, Actions& actions);
    void reload_ended(UnitIndex unit, const JobEnded& end, Time now, Actions& actions);
    void refresh_by_hand(UnitIndex unit, Time now, Actions& actions);
    void restore_refresh(UnitIndex unit, const SavedState& state, Actions& actions);
    static void carry_refresh(Managed& m, const Unit* before);
    void await_unit_of(const ScriptStarted& seen, Actions& actions);  // planner_scripts.cc
    void stopped_by_script(UnitIndex unit, Time now, Actions& actions);
    void look_at_link(const Device& device, Time now, Actions& actions);  // planner_carriers.cc
    void consider_never(UnitIndex unit, Time now, Actions& actions);  // planner_never.cc: conditions that never were true
    // planner_events.cc: each-event units
    using RunKey = std::pair<std::string, std::string>;  // devpath, unit
    void run_events(const std::vector<DeviceChange>& changes, const DeviceEvent* event, bool repeated, Time now, Actions& actions);
    void run_event(const Device& device, DeviceRun run, bool wait_for_udev, Time now, Actions& actions);
    void run_or_keep(UnitIndex unit, const Device& device, DeviceRun run, bool wait_for_udev, Time now, Actions& actions);
    void run_processed(const Device& device, const Uevent& uevent, bool repeated, Time now, Actions& actions);
    bool run_now(const Managed& m, const Device& device, const DeviceRun& run, bool gone, Time now, Actions& actions);
    void run_waiting(const Device& device, const std::function<bool(const DeviceRun&)>& may, bool gone, Time now, Actions& actions);
    void forget(std::string_view devpath, Actions& actions);
    bool await_no_more(DeviceRun& run);
    void forget_units_that_went();
    void moved_events(const DeviceChange& change, Actions& actions);
    void report_settled(Time now, Actions& actions);

    World& world_;
    std::shared_ptr<const Configuration> configuration_ = std::make_shared<Configuration>();
    std::deque<Managed> units_;
    std::map<std::string, UnitIndex, std::less<>> by_name_;
    WatchIndex watchers_;        // of conditions
    WatchIndex event_watchers_, for_each_watchers_;
    std::map<UnitIndex, std::vector<UnitIndex>> places_;  // of a for-each unit: of its instances, vacant ones too
    std::multimap<std::string, UnitIndex, std::less<>> at_;  // instances, by the devpath of their device
    std::set<std::pair<UnitIndex, std::string>> comings_;    // devices that may get an instance, of which unit
    std::set<std::string, std::less<>> linked_;              // who is named in the links of others
    std::unordered_map<JobId, UnitIndex> jobs_;
    std::deque<UnitIndex> queue_;  // their conditions are to be asked
    UnitGraph graph_;
    struct Ask { UnitIndex unit = 0; std::string reason; };
    std::deque<Ask> asks_;          // by units that need them: empty between calls
    std::deque<UnitIndex> owing_;   // who has others to start (`then`): empty between calls
    std::set<UnitIndex> unpaid_;    // the same, while the condition of one of those is not known
    std::set<UnitIndex> kept_;      // who is not stopped (Managed::kept)
    std::deque<UnitIndex> begin_;   // what is wanted of them is to be begun
    std::set<UnitIndex> for_slot_;  // as many are starting as may
    size_t starting_ = 0, parallel_ = kParallel;
    std::set<std::pair<Time, UnitIndex>> deadlines_;
    EventRuns runs_;
    std::map<RunKey, Generation> handled_;  // each-event `add` runs of a former engine, and ours: of which device
    // Events that cannot be run yet, in order; the last that did not wait for udev, whose copy runs nothing.
    std::map<RunKey, std::deque<DeviceRun>> waiting_runs_;
    std::map<RunKey, uint64_t> ran_upto_;
    std::multiset<Time> for_udev_since_;  // of those that wait for udev
    // Units of this boot that are not in force now: a file that comes back finds its unit as it left it.
    SavedState absent_;
    Settle settle_;
    bool held_ = false;
    JobId last_job_ = 0;
    Cause cause_;
};

}  // namespace devmux
