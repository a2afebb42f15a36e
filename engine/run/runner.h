// From RunJob to JobEnded: which program a job is, whether it may be run, and how it ended. The
// loop watches the pidfds and asks; nothing here waits.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "conditions/result.h"
#include "engine/plan/job.h"
#include "engine/run/questions.h"
#include "engine/run/spawner.h"
#include "engine/run/unit_log.h"

namespace devmux {

struct RunnerConfig {
    std::string root;                      // "" or "/": the machine's own
    std::string init_dir = "/etc/init.d";  // below root
    std::string dev = "/dev";              // what DEVNAME is below
    std::string policy = "/usr/sbin/policy-rc.d";  // below root; who is asked about init scripts
    std::string etc = "/etc";                      // below root; where passwd and group are
    std::string setpriv = "/usr/bin/setpriv";      // who starts programs as another user
    std::string shell = "/bin/sh";                 // who runs one script after the other
    std::string notify_socket;                     // where daemons say that they are ready
    // Where somebody else runs init scripts (systemd): what is asked before is asked here, and then the script
    // and its environment go there. The answer is as of Started::ended.
    std::function<std::optional<JobEnded>(const RunJob& job, const std::string& script,
                                          const std::vector<std::string>& environment)> hand_over;
};

// Implemented by the loop: a job has ended when its pidfd is readable; then reap() is to be called.
class ChildWatch {
  public:
    virtual ~ChildWatch() = default;
    virtual void watch(int pidfd, JobId job) = 0;
    virtual void unwatch(int pidfd, JobId job) = 0;  // before it is closed
};

// What became of a request at once. Without `ended` the job runs, and is watched.
struct Started {
    std::optional<JobEnded> ended;
    bool ready = false;  // a daemon, and it is (DaemonReady)
    std::vector<std::string> warnings;  // what went wrong and did not keep it from running
};

struct RunningJob {
    std::string unit;
    Verb verb = Verb::Start;  // not known of an adopted one: Start
    Child child;
    // Its program does not run yet: `child` is one that is asked whether it may.
    struct Asking {
        RunJob job;
        std::vector<Question> questions;
        size_t asked = 0;    // of them, the one under way
        bool after = false;  // it has ended, and nobody saw how: does the service run?
    };
    std::unique_ptr<Asking> asking;
    std::shared_ptr<const Unit> start;  // of an adopted one: AdoptJob::start

    // What runs is a question of ours about a start that has ended, and no part of it.
    bool is_asked_after() const { return asking && asking->after; }
};

// What went wrong, and kept nothing from running, since it was last asked for.
struct Warning {
    std::string unit;
    std::string text;
};

class Runner {
  public:
    Runner(RunnerConfig config, Spawner& spawner, UnitLog& log, ChildWatch& watch);
    ~Runner();  // closes the pidfds; the programs run on
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    Started start(const RunJob& job);
    Started adopt(const AdoptJob& job);
    bool is_missing(const Unit& unit) const { return devmux::is_missing(unit, config_.root + config_.init_dir); }
    // What policy-rc.d is told; empty: not known.
    void set_runlevel(std::string level) { runlevel_ = std::move(level); }

    // Once its pidfd is readable. Nothing: it runs after all or only now, or there is no such job. A
    // job ends with its main process; what that leaves running is the service.
    std::optional<JobEnded> reap(JobId job);
    // A process has said that it is ready. Nothing: it is none of which that is awaited.
    std::optional<JobId> ready(int pid);
    // Of reap().
    std::vector<Warning> take_warnings() { return std::exchange(warnings_, {}); }

    // Of the stop of a daemon: that daemon.
    const RunningJob* find(JobId job) const;
    const RunningJob* of_process(int pid) const;  // whose main process it is
    size_t running() const { return jobs_.size(); }

  private:
    std::optional<Error> set_program(const RunJob& job, Started& out);
    std::optional<Error> set_user(const Unit& unit, std::vector<std::string>& own);
    std::optional<Error> safe_to_run(const std::string& program);
    JobEnded refused(const RunJob& job, const Error& error) const;
    void run_program(const RunJob& job, Started& out);
    Started stop_daemon(const RunJob& job);
    Started reload_daemon(const RunJob& job);
    void ask(std::unique_ptr<RunningJob::Asking> asking, Started& out);
    Started ended_unseen(JobId job, std::shared_ptr<const Unit> unit);
    Started answered(std::unique_ptr<RunningJob::Asking> asking, const Exit& exit);
    std::optional<Error> set_environment(const RunJob& job, Started& out);
    Result<Child> spawn(const RunJob& job, Started& out);
    void add(JobId job, RunningJob running);

    RunnerConfig config_;
    std::string runlevel_;
    Spawner& spawner_;
    UnitLog& log_;
    ChildWatch& watch_;
    Command command_;  // kept for its capacity
    std::unordered_map<JobId, RunningJob> jobs_;
    std::unordered_map<JobId, JobId> stops_;    // of daemons: by the stop's job
    std::unordered_map<int, JobId> not_ready_;  // by process: daemons that will say when they are
    std::vector<Warning> warnings_;
    std::unordered_set<std::string> safe_above_;  // programs whose folders are root's alone
};

}  // namespace devmux
