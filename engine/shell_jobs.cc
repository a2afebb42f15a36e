// Jobs that take long: what they wait in, or, with `kill`, a signal to them. Both are asked of
// run/job_probe.h, and the answers are events.
#include "engine/shell.h"

namespace devmux {

void Shell::ask_of(JobId id, const KillJob* kill) {
    const RunningJob* job = runner_ ? runner_->find(id) : nullptr;
    if (!job) {
        std::string none = "it has no process of ours";
        if (kill) pending_.emplace_back(JobSignalled{.job = id, .signal = kill->signal, .sent = "", .spared = none});
        else pending_.emplace_back(JobSeen{.job = id, .text = none, .in_module_load = false, .driver = ""});
        return;
    }
    if (!probe_) {
        probe_.emplace(JobProbe::Paths{{config_.proc, config_.sysfs}, config_.kernel_log}, JobProbe::Limits{});
        loop_.on_readable(probe_->fd(), "jobs", Loop::Priority::Files, [this] {
            for (const JobProbe::Answer& answer : probe_->take())
                std::visit([this](const auto& event) { feed(event); }, answer);
            turn_ended();
        });
    }
    if (kill) probe_->kill(*kill, job->child.pid, job->child.pidfd);
    else probe_->look(id, job->child.pid, job->child.pidfd);
}

}  // namespace devmux
