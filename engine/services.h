// systemd on this machine, as the shell has it: the connection, the jobs, and the marks that they leave.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/run/service_jobs.h"
#include "engine/run/systemd_bus.h"
#include "engine/system/descriptor.h"

struct sd_event;

namespace devmux {

class Services final : private ServiceKeeper {
  public:
    struct Hooks {
        std::function<std::optional<Error>(const Record&)> save;
        std::function<void(const Event&)> told;      // from the loop, never from within a call
        std::function<void(const RunJob&)> run;      // a script that systemd does not know
        std::function<void(const std::string&)> targets;  // the runlevel that they stand for
    };
    // The process that a mark names where systemd runs the job: systemd itself.
    static constexpr int kMarkPid = 1;

    // `folder`: /run/systemd.
    Services(const std::string& folder, sd_event* event, Hooks hooks);

    bool here() const { return here_; }
    ServiceJobs& jobs() { return jobs_; }
    // The services of all units in force.
    void follow(const Planner& planner);
    // Of RunnerConfig::hand_over.
    std::function<std::optional<JobEnded>(const RunJob&, const std::string&, const std::vector<std::string>&)> taker();

  private:
    std::optional<Error> mark_service_job(JobId job, Time boottime) override;
    void service_job_ended(const JobEnded& end) override { hooks_.told(end); }
    void service_seen(const ServiceSeen& seen) override { hooks_.told(seen); }
    void targets_seen(const std::string& runlevel) override { hooks_.targets(runlevel); }
    void run_script(const RunJob& job) override { hooks_.run(job); }

    Hooks hooks_;
    bool here_;
    ServiceJobs jobs_;  // behind the connection, whose answers it takes
    SystemdBus bus_;
};

// A process that is in this cgroup, or below it; nothing where it has gone and its number is another's.
Descriptor open_in_cgroup(const std::string& proc, int pid, const std::string& cgroup);

}  // namespace devmux
