// Daemons: the process is the service. When it is ready, when it ends, what a restarted engine makes of it.
// Services of systemd: what others do to them, and when they end by themselves. And starts that are tried again (restart), of daemons and of everything else.
#include <algorithm>

#include "conditions/text.h"
#include "engine/plan/planner.h"

namespace devmux {
namespace {

// Each further pause is twice as long, up to this.
constexpr Duration kLongestPause = std::chrono::minutes(1);
// A daemon that has stayed so long has not failed "in a row".
constexpr Duration kStayed = std::chrono::minutes(1);

Duration pause_after(const Restart& restart, unsigned tries) {
    Duration pause = restart.delay;
    for (; tries > 0 && pause < kLongestPause; --tries) pause *= 2;
    return std::max(restart.delay, std::min(pause, kLongestPause));
}

}  // namespace

void Planner::daemon_ready(JobId job, Time now, Actions& actions) {
    auto it = jobs_.find(job);
    if (it == jobs_.end() || units_[it->second].job != job) return;
    UnitIndex index = it->second;
    Managed& m = units_[index];
    if (m.state.actual != Actual::Starting) return;
    m.daemon = std::exchange(m.job, 0);
    // First: an engine that is called active without it would not know whose end to wait for.
    actions.push_back(Record{SavedDaemon{m.unit->name, m.daemon}});
    if (m.flapping) m.flapping->echo.ended(now);
    apply(index, UnitEvent::JobDone, m.reason, now, actions);
    drain(now, actions);
}

std::optional<JobId> Planner::stop_of(JobId daemon) const {
    auto it = jobs_.find(daemon);
    if (it == jobs_.end()) return std::nullopt;
    const Managed& m = units_[it->second];
    return m.daemon == daemon && m.job != 0 ? std::optional(m.job) : std::nullopt;
}

void Planner::daemon_ended(UnitIndex index, const JobEnded& end, Time now, Actions& actions) {
    Managed& m = units_[index];
    m.daemon = 0;
    m.last_end = describe(end);
    if (m.state.actual == Actual::Stopping) {
        // Its stop is what ended it, and is over with it.
        jobs_.erase(std::exchange(m.job, 0));
        if (m.flapping) m.flapping->echo.ended(now);
        apply(index, UnitEvent::JobDone, m.reason, now, actions);
    } else if (m.state.actual == Actual::Active) {
        if (pauses(m, end.ok(), now, actions)) apply(index, UnitEvent::Pause, m.reason, now, actions);
        else apply(index, end.ok() ? UnitEvent::Finished : UnitEvent::Died, m.reason, now, actions);
    }
    mark(index);
    if (m.daemon == 0) actions.push_back(Record{SavedDaemon{m.unit->name, 0}});
    drain(now, actions);
}

// Told when it is news to systemd's client; here it is news when it is not what our own jobs have brought about.
void Planner::service_seen(const ServiceSeen& seen, Time now, Actions& actions) {
    auto index = find(seen.unit);
    if (!index) return;
    Managed& m = units_[*index];
    if (m.job != 0 || m.unit->task || m.unit->each_event) return;
    const bool active = m.state.actual == Actual::Active;
    // A stop by hand also ends tries, and takes back a start that it has canceled.
    const bool tries = m.state.wanted == Wanted::Up && (m.state.actual == Actual::Failed || m.retry_at != kNever);
    const bool stopped = seen.how == ServiceSeen::How::ByHand ||
                         (seen.how == ServiceSeen::How::Unseen && seen.state == ServiceSeen::State::Stopped);
    const char* reason = seen.how == ServiceSeen::How::ByHand  ? "by hand, outside devmux"
                         : seen.how == ServiceSeen::How::Alone ? "outside devmux"
                         : seen.state == ServiceSeen::State::Running ? "it runs already, and not by devmux"
                                                                     : "while devmux did not watch";
    if (seen.state == ServiceSeen::State::Running) {
        if (active) return;
        let_go(*index, now, actions);
        m.start_block.clear();
        apply(*index, UnitEvent::StartedElsewhere, reason, now, actions);
    } else if (stopped) {
        if (!active && (!tries || seen.how != ServiceSeen::How::ByHand)) return;
        apply(*index, UnitEvent::StoppedElsewhere, reason, now, actions);
    } else if (active) {
        bool well = seen.state == ServiceSeen::State::Stopped;
        m.last_end = seen.text;
        if (pauses(m, well, now, actions)) apply(*index, UnitEvent::Pause, m.reason, now, actions);
        else apply(*index, well ? UnitEvent::Finished : UnitEvent::Died, m.reason, now, actions);
    }
    mark(*index);
    drain(now, actions);
}

// Whether it is tried again after what has just ended; if so, when is noted. Who is not wanted any more, and
// who is held down, is not.
bool Planner::pauses(Managed& m, bool well, Time now, Actions& actions) {
    const Restart& restart = m.unit->restart;
    if (world_.going_down) return false;
    if (restart.policy == Restart::Policy::Never || (well && restart.policy != Restart::Policy::Always)) return false;
    if (m.state.wanted != Wanted::Up || m.state.hold == Hold::Down || m.orphaned || m.state.again) return false;
    if (m.state.actual == Actual::Active && now - m.since >= kStayed) m.tries = 0;
    if (m.tries >= restart.limit) {
        m.last_end += "; it was started again " + std::to_string(m.tries) +
                      (m.tries == 1 ? " time" : " times") + " in a row, which is the limit";
        return false;
    }
    Duration pause = pause_after(restart, m.tries++);
    m.retry_at = now + pause;
    actions.push_back(Report{Report::Level::Warning, m.unit->name,
                             m.last_end + ": it is started again in " + roughly(pause) + " (" + std::to_string(m.tries) +
                                 " of " + std::to_string(restart.limit) + ")"});
    return true;
}

// The pause is over. A daemon was to stay, whatever its `when` says now (a `while` that is false wants it no
// more); the start of anything else is tried again while its condition holds, if that asked for it.
void Planner::retry_if_due(UnitIndex index, Truth truth, Time now, Actions& actions) {
    Managed& m = units_[index];
    if (m.retry_at > now) return;
    const Service::Kind kind = m.unit->service.kind;
    bool stays = kind == Service::Kind::Daemon || kind == Service::Kind::Systemd || m.asked_by_others();
    if (!stays && truth == Truth::Unknown) return;
    m.retry_at = kNever;
    if (stays || truth == Truth::True) return apply(index, UnitEvent::Retry, m.reason, now, actions);
    actions.push_back(Report{Report::Level::Info, m.unit->name, "not started again: its condition was left"});
    apply(index, UnitEvent::Loss, "no longer: " + m.unit->condition_text, now, actions);
}

// What a former engine knew as this unit's daemon, or as its start. True: nothing more is to be restored.
bool Planner::restore_daemon(UnitIndex index, const SavedUnit& saved, const SavedState& state, Time now,
                             Actions& actions) {
    Managed& m = units_[index];
    auto known = state.daemons.find(saved.unit);
    bool starting = saved.actual == Actual::Starting && m.unit->service.kind == Service::Kind::Daemon;
    bool running = known != state.daemons.end() && (saved.actual == Actual::Active || saved.actual == Actual::Stopping);
    if (!starting && !running) return false;
    JobId job = starting ? saved.job : known->second;
    auto mark = state.marks.find(job);
    if (mark == state.marks.end()) return false;  // a start that never came to run
    m.daemon = job;
    jobs_[job] = index;
    actions.push_back(AdoptJob{job, m.unit->name, mark->second.pid, mark->second.at});
    if (starting) {
        // What it may have said meanwhile was heard by nobody: it runs, and is taken as ready.
        actions.push_back(Record{SavedDaemon{m.unit->name, job}});
        apply(index, UnitEvent::JobDone, "started by a former engine", now, actions);
    } else if (saved.actual == Actual::Stopping) {
        // Asked for, and maybe told: to tell it twice does no harm.
        m.job = saved.job;
        jobs_[m.job] = index;
        RunJob run{m.job, m.unit, Verb::Stop, "asked for under a former engine", "", "", job, ""};
        set_job_of_instance(run, m);
        actions.push_back(std::move(run));
    }
    return true;
}

}  // namespace devmux
