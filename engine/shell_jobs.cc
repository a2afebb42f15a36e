// Jobs: begun and adopted; and those that take long: what they wait in, or, with `kill`, a signal to them.
// Those two are asked of run/job_probe.h, and the answers are events.
#include "engine/shell.h"

namespace devmux {

void Shell::run(const RunJob& job) {
    if (!runner_) {
        const Service& s = job.unit->service;
        bool stop = job.verb == Verb::Stop;
        bool daemon = s.kind == Service::Kind::Daemon && !stop;
        std::string text = job.daemon ? "SIGTERM to its process" : "";
        if (s.kind == Service::Kind::InitScript) text = "/etc/init.d/" + s.init_script + (stop ? " stop" : " start");
        else if (s.kind == Service::Kind::Scripts) text = "scripts of " + s.scripts;
        else for (const std::string& word : stop ? s.stop : s.start) text += (text.empty() ? "" : " ") + word;
        report(Report::Level::Info, job.unit->name, "dry run: " + text);
        if (daemon) pending_.emplace_back(DaemonReady{job.job});
        else pending_.emplace_back(JobEnded{.job = job.job, .code = 0});
        return;
    }
    Started started = runner_->start(job);
    for (const std::string& warning : started.warnings)
        report(Report::Level::Warning, job.unit->name, warning);
    if (started.ready) pending_.emplace_back(DaemonReady{job.job});
    if (started.ended) pending_.emplace_back(std::move(*started.ended));
}

void Shell::adopt(const AdoptJob& job) {
    if (!runner_) return;
    Started started = runner_->adopt(job);
    for (const std::string& warning : started.warnings) report(Report::Level::Warning, job.unit, warning);
    if (started.ended) pending_.emplace_back(std::move(*started.ended));
}

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
