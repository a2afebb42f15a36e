// From RunJob to JobEnded: which program a job is, whether it may be run, and how it ended. The
// loop watches the pidfds and asks; nothing here waits.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "conditions/result.h"
#include "engine/plan/job.h"
#include "engine/run/spawner.h"
#include "engine/run/unit_log.h"

namespace devmux {

struct RunnerConfig {
    std::string root;                      // "" or "/": the machine's own
    std::string init_dir = "/etc/init.d";  // below root
    std::string dev = "/dev";              // what DEVNAME is below
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
    std::vector<std::string> warnings;  // what went wrong and did not keep it from running
};

struct RunningJob {
    std::string unit;
    Verb verb = Verb::Start;  // not known of an adopted one: Start
    Child child;
};

class Runner {
  public:
    Runner(RunnerConfig config, Spawner& spawner, UnitLog& log, ChildWatch& watch);
    ~Runner();  // closes the pidfds; the programs run on
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    Started start(const RunJob& job);
    Started adopt(const AdoptJob& job);

    // Once its pidfd is readable. Nothing: it runs after all, or there is no such job. A job ends
    // with its main process; what that leaves running is the service.
    std::optional<JobEnded> reap(JobId job);

    const RunningJob* find(JobId job) const;
    size_t running() const { return jobs_.size(); }

  private:
    std::optional<Error> set_program(const RunJob& job);
    void add(JobId job, RunningJob running);

    RunnerConfig config_;
    Spawner& spawner_;
    UnitLog& log_;
    ChildWatch& watch_;
    Command command_;  // kept for its capacity
    std::unordered_map<JobId, RunningJob> jobs_;
    std::unordered_set<std::string> safe_above_;  // programs whose folders are root's alone
};

}  // namespace devmux
