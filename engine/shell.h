// The shell acts: it brings events to the core and carries out what the core answers. It decides nothing.
// Everything that touches the machine is here or is given here: sysfs, sockets, runner, journal, log, bus.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/guard_desk.h"
#include "engine/intake/files.h"
#include "engine/intake/hotplug.h"
#include "engine/intake/links.h"
#include "engine/intake/mounts.h"
#include "engine/intake/netlink.h"
#include "engine/intake/resume.h"
#include "engine/intake/runlevel.h"
#include "engine/intake/sysfs.h"
#include "engine/intake/sysfs_reader.h"
#include "engine/intake/udev.h"
#include "engine/loop.h"
#include "engine/recordings.h"
#include "engine/run/claims.h"
#include "engine/run/job_probe.h"
#include "engine/run/journal.h"
#include "engine/run/notify_socket.h"
#include "engine/run/process.h"
#include "engine/run/runner.h"
#include "engine/run/runtime_dir.h"
#include "engine/run/saved_state.h"
#include "engine/run/unit_log.h"
#include "engine/services.h"
#include "engine/shell_config.h"
#include "engine/shell_waits.h"
#include "engine/status/bus.h"
#include "engine/status/control.h"
#include "engine/status/log.h"
#include "engine/units_on_disk.h"

namespace devmux {

// Errors as they are told: one text each, with place and caret.
std::vector<std::string> texts_of(const Errors& errors);

class Shell final : public Control, private ChildWatch {
  public:
    Shell(ShellConfig config, Loop& loop, Log& log);
    ~Shell() override;

    // Listens, loads, walks. The error says why the engine cannot run at all.
    std::optional<Error> start();
    // What is known may be out of date (SIGCONT, resume, loss): it is unknown until sysfs was walked.
    void doubt(InDoubt::Why why);

    // Control
    EngineSnapshot engine() const override;
    std::vector<UnitSnapshot> units() const override;
    std::optional<UnitSnapshot> unit(const std::string& name) const override;
    Result<std::vector<DeviceSnapshot>> devices(const std::string& class_name) const override;
    std::vector<ClassSnapshot> classes() const override;
    Result<EvalSnapshot> eval(const std::string& condition) override;
    std::optional<Error> start(const std::string& unit) override;
    std::optional<Error> stop(const std::string& unit) override;
    std::optional<Error> restart(const std::string& unit) override;
    std::optional<Error> force_stop(const std::string& unit) override;
    std::optional<Error> force_restart(const std::string& unit) override;
    std::optional<Error> refresh(const std::string& unit) override;
    std::optional<Error> reset(const std::string& unit, bool latch) override;
    ReloadSnapshot reload() override;
    std::optional<Error> set_source(const std::string& name, bool on) override;
    std::optional<Error> set_mode(const std::string& mode) override;
    void shut_down(bool down) override;
    Ticket when_at_rest(const std::string& unit, std::function<void(const UnitSnapshot&)> tell) override;
    Result<Ticket> when_true(const std::string& condition, std::function<void()> tell) override;
    void cancel(Ticket ticket) override;
    Result<Descriptor> record(bool checkpoint_alone) override;
  private:
    // shell.cc: events in, actions out; jobs: shell_jobs.cc
    std::optional<Error> open_runtime(SavedState& saved);
    std::optional<Error> open_guard();
    void take_claims();
    void feed(const Event& event);
    void handle(const Event& event);
    void carry_out(const PlanAction& action);
    void handle_pending();
    void run(const RunJob& job);
    void run_here(const RunJob& job);  // and not by systemd
    void adopt(const AdoptJob& job);
    void open_services();
    void ask_of(JobId job, const KillJob* kill);
    void await_answer(JobId job);
    void end_questions(Time now);
    void read_notes();
    void report(Report::Level level, const std::string& unit, std::string text);
    void report(const Error& error, Report::Level level, const std::string& unit = "");
    void report_configuration();
    void turn_ended();  // after each callback of the loop
    void on_deadline();
    bool is_known(const std::string& unit) const;
    void print_output(const std::vector<OutputLine>& lines);
    void watch_files();
    void watch_runlevel();  // shell_boot.cc
    void tell_runlevel();
    void read_scripts();
    void watch(int pidfd, JobId job) override;
    void unwatch(int pidfd, JobId job) override;
    // shell_sources.cc: the sockets that events come from
    std::optional<Error> open_source(Transport via);
    void close_source(Transport via);
    void open_monitor();
    bool next(Transport via, Received& received);
    bool is_open(Transport via) const;
    bool& switch_of(Transport via);
    void read_source(Transport via);
    void read_all();
    void read_on();
    void read_kernel_empty();
    bool take(Transport via, const Received& received);
    void source_empty(Transport via);
    // shell_devices.cc: what the machine says
    void take_message(std::string_view bytes, Transport via);
    Standing standing_for(const Uevent& uevent, Transport via) const;
    bool is_from_the_future(uint64_t seqnum) const;
    void read_attributes(std::string_view devpath, std::string_view subsystem);
    void on_answers();
    void take(AttributesRead& read);
    void take(DeviceLooked& looked);
    void take(Walked& walked);
    void take(const ReadStuck& stuck);
    void walk();
    void caught_up();
    void may_be_complete();
    void complete_coldplug();
    bool numbers_are_in() const;
    UdevSeen look_at_udev();
    // shell_tell.cc: what people ask
    UnitSnapshot describe(const Managed& managed, bool explain) const;
    std::string waiting_text(const Managed& managed, Time now) const;
    UnitSnapshot describe_broken(const std::string& name) const;
    bool is_unloaded(const std::string& name) const;
    std::optional<Error> by_hand(HandRequest request);
    Error why_absent(const std::string& name, const std::vector<UnitSnapshot>& all) const;
    std::vector<AbsentUnit> absent_units(const Condition& condition) const;
    Error name_an_instance(const Managed& m) const;
    void tell_instances(const Managed& m, UnitSnapshot& s) const;
    void look_at_waits();
    void read_waits_again();
    bool waits_for_file(const Condition& condition) const;
    void open_mounts();  // shell_mounts.cc
    void watch_mounts();
    bool ask_mounts(const Condition& condition);
    bool waits_for_mount(const Condition& condition) const;
    void watch_links();  // shell_links.cc
    void close_links();
    bool read_links();
    void read_links_first();
    bool ask_links(const Condition& condition);
    bool asks_for_carriers() const;
    bool waits_for_links(const Condition& condition) const;
    bool needs_more(const Condition& condition) const;
    void remember(const Condition& asked);
    void renew_needs(bool look);

