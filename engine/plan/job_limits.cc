// See job_limits.h.
#include "engine/plan/job_limits.h"

#include <algorithm>
#include <array>

#include "conditions/text.h"

namespace devmux {
namespace {

using Then = TimeLimits::Then;
using Stage = JobLimits::Stage;

constexpr int kTerminate = 15, kKill = 9;  // signal(7)

constexpr std::array<std::string_view, 6> kStages{"running", "warned", "overdue", "terminated", "killed", "over"};

// "its start", "its run".
std::string what(const JobLimits::Job& job) { return "its " + std::string(to_string(job.verb)); }

std::string of_device(const JobLimits::Job& job) {
    return job.device.empty() ? "" : " (device " + printable(job.device) + ")";
}

}  // namespace

std::string_view to_string(Stage stage) { return kStages.at(static_cast<size_t>(stage)); }

std::optional<Stage> stage_of(std::string_view word) {
    auto it = std::find(kStages.begin(), kStages.end(), word);
    return it == kStages.end() ? std::nullopt : std::optional(static_cast<Stage>(it - kStages.begin()));
}

std::string_view signal_name(int signal) { return signal == kKill ? "SIGKILL" : "SIGTERM"; }

Duration JobLimits::limit(const Job& job) const {
    const TimeLimits* limits = limits_of_(job.unit);
    Duration most = usual_limit(job, limits);
    if (down_since_ == kNever || most == kNever) return most;
    Duration shutdown = limits ? limits->shutdown.value_or(times_.shutdown) : times_.shutdown;
    return std::min(most, shutdown + std::max(down_since_ - job.began, Duration{}));
}

Duration JobLimits::usual_limit(const Job& job, const TimeLimits* limits) const {
    if (!limits) return times_.limit;
    if (auto it = limits->drivers.find(job.driver); !job.driver.empty() && it != limits->drivers.end())
        return it->second;
    return (job.verb == Verb::Stop ? limits->stop : limits->start).value_or(times_.limit);
}

// A third, where the unit does not say when, or says a time that is beyond the limit.
Duration JobLimits::warning(const Job& job) const {
    const TimeLimits* limits = limits_of_(job.unit);
    Duration most = limit(job);
    if (limits && limits->warn && *limits->warn < most) return *limits->warn;
    return (most == kNever ? times_.limit : most) / 3;
}

Then JobLimits::then(const Job& job) const {
    const TimeLimits* limits = limits_of_(job.unit);
    return limits && !job.foreign && limit(job) != kNever ? limits->then : Then::Warn;
}

void JobLimits::set_due(Job& job, Time due) {
    if (job.due != kNever) due_.erase({job.due, job.job});
    job.due = due;
    if (due != kNever) due_.insert({due, job.job});
}

void JobLimits::began(JobId id, std::string unit, Verb verb, std::string device, Time now, bool foreign) {
    Job& job = jobs_[id];
    job.job = id;
    job.unit = std::move(unit);
    job.verb = verb;
    job.device = std::move(device);
    job.began = now;
    job.foreign = foreign;
    set_due(job, now + warning(job));
}

void JobLimits::ended(JobId id) {
    auto it = jobs_.find(id);
    if (it == jobs_.end() || it->second.ended) return;
    Job& job = it->second;
    set_due(job, kNever);
    if (job.stage >= Stage::Overdue) count_overdue(job.unit, -1);
    // Who got a signal is still to be told.
    bool signal = job.asked && (job.stage == Stage::Overdue || job.stage == Stage::Terminated);
    if (signal) job.ended = true;
    else jobs_.erase(it);
}

void JobLimits::count_overdue(const std::string& unit, int by) {
    int& count = overdue_[unit];
    bool was = count > 0;
    count += by;
    bool is = count > 0;
    if (was != is) news_.emplace_back(unit, is);
    if (!is) overdue_.erase(unit);
}

void JobLimits::look(Job& job, Actions& actions) {
    set_due(job, kNever);
    job.asked = true;
    actions.push_back(LookAtJob{job.job});
}

void JobLimits::kill(Job& job, int signal, Actions& actions) {
    set_due(job, kNever);
    job.asked = true;
    actions.push_back(KillJob{job.job, signal, job.unit, why(job)});
}

void JobLimits::deadline(Time now, Actions& actions) {
    while (!due_.empty() && due_.begin()->first <= now) {
        Job& job = jobs_.at(due_.begin()->second);
        switch (job.stage) {
            case Stage::Running:
            case Stage::Warned:
            case Stage::Killed: look(job, actions); break;
            case Stage::Overdue: kill(job, kTerminate, actions); break;
            case Stage::Terminated: kill(job, kKill, actions); break;
            case Stage::Over: set_due(job, kNever); break;
        }
    }
}

std::string JobLimits::taking(const Job& job, Time now) const {
    Duration most = limit(job);
    return what(job) + " has run for " + roughly(now - job.began) +
           (most == kNever ? ", as long as it needs with the driver " + printable(job.driver)
                           : " of the " + to_string(most) + " allowed");
}

std::string JobLimits::why(const Job& job) const {
    Duration most = limit(job);
    return what(job) + " is overdue: " + (most == kNever ? "less" : to_string(most)) + " was allowed" + of_device(job);
}

void JobLimits::seen(const JobSeen& seen, Time now, Actions& actions) {
    auto it = jobs_.find(seen.job);
    if (it == jobs_.end() || !it->second.asked || it->second.ended) return;
    Job& job = it->second;
    bool for_kill = job.stage == Stage::Overdue || job.stage == Stage::Terminated;
    if (for_kill) return;  // that answer is another one
    job.asked = false;
    job.driver = driver_name(seen.driver);
    job.text = seen.text;
    Duration most = limit(job);
    switch (job.stage) {
        case Stage::Running:
            if (now < job.began + warning(job)) return set_due(job, job.began + warning(job));
            return warned(job, now, actions);
        case Stage::Warned:
            // It may leave that driver and hang elsewhere.
            if (most == kNever) return set_due(job, now + times_.limit / 3);
            if (now < job.began + most) return set_due(job, job.began + most);
            return overdue(job, seen, actions);
        case Stage::Killed:
            job.stage = Stage::Over;
            actions.push_back(Report{Report::Level::Error, job.unit,
                                     "SIGKILL did not end " + what(job) + ": " + job.text + of_device(job)});
            return;
        default: return;
    }
}

void JobLimits::warned(Job& job, Time now, Actions& actions) {
    job.stage = Stage::Warned;
    Duration most = limit(job);
    auto level = most == kNever ? Report::Level::Info : Report::Level::Warning;
    actions.push_back(Report{level, job.unit, taking(job, now) + ": " + job.text + of_device(job)});
    set_due(job, most == kNever ? now + times_.limit / 3 : job.began + most);
}

void JobLimits::overdue(Job& job, const JobSeen& seen, Actions& actions) {
    job.stage = Stage::Overdue;
    count_overdue(job.unit, 1);
    std::string text = why(job) + "; " + job.text + (seen.in_module_load ? "; that is never killed" : "");
    if (seen.in_module_load) actions.push_back(TellKernel{job.unit + ": " + text});
    actions.push_back(Report{Report::Level::Warning, job.unit, std::move(text)});
    if (then(job) != Then::Warn) kill(job, kTerminate, actions);
}

void JobLimits::signalled(const JobSignalled& answer, Time now, Actions& actions) {
    auto it = jobs_.find(answer.job);
    if (it == jobs_.end() || !it->second.asked) return;
    Job& job = it->second;
    if (job.stage != Stage::Overdue && job.stage != Stage::Terminated) return;  // nobody here had that asked
    std::string name(signal_name(answer.signal));
    if (!answer.sent.empty())
        actions.push_back(Report{Report::Level::Warning, job.unit, name + " sent to " + answer.sent + ": " + why(job)});
    if (!answer.spared.empty() && answer.spared != job.spared)
        actions.push_back(Report{Report::Level::Warning, job.unit, "no " + name + ", though " + why(job) + ": " +
                                                                       answer.spared});
    if (job.ended) return void(jobs_.erase(it));
    job.asked = false;
    if (!answer.spared.empty() || answer.sent.empty()) {
        job.spared = answer.spared;
        job.pause = job.pause == Duration{} ? times_.grace : std::min(2 * job.pause, times_.spared);
        return set_due(job, now + job.pause);
    }
    job.spared.clear();
    job.pause = {};
    job.stage = answer.signal == kKill ? Stage::Killed : Stage::Terminated;
    bool more = job.stage == Stage::Killed || then(job) == Then::Kill;
    set_due(job, more ? now + times_.grace : kNever);
}

void JobLimits::go_down(bool down, Time now) {
    down_since_ = down ? now : kNever;
    limits_changed(now);
}

void JobLimits::limits_changed(Time now) {
    for (auto& [id, job] : jobs_) {
        if (job.asked || job.ended) continue;
        Duration most = limit(job);
        bool never = most == kNever;
        if (job.stage == Stage::Running) set_due(job, job.began + warning(job));
        if (job.stage == Stage::Warned && !never) set_due(job, job.began + most);
        if (job.stage == Stage::Overdue) {
            if (then(job) == Then::Warn) set_due(job, kNever);
            else if (job.due == kNever) set_due(job, now);
        }
        if (job.stage == Stage::Terminated) {
            if (then(job) != Then::Kill) set_due(job, kNever);
            else if (job.due == kNever) set_due(job, now + times_.grace);
        }
    }
}

std::string JobLimits::remark(const std::string& unit, Time now) const {
    const Job* worst = nullptr;
    for (const auto& [id, job] : jobs_)
        if (job.unit == unit && job.stage != Stage::Running && !job.ended && (!worst || job.stage > worst->stage))
            worst = &job;
    return worst ? taking(*worst, now) + ": " + worst->text : "";
}

std::vector<JobLimits::Job> JobLimits::checkpoint() const {
    std::vector<Job> out;
    for (const auto& [id, job] : jobs_) out.push_back(job);
    return out;
}

void JobLimits::restore(const std::vector<Job>& from, Time down_since) {
    down_since_ = down_since;
    for (const Job& saved : from) {
        auto [it, fresh] = jobs_.try_emplace(saved.job, saved);
        if (!fresh) continue;
        const Job& job = it->second;
        if (job.due != kNever) due_.insert({job.due, job.job});
        if (job.stage >= Stage::Overdue && !job.ended) ++overdue_[job.unit];
    }
}

}  // namespace devmux
