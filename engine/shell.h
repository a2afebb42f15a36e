// The shell acts: it brings events to the core and carries out what the core answers. It decides
// nothing. Everything that touches the machine is here or is given here: sysfs, the kernel's socket,
// the runner, the journal, the log and the bus.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/intake/files.h"
#include "engine/intake/netlink.h"
#include "engine/intake/sysfs.h"
#include "engine/loop.h"
#include "engine/model/configuration.h"
#include "engine/run/journal.h"
#include "engine/run/process.h"
#include "engine/run/runner.h"
#include "engine/run/runtime_dir.h"
#include "engine/run/saved_state.h"
#include "engine/run/unit_log.h"
#include "engine/status/bus.h"
#include "engine/status/control.h"
#include "engine/status/log.h"

namespace devmux {

struct ShellConfig {
    std::string version;
    std::string root;         // "" = the machine's own; init scripts and file facts are below it
    std::string sysfs;        // where sysfs and procfs are mounted
    std::string proc;
    std::string runtime_dir;
    ConfigurationDirs dirs;
    bool dry_run = false;     // say what would be run, run nothing, write nothing
    bool kernel = true;       // sources of events; what is switched off is told by status
    bool coldplug = true;
    int receive_buffer = 128 << 20;  // bytes; the kernel charges only what is queued
    SettleTimes settle;
};

// Errors as they are told: one text each, with place and caret.
std::vector<std::string> texts_of(const Errors& errors);

class Shell final : public Control, private ChildWatch {
  public:
    Shell(ShellConfig config, Loop& loop, Log& log);
    ~Shell() override;

    // Listens, loads, walks. The error says why the engine cannot run at all.
    std::optional<Error> start();

    // Control
    EngineSnapshot engine() const override;
    std::vector<UnitSnapshot> units() const override;
    std::optional<UnitSnapshot> unit(const std::string& name) const override;
    Result<std::vector<DeviceSnapshot>> devices(const std::string& class_name) const override;
    std::vector<ClassSnapshot> classes() const override;
    Result<EvalSnapshot> eval(const std::string& condition) override;
    std::optional<Error> start(const std::string& unit) override;
    std::optional<Error> stop(const std::string& unit) override;
    std::optional<Error> reset(const std::string& unit, bool latch) override;
    ReloadSnapshot reload() override;
    Ticket when_at_rest(const std::string& unit, std::function<void(const UnitSnapshot&)> tell) override;
    Result<Ticket> when_true(const std::string& condition, std::function<void()> tell) override;
    void cancel(Ticket ticket) override;

  private:
    // shell.cc: events in, actions out
    std::optional<Error> open_runtime(SavedState& saved);
    void feed(const Event& event);
    void carry_out(const PlanAction& action);
    void run(const RunJob& job);
    void adopt(const AdoptJob& job);
    void report(Report::Level level, const std::string& unit, std::string text);
    void report(const Error& error, Report::Level level, const std::string& unit = "");
    void report_configuration();
    void turn_ended();  // after each callback of the loop: the timer, the waits, the journal
    void on_deadline();
    void print_output(const std::vector<OutputLine>& lines);
    void watch_files();
    void ask_for(const Condition& condition);
    void watch(int pidfd, JobId job) override;
    void unwatch(int pidfd, JobId job) override;

    // shell_devices.cc: what the machine says
    void on_netlink();
    void take_message(std::string_view bytes);
    Standing standing_for(const Uevent& uevent) const;
    void feed_ancestors(std::string_view devpath);
    void look(const std::string& devpath);
    void walk();
    void caught_up();
    void walk_again();
    void complete_coldplug();
    bool numbers_are_in() const;

    // shell_tell.cc: what people ask
    UnitSnapshot describe(const Managed& managed, bool explain) const;
    UnitSnapshot describe_broken(const std::string& name) const;
    std::optional<Error> by_hand(HandRequest request);
    void look_at_waits();
    void read_waits_again();

    ShellConfig config_;
    Loop& loop_;
    Log& log_;
    Time started_;
    std::shared_ptr<const Configuration> configuration_;
    std::shared_ptr<const AttributeNeeds> needs_;  // of the configuration, and of who asks meanwhile
    std::deque<std::string> asked_files_;          // by eval; the oldest are forgotten
    std::set<std::string> kept_;  // units whose file is broken now; the last good is in force
    std::unique_ptr<Engine> engine_;

    // Intake
    Sysfs sysfs_;
    std::optional<NetlinkSource> netlink_;
    std::optional<FileWatch> files_;
    std::multimap<Time, std::string> looks_;  // devpaths to look at again, and when
    bool overrun_ = false;
    bool walked_ = false;
    bool behind_ = false;         // a walk was made, and the socket not read empty since
    Time resync_due_ = kNever;    // a walk that failed, or an event that made no sense: look again
    uint64_t walk_began_ = 0, walk_ended_ = 0;  // uevent_seqnum
    Time complete_due_ = kNever;  // numbers that are still missing then were somebody else's
    uint64_t refused_ = 0, malformed_ = 0, unsaved_ = 0;

    // Run
    std::optional<RuntimeDir> runtime_;
    std::optional<Journal> journal_;
    std::unique_ptr<ProcessSpawner> spawner_;
    std::optional<UnitLog> unit_log_;
    std::optional<Runner> runner_;

    // Status
    std::unique_ptr<Bus> bus_;
    struct RestWait {
        std::string unit;
        std::function<void(const UnitSnapshot&)> tell;
    };
    struct TruthWait {
        std::string text;
        Condition condition;
        Memory memory;
        std::function<void()> tell;
    };
    std::map<Ticket, RestWait> rest_waits_;
    std::map<Ticket, TruthWait> truth_waits_;
    Ticket last_ticket_ = 0;
    Time waits_due_ = kNever;
    bool moved_ = false;  // something happened that a wait may wait for

    std::deque<Event> pending_;  // what carrying out an action brought
    Actions actions_;            // kept for its capacity
};

}  // namespace devmux
