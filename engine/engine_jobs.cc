// Jobs and their time: plan/job_limits.h is told of every job that begins and ends, and the planner of who
// is overdue.
#include "engine/engine.h"

namespace devmux {

// Whatever begins a job, and whyever: its time runs from here on. Of an adopted one it begins anew.
void Engine::watch_jobs(size_t since, Time now, const Actions& actions) {
    for (size_t i = since; i < actions.size(); ++i) {
        if (const auto* run = std::get_if<RunJob>(&actions[i])) {
            auto device = find_in(run->block, "DEVPATH").value_or("");
            limits_.began(run->job, run->unit->name, run->verb, std::string(device), now);
        } else if (const auto* adopt = std::get_if<AdoptJob>(&actions[i])) {
            auto index = planner_.find(adopt->unit);
            const Managed* m = index ? &planner_.units()[*index] : nullptr;
            if (m && m->daemon == adopt->job) continue;  // it is the service, and runs on as long as it likes
            Verb verb = m && m->unit->each_event ? Verb::Run
                        : m && m->refreshing.job == adopt->job ? Verb::Reload
                        : m && m->state.actual == Actual::Stopping ? Verb::Stop : Verb::Start;
            limits_.began(adopt->job, adopt->unit, verb, "", now, adopt->foreign);
        }
    }
}

void Engine::tell_overdue(Time now, Actions& actions) {
    for (const auto& [unit, overdue] : limits_.take_news()) planner_.set_overdue(unit, overdue, now, actions);
}

void Engine::take(const JobEnded& end, Time now, Actions& actions) {
    limits_.ended(end.job);
    if (auto stop = planner_.stop_of(end.job)) limits_.ended(*stop);
    tell_overdue(now, actions);
    planner_.job_ended(end, now, actions);
}

void Engine::take(const DaemonReady& ready, Time now, Actions& actions) {
    // It runs on as long as it likes.
    limits_.ended(ready.job);
    tell_overdue(now, actions);
    planner_.daemon_ready(ready.job, now, actions);
}

void Engine::take(const ServiceSeen& seen, Time now, Actions& actions) { planner_.service_seen(seen, now, actions); }

void Engine::take(const ScriptStarted& seen, Time now, Actions& actions) { planner_.script_started(seen, now, actions); }

void Engine::take(const JobSeen& seen, Time now, Actions& actions) {
    limits_.seen(seen, now, actions);
    tell_overdue(now, actions);
}

void Engine::take(const JobSignalled& signalled, Time now, Actions& actions) {
    limits_.signalled(signalled, now, actions);
}

}  // namespace devmux
