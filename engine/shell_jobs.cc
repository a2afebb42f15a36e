// Jobs: who begins and adopts them, we or systemd. Those that take long: what they wait in, or, with `kill`,
// a signal to them. Those two are asked of run/job_probe.h, and the answers are events.
#include "engine/shell.h"

#include <signal.h>

#include <algorithm>

namespace devmux {
namespace {

constexpr Duration kMostPause = std::chrono::minutes(5);  // as that of JobLimits

// Of `status` behind a start that nobody saw end: as long as the start may take, and not for ever.
Duration time_to_answer(const Unit& unit) {
    constexpr Duration kMost = std::chrono::minutes(1);
    return std::min(unit.limits ? unit.limits->start.value_or(kMost) : kMost, kMost);
}

}  // namespace

void Shell::run(const RunJob& job) {
    if (!job.error.empty()) return void(pending_.emplace_back(JobEnded{.job = job.job, .error = job.error}));
    if (!runner_) {
        const Service& s = job.unit->service;
        bool stop = job.verb == Verb::Stop, reload = job.verb == Verb::Reload;
        bool daemon = s.kind == Service::Kind::Daemon && !stop && !reload;
        std::string text = job.daemon ? (reload ? "SIGHUP to its process" : "SIGTERM to its process") : "";
        if (s.kind == Service::Kind::InitScript) text = "/etc/init.d/" + s.init_script + " " + std::string(to_string(job.verb));
        else if (s.kind == Service::Kind::Scripts) text = "scripts of " + s.scripts;
        else if (s.kind == Service::Kind::Systemd) text = "systemctl " + std::string(to_string(job.verb)) + " " + s.systemd;
        else if (!job.daemon)
            for (const std::string& word : reload ? s.reload : stop ? s.stop : s.start) text += (text.empty() ? "" : " ") + word;
        report(Report::Level::Info, job.unit->name, "dry run: " + text);
        if (daemon) pending_.emplace_back(DaemonReady{job.job});
        else pending_.emplace_back(JobEnded{.job = job.job, .code = 0});
        return;
    }
    if (!services_->jobs().is_ours(job.unit->service)) return run_here(job);
    if (auto ended = services_->jobs().start(job)) pending_.emplace_back(std::move(*ended));
}

void Shell::run_here(const RunJob& job) {
    Started started = runner_->start(job);
    for (const std::string& warning : started.warnings)
        report(Report::Level::Warning, job.unit->name, warning);
    if (started.ready) pending_.emplace_back(DaemonReady{job.job});
    if (started.ended) pending_.emplace_back(std::move(*started.ended));
}

void Shell::adopt(const AdoptJob& job) {
    if (!runner_) return;
    if (job.pid == Services::kMarkPid) {
        auto index = engine_->planner().find(job.unit);
        const Managed* m = index ? &engine_->planner().units()[*index] : nullptr;
        Verb verb = m && m->refreshing.job == job.job         ? Verb::Reload
                    : m && m->state.actual == Actual::Stopping ? Verb::Stop
                                                               : Verb::Start;
        auto ended = services_->jobs().adopt(job.job, m ? m->unit : nullptr, verb, job.marked_at);
        if (ended) pending_.emplace_back(std::move(*ended));
        return;
    }
    Started started = runner_->adopt(job);
    for (const std::string& warning : started.warnings) report(Report::Level::Warning, job.unit, warning);
    if (started.ended) pending_.emplace_back(std::move(*started.ended));
}

void Shell::open_services() {
    services_.emplace(config_.systemd, loop_.event(), Services::Hooks{
        .save = [this](const Record& record) { return journal_->append(record); },
        .told = [this](const Event& event) {
            feed(event);
            turn_ended();
        },
        .run = [this](const RunJob& job) {
            run_here(job);
            handle_pending();
            turn_ended();
        },
        .targets = [this](const std::string& runlevel) {
            of_targets_ = runlevel;
            tell_runlevel();
            turn_ended();
        }});
}

void Shell::await_answer(JobId job) {
    const RunningJob* asked = runner_->find(job);
    if (asked && asked->is_asked_after()) asked_after_.insert({Loop::now() + time_to_answer(*asked->asking->job.unit), {job}});
}

// Nobody else's start is ended for being slow, and this is none: without an answer the start counts as a good one.
void Shell::end_questions(Time now) {
    while (!asked_after_.empty() && asked_after_.begin()->first <= now) {
        AskedAfter due = asked_after_.extract(asked_after_.begin()).mapped();
        const RunningJob* job = runner_ ? runner_->find(due.job) : nullptr;
        if (!job || !job->is_asked_after()) continue;
        const RunningJob::Asking& asking = *job->asking;
        Duration most = time_to_answer(*asking.job.unit);
        std::string why = asking.questions[asking.asked].about + " has not answered within " + to_string(most);
        if (!std::exchange(due.told, true))
            report(Report::Level::Warning, job->unit, why + ": it is to be killed, and what was started counts as running");
        KillJob kill{due.job, SIGKILL, job->unit, why};
        ask_of(due.job, &kill);
        // Who loads a module is spared, and asked for again after a longer and longer pause.
        due.pause = std::clamp(2 * due.pause, std::max<Duration>(most, std::chrono::seconds(1)), kMostPause);
        asked_after_.insert({now + due.pause, due});
    }
}

void Shell::ask_of(JobId id, const KillJob* kill) {
    const RunningJob* job = runner_ ? runner_->find(id) : nullptr;
    // Of a job of systemd it is the process that systemd has started for it.
    std::string none = "it has no process of ours";
    Descriptor of_systemd;
    int pid = job ? job->child.pid : 0;
    if (services_ && services_->jobs().knows(id)) {
        ServiceJobs::Seen seen = services_->jobs().seen(id);
        of_systemd = open_in_cgroup(config_.proc, seen.pid, seen.cgroup);
        none = "systemd: " + seen.text;
        pid = of_systemd ? seen.pid : 0;
    }
    if (pid == 0) {
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
    int pidfd = of_systemd ? of_systemd.get() : job->child.pidfd;
    if (kill) probe_->kill(*kill, pid, pidfd);
    else probe_->look(id, pid, pidfd);
}

}  // namespace devmux
