// The engine without a machine: the very core, a virtual clock, jobs that end when they are told to.
// `devmux simulate` feeds it a trace (trace_text.h), the tests feed it directly. Every input goes the
// way of the real one: uevents as bytes through the parser, saved state as text through its reader.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/intake/mount_table.h"
#include "engine/recording/recorder.h"
#include "tools/replay.h"

namespace devmux {

// A device as a trace writes it down.
struct TracedDevice {
    std::string devpath;
    std::vector<std::string> variables;   // "KEY=VALUE", SUBSYSTEM among them
    std::vector<Attribute> attributes;
    uint64_t inode = 0;                   // 0: one is given to it
    std::optional<std::string> udev;      // its record in udev's database: "KEY=VALUE\0…"
};

// How an event reached us.
struct TracedHow {
    uint64_t seqnum = 0;  // 0: the next one
    bool synthetic = false;
    std::string devpath_old{};
    Transport via = Transport::Kernel;
    bool gone = false;    // the directory had gone, or changed hands, before the event was read
};

class Simulation {
  public:
    Simulation(std::shared_ptr<const Configuration> configuration, std::string kernel_command_line,
               EngineTimes times = {});

    // The engine begins, or begins again: with all that was saved so far.
    void start();
    // Instead of start(): a core that runs, and the machine around it as it knows it. Its jobs run on.
    void take_over(const TraceHead& head);
    // As by kill -9. Jobs run on; those in `unmarked` never came to run.
    void crash(const std::vector<std::string>& unmarked = {});

    // `behind`: events that came during the walk follow, and then caught_up().
    void snapshot(const std::vector<TracedDevice>& devices, bool behind = false);
    void caught_up();
    void coldplug_complete();
    void event(std::string_view action, const TracedDevice& device, const TracedHow& how = {});
    // What sysfs says from now on; nobody announces it.
    void change_silently(const TracedDevice& device);
    void vanish_silently(const std::string& devpath);
    void udevd(UdevSeen state);
    // simulation_mounts.cc. Of mounts nothing is known before the first of these.
    void mounted(Mount mount);
    bool unmounted(std::string_view point);
    void listed(MountList::Entry line);  // in /etc/fstab
    // simulation_links.cc. A line of a trace: "link …", "route …", "links lost" or "links found"; where it is
    // none, what is wrong with which part. Nothing is known of links before the first, nor from lost on to found.
    struct Mistake {
        std::string_view at;  // in what was given, or its end
        std::string what, hint;
    };
    std::optional<Mistake> links(std::string_view word, std::string_view rest);
    void feed(const Event& event);
    void of_init(const Event& event);  // heard again by an engine that begins
    void advance(Duration by);
    // Ends the unit's running jobs, oldest first or all; false when none runs.
    bool end_job(const std::string& unit, const JobEnded& how);
    // Boot runs the unit's init script, or has; its claim is found by an engine that begins.
    bool boot_script(const std::string& unit, bool runs);
    bool daemon_ready(const std::string& unit);  // the same for its word that it is ready
    void configure(std::shared_ptr<const Configuration> configuration);

    // From now on appends a trace of all that is fed to `text`, which must live as long: a test that fails
    // prints it, and `devmux simulate` plays it. Before start(), or later.
    void record_into(std::string& text);

    // With it, every job ends well as soon as it was started.
    bool jobs_end_at_once = true;

    struct Job {
        JobId id;
        std::string unit;
        Verb verb;
        std::string block;
    };
    const std::vector<Job>& running() const { return running_; }
    const std::vector<std::string>& lines() const { return lines_; }  // decisions, with their times
    size_t runs(const std::string& unit, Verb verb) const;            // how often it was really run
    bool runs() const { return engine_ != nullptr; }  // it was not killed
    Engine& engine() { return *engine_; }             // while it runs
    Time now() const { return now_; }
    uint64_t next_seqnum() { return ++seqnum_; }
    bool modules_loading = false;
    // What a look at a job of a unit finds.
    std::map<std::string, JobSeen> waits;
    // How long the answer to a read of attributes takes.
    Duration reads_take{};
    // What sysfs has: for a walk.
    std::vector<TracedDevice> sysfs() const;

  private:
    void handle(const Event& event);
    void carry_out(const PlanAction& action);
    void say(std::string text);
    bool end_job(const std::string& unit, const JobEnded& how, std::vector<Event>& out);
    uint64_t inode_of(const TracedDevice& device, bool fresh);
    Generation generation_of(const TracedDevice& device, bool fresh);
    FoundDevice found(const TracedDevice& device);
    void answer(Time now);
    void tell_mounts();
    void take_over_mounts(const KnownMounts& known);
    void tell_links();
    JobSeen seen_now(JobId job) const;

    std::shared_ptr<const Configuration> configuration_;
    std::string kernel_command_line_;
    EngineTimes times_;
    std::unique_ptr<Engine> engine_;
    Time now_{std::chrono::seconds(10)};  // since boot, when the engine begins
    Time began_{now_};
    std::string journal_;                 // as run/record_text.h writes it
    std::vector<Job> running_;
    std::vector<std::string> lines_;
    std::map<std::pair<std::string, Verb>, size_t> runs_;
    std::multimap<Time, std::string> looks_;
    std::multimap<Time, std::string> reads_;
    UdevSeen udev_;
    std::set<int> boot_scripts_;         // processes that run, and are not ours
    std::vector<Event> claims_;          // while no engine runs
    int last_pid_ = 1000;
    std::map<std::string, Event> init_;  // of a script the last word, and by "" of the runlevel
    std::map<std::string, TracedDevice> sysfs_;  // what is really there
    std::map<std::string, uint64_t> inodes_;
    std::optional<MountTable> mounts_;
    MountList listed_;
    KnownLinks links_;  // what is really there
    bool links_lost_ = false;
    std::set<uint64_t> announced_;  // numbers of events that sysfs has followed
    std::vector<Event> pending_;
    std::optional<Recorder> recorder_;
    uint64_t seqnum_ = 0, inode_ = 1000;
};

}  // namespace devmux
