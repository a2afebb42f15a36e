// Nobody is killed for being slow, unless the unit's author asked for it (devmux(7), law 7). Of every job
// that runs: at a third of the time allowed it is looked at, and the log says what it waits in; at the end
// of that time it is overdue; and then it gets SIGTERM, and SIGKILL a while later, if the unit says so.
// Who loads a module is spared, and looked at again.
//
//   Running ─ warn ─> Warned ─ limit ─> Overdue ─ SIGTERM ─> Terminated ─ grace, SIGKILL ─> Killed ─> Over
//
// Each step but the first is made on the answer to a question: what does it wait in (LookAtJob, JobSeen),
// who got the signal (KillJob, JobSignalled). Time is CLOCK_MONOTONIC, which stands still in suspend: a
// machine asleep makes nothing overdue (with CLOCK_BOOTTIME udevd killed workers after it, systemd #5903).
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/model/unit.h"
#include "engine/plan/action.h"
#include "engine/plan/flapping.h"

namespace devmux {

class JobLimits {
  public:
    struct Times {
        Duration limit{std::chrono::minutes(5)};   // of a unit that says nothing
        // From SIGTERM to SIGKILL. start-stop-daemon(8) and init(8) wait 3 to 5 s, systemd 90 s: a script that
        // has to end what it began should manage in this time, and a person still watches.
        Duration grace{std::chrono::seconds(10)};
        Duration shutdown{std::chrono::seconds(30)};  // of everything, once the machine goes down
        Duration spared{std::chrono::minutes(5)};  // the longest pause between two looks at a module load
    };
    // Of the unit of that name as it is in force: a reload that changes the limits is for jobs that run, too.
    using LimitsOf = std::function<const TimeLimits*(const std::string& unit)>;
    JobLimits(Times times, LimitsOf limits_of) : times_(times), limits_of_(std::move(limits_of)) {}

    // `foreign`: it is somebody else's, and gets no signal.
    void began(JobId job, std::string unit, Verb verb, std::string device, Time now, bool foreign = false);
    void ended(JobId job);
    void seen(const JobSeen& seen, Time now, Actions& actions);
    void signalled(const JobSignalled& signalled, Time now, Actions& actions);
    void limits_changed(Time now);
    // From now on jobs have as long as `shutdown` says, those that run already as well.
    void go_down(bool down, Time now);
    Time down_since() const { return down_since_; }  // kNever: it does not
    Time next() const { return due_.empty() ? kNever : due_.begin()->first; }
    void deadline(Time now, Actions& actions);

    // Units that became overdue, or are no longer, since the last call.
    std::vector<std::pair<std::string, bool>> take_news() { return std::exchange(news_, {}); }
    // Of the unit's job that has run too long, for status: how long, and what it waits in. Or empty.
    std::string remark(const std::string& unit, Time now) const;

    enum class Stage : unsigned char { Running, Warned, Overdue, Terminated, Killed, Over };
    struct Job {
        JobId job = 0;
        std::string unit;
        Verb verb = Verb::Start;
        std::string device;  // devpath; or empty
        Time began{};
        Stage stage = Stage::Running;
        Time due = kNever;    // the next step
        bool asked = false;   // an answer will come
        bool ended = false;   // only the answer is still awaited
        std::string driver;   // whose load or probe it was last seen in
        std::string text;     // what it was last seen to wait in
        std::string spared;   // who was last spared, as told
        Duration pause{};     // since then between two looks
        bool foreign = false;
    };
    std::vector<Job> checkpoint() const;
    void restore(const std::vector<Job>& from, Time down_since);

  private:
    Duration limit(const Job& job) const;  // kNever: none
    Duration usual_limit(const Job& job, const TimeLimits* limits) const;
    Duration warning(const Job& job) const;
    TimeLimits::Then then(const Job& job) const;
    void set_due(Job& job, Time due);
    void look(Job& job, Actions& actions);
    void kill(Job& job, int signal, Actions& actions);
    void warned(Job& job, Time now, Actions& actions);
    void overdue(Job& job, const JobSeen& seen, Actions& actions);
    std::string taking(const Job& job, Time now) const;
    std::string why(const Job& job) const;
    void count_overdue(const std::string& unit, int by);

    Times times_;
    LimitsOf limits_of_;
    Time down_since_ = kNever;
    std::map<JobId, Job> jobs_;
    std::set<std::pair<Time, JobId>> due_;
    std::map<std::string, int> overdue_;  // jobs of a unit
    std::vector<std::pair<std::string, bool>> news_;
};

std::string_view to_string(JobLimits::Stage stage);
std::optional<JobLimits::Stage> stage_of(std::string_view word);
// "SIGTERM"; of the two that are sent.
std::string_view signal_name(int signal);

}  // namespace devmux
