// Services of systemd: from RunJob to JobEnded where systemd does the work, and what others do to the
// units that ours stand for. It is told to start or stop, looks at the unit, leaves a mark, asks, and
// waits for the end of the job. What became of a call while the connection was lost, or we were dead, is
// read from the unit: nothing is asked for twice on a guess.
//
// On a machine with systemd an init script is a unit of systemd too: NAME.service where systemd knows it,
// else one of ours, devmux-NAME.service, that outlives us.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "conditions/result.h"
#include "engine/model/unit.h"
#include "engine/plan/job.h"
#include "engine/run/systemd.h"

namespace devmux {

// Implemented by the shell.
class ServiceKeeper {
  public:
    virtual ~ServiceKeeper() = default;
    // Notes that this job is about to be asked for. On an error it is not.
    virtual std::optional<Error> mark_service_job(JobId job, Time boottime) = 0;
    virtual void service_job_ended(const JobEnded& end) = 0;
    virtual void service_seen(const ServiceSeen& seen) = 0;
    // The runlevel that systemd's targets stand for (follow_targets()); empty: none of them is active.
    virtual void targets_seen(const std::string& runlevel) = 0;
    // An init script that systemd does not know: run it as elsewhere. A start comes back by start_script().
    virtual void run_script(const RunJob& job) = 0;
};

class ServiceJobs final : private SystemdListener {
  public:
    // `here`: systemd is the first process of this machine.
    ServiceJobs(Systemd& systemd, ServiceKeeper& keeper, bool here);

    // Whether this service is systemd's matter.
    bool is_ours(const Service& service) const;
    // The units whose services are watched from now on, instead of those before.
    void follow(const std::vector<std::shared_ptr<const Unit>>& units);

    // From now on the targets that stand for runlevels are watched.
    void follow_targets();

    // With a value it has ended already.
    std::optional<JobEnded> start(const RunJob& job);
    // One that a former engine had marked at this time of CLOCK_BOOTTIME.
    std::optional<JobEnded> adopt(JobId job, std::shared_ptr<const Unit> unit, Verb verb, Time marked_at);
    // Of run_script(): nobody forbids it.
    std::optional<JobEnded> start_script(const RunJob& job, const std::string& script,
                                         std::vector<std::string> environment);

    bool knows(JobId job) const { return jobs_.contains(job); }
    // What systemd is at, and the process that it runs for this job, where there is one, with its cgroup.
    struct Seen {
        std::string text;
        int pid = 0;
        std::string cgroup;
    };
    // Now; a fresh look is taken for the next time.
    Seen seen(JobId job);

    // When the connection is tried again.
    Time next_deadline() const { return retry_at_; }
    void deadline(Time now);

  private:
    enum class Stage : unsigned char {
        Before,   // the unit is looked at; nothing was asked for
        Calling,  // asked for; no answer yet
        Running,  // its end will be told
        After,    // asked for, and what became of it is read from the unit
        Ended,    // its end was told: one more look at the unit
    };
    struct Job {
        RunJob run;
        Stage stage = Stage::Before;
        std::string name;       // of the unit of systemd, once it is known
        uint32_t number = 0;    // systemd's
        uint64_t turn = 0;      // of the look whose answer counts
        Time marked_at{};       // CLOCK_BOOTTIME
        std::string result;     // systemd's word for its end
        SystemdUnit last;
    };
    struct Followed {
        std::shared_ptr<const Unit> unit;
        std::optional<ServiceSeen::State> known;
        bool looking = false, again = false;
        bool by_hand = false;  // a job that was not ours has ended well
        bool blind = true;     // something may have happened that nobody told us
    };
    using Answer = std::variant<SystemdUnit, Refusal>;
    using OnUnit = std::function<void(const std::string& name, const Answer& answer)>;

    void systemd_there() override;
    void systemd_lost() override;
    void systemd_job_removed(uint32_t job, const std::string& unit, const std::string& result) override;
    void systemd_unit_changed(const std::string& unit) override;

    void connect();
    std::optional<JobEnded> add(Job job);
    void find(const Service& service, OnUnit tell);
    void look(Job& job);
    void looked(Job& job, const std::string& name, const Answer& answer);
    void before(Job& job);
    void before_reload(Job& job);
    void after(Job& job);
    std::optional<Error> mark(Job& job);
    void call(Job& job);
    void called(JobId id, const std::variant<uint32_t, Refusal>& answer);
    void to_script(Job& job);
    void end(Job& job, JobEnded how);
    void fail(Job& job, std::string why);
    void lack(Job& job, std::string what);
    void ended(Job& job);
    bool was_asked(const Job& job) const;
    void refresh(Followed& followed);
    void note(Followed& followed, const SystemdUnit& unit, bool by_hand);
    void listed(const std::string& name, const std::string& unit);
    bool has_job(const std::string& unit) const;
    void look_at_targets();
    void target_looked_at(size_t target, const SystemdUnit& unit);

    Systemd& systemd_;
    ServiceKeeper& keeper_;
    bool here_;
    bool wanted_ = false, connecting_ = false, there_ = false;
    Time retry_at_ = kNever, pause_{};
    std::map<JobId, Job> jobs_;
    std::map<std::string, Followed> followed_;  // by our unit
    std::unordered_multimap<std::string, std::string> by_name_;  // of systemd: ours
    std::unordered_map<uint32_t, std::string> early_;  // ends of jobs while an answer with a number is awaited
    uint64_t turns_ = 0;
    bool targets_wanted_ = false;
    enum class Reached : unsigned char { No, Soon, Yes };
    std::array<std::optional<Reached>, 3> targets_;  // nothing: not looked at yet
    std::optional<std::string> runlevel_;            // as it was told
};

// What systemd calls the unit of an init script, and we where it has none.
std::string unit_of_script(const std::string& script);
std::string own_unit_of_script(const std::string& script);

// Whether systemd takes it into a unit's environment: env_assignment_is_valid() of its src/basic/env-util.c.
bool is_variable_for_systemd(const std::string& variable);

}  // namespace devmux