    ShellConfig config_;
    Loop& loop_;
    Log& log_;
    Time started_;
    std::shared_ptr<const Configuration> configuration_;
    std::shared_ptr<const AttributeNeeds> needs_;  // of the configuration, and of who asks meanwhile
    std::deque<std::string> asked_files_, asked_mounts_, asked_routes_;  // by eval; the oldest are forgotten
    bool asked_links_ = false, asked_carriers_ = false;  // the same: the state of some link, or what one carries
    std::deque<std::pair<Condition, size_t>> asked_attributes_;  // the same, and how many attributes
    mutable UnitsOnDisk disk_;
    std::set<std::string> kept_;  // units whose file is broken now; the last good is in force
    std::unique_ptr<Engine> engine_;
    Recordings recordings_;

    // Intake
    Sysfs sysfs_;
    std::optional<SysfsReader> reader_;
    std::optional<NetlinkSource> netlink_;
    std::optional<UdevMonitor> monitor_;
    std::optional<HotplugSocket> hotplug_;
    std::optional<ResumeWatch> resume_;
    std::optional<FileWatch> files_;
    std::optional<MountWatch> mounts_;
    std::optional<LinkWatch> links_;
    bool links_failed_ = false;  // it could not be opened, and that was told
    uint64_t links_lost_ = 0, all_links_lost_ = 0;  // of links_, and since the start
    std::optional<RunlevelWatch> runlevel_;
    std::optional<std::string> of_utmp_, told_runlevel_;
    std::string of_targets_;  // systemd's
    std::multimap<Time, std::string> looks_;  // devpaths to look at again, and when
    std::shared_ptr<std::atomic<bool>> ask_records_ = std::make_shared<std::atomic<bool>>(false);
    std::array<std::optional<InDoubt::Why>, 3> lost_;  // by Transport: until it is read empty
    std::set<Transport> behind_;  // a walk was made, and these were not read empty since
    uint64_t doubted_at_ = 0;     // uevent_seqnum: a walk that began before proves nothing
    bool walked_ = false, walking_ = false, owed_ = false;  // owed: a walk was taken in, and CaughtUp not yet
    Time resync_due_ = kNever;    // a walk that failed, or an event that made no sense: look again
    std::optional<InDoubt::Why> resync_why_;
    Time udev_due_ = kNever;      // udevd's control socket is there, and nobody listens yet
    UdevPresence udev_ = UdevPresence::Absent;
    uint64_t walk_began_ = 0, walk_ended_ = 0;  // uevent_seqnum
    Time complete_due_ = kNever;  // numbers that are still missing then were somebody else's
    uint64_t refused_ = 0, malformed_ = 0, unsaved_ = 0, failed_walks_ = 0;  // walks: since one succeeded

    // Run
    std::optional<RuntimeDir> runtime_;
    std::string boot_id_;
    std::optional<Journal> journal_;
    std::unique_ptr<ProcessSpawner> spawner_;
    std::optional<UnitLog> unit_log_;
    std::optional<NotifySocket> notes_;  // of daemons that become ready
    std::optional<Runner> runner_;
    std::optional<Services> services_;
    std::optional<JobProbe> probe_;
    struct AskedAfter {
        JobId job = 0;
        bool told = false;
        Duration pause{};  // before it was to be killed once more
    };
    std::multimap<Time, AskedAfter> asked_after_;  // `status` of starts that nobody saw end, and until when
    // Status
    std::unique_ptr<Bus> bus_;
    std::optional<GuardDesk> guard_;
    std::map<Ticket, RestWait> rest_waits_;
    std::map<Ticket, TruthWait> truth_waits_;
    Ticket last_ticket_ = 0;
    Time waits_due_ = kNever;
    bool moved_ = false;  // something happened that a wait may wait for
    std::deque<Event> pending_;  // what carrying out an action brought
    Actions actions_;            // kept for its capacity
};

}  // namespace devmux
