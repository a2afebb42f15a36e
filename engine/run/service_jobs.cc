// See service_jobs.h; what others do to the units is in service_watch.cc. What the words of systemd mean:
// org.freedesktop.systemd1(5), and job_finish_and_invalidate() of its src/core/job.c.
#include "engine/run/service_jobs.h"

#include <algorithm>
#include <utility>

#include "conditions/text.h"
#include "engine/system/clock.h"

namespace devmux {
namespace {

// Between the two clocks that are read one after the other.
constexpr Duration kSlack = std::chrono::milliseconds(10);

bool is_start(const RunJob& run) { return run.verb == Verb::Start || run.verb == Verb::Run; }
bool is_reload(const RunJob& run) { return run.verb == Verb::Reload; }

// systemd's word for how a job ended badly.
std::string words_of(const std::string& result, const SystemdUnit& unit) {
    std::string of_unit = unit.result.empty() || unit.result == "success" ? "" : " (" + printable(unit.result) + ")";
    if (result == "failed") return "failed" + of_unit;
    if (result == "timeout") return "took longer than systemd allows" + of_unit;
    if (result == "dependency") return "was not started: a unit that it requires failed";
    if (result == "canceled") return "was canceled: another job of systemd took its place";
    if (result == "skipped") return "was skipped by systemd";
    if (result == "assert") return "was not started: an assertion of the unit is not met";
    if (result == "unsupported") return "is of a type that this machine does not support";
    return "ended with \"" + printable(result) + "\"" + of_unit;
}

std::string translated(const std::string& script) {
    std::string name;
    for (char c : script) name += c == '+' ? "\\x2b" : std::string(1, c);
    return name;
}

}  // namespace

// As systemd's sysv-generator: without .sh, and what no name of a unit may have is escaped.
std::string unit_of_script(const std::string& script) {
    std::string name = translated(script);
    if (name.size() > 3 && name.ends_with(".sh")) name.resize(name.size() - 3);
    return name + ".service";
}

std::string own_unit_of_script(const std::string& script) { return "devmux-" + translated(script) + ".service"; }

ServiceJobs::ServiceJobs(Systemd& systemd, ServiceKeeper& keeper, bool here)
    : systemd_(systemd), keeper_(keeper), here_(here) {}

bool ServiceJobs::is_ours(const Service& service) const {
    return service.kind == Service::Kind::Systemd || (here_ && service.kind == Service::Kind::InitScript);
}

std::optional<JobEnded> ServiceJobs::start(const RunJob& job) { return add({.run = job}); }

std::optional<JobEnded> ServiceJobs::adopt(JobId id, std::shared_ptr<const Unit> unit, Verb verb, Time marked_at) {
    if (!unit || !is_ours(unit->service)) return JobEnded{.job = id};
    RunJob run{.job = id, .unit = std::move(unit), .verb = verb, .reason = "asked for under a former engine"};
    return add({.run = std::move(run), .stage = Stage::After, .marked_at = marked_at});
}

std::optional<JobEnded> ServiceJobs::add(Job job) {
    JobId id = job.run.job;
    bool may_be_missing = is_start(job.run) && job.run.unit->service.may_be_missing;
    if (!here_) return JobEnded{.job = id, .error = "systemd does not run on this machine", .missing = may_be_missing};
    Job& added = jobs_.insert_or_assign(id, std::move(job)).first->second;
    if (there_) look(added);
    else connect();
    return std::nullopt;
}

void ServiceJobs::connect() {
    wanted_ = true;
    if (connecting_ || there_ || retry_at_ != kNever) return;
    connecting_ = systemd_.connect(*this);
    if (!connecting_) systemd_lost();
}

void ServiceJobs::deadline(Time now) {
    if (retry_at_ > now) return;
    retry_at_ = kNever;
    connect();
}

// The unit behind a service. An init script's is systemd's own, unless ours runs.
void ServiceJobs::find(const Service& service, OnUnit tell) {
    if (service.kind == Service::Kind::Systemd) {
        auto reply = [name = service.systemd, tell = std::move(tell)](const Answer& answer) { tell(name, answer); };
        (void)systemd_.look(service.systemd, std::move(reply));
        return;
    }
    std::string name = unit_of_script(service.init_script), own = own_unit_of_script(service.init_script);
    (void)systemd_.look(name, [this, name, own, tell = std::move(tell)](const Answer& first) {
        const auto* unit = std::get_if<SystemdUnit>(&first);
        if (!unit || !unit->rests()) return tell(name, first);
        (void)systemd_.look(own, [name, own, first, tell](const Answer& second) {
            const auto* ours = std::get_if<SystemdUnit>(&second);
            bool unknown = std::get<SystemdUnit>(first).load == "not-found";
            bool is_own = unknown || (ours && ours->load == "loaded" && !ours->rests());
            tell(is_own ? own : name, is_own ? second : first);
        });
    });
}

void ServiceJobs::look(Job& job) {
    job.turn = ++turns_;
    if (!there_) return;  // when it is
    find(job.run.unit->service, [this, id = job.run.job, turn = job.turn](const std::string& name, const Answer& answer) {
        auto it = jobs_.find(id);
        if (it != jobs_.end() && it->second.turn == turn) looked(it->second, name, answer);
    });
}

void ServiceJobs::looked(Job& job, const std::string& name, const Answer& answer) {
    if (const auto* refusal = std::get_if<Refusal>(&answer)) {
        if (!refusal->answered) return there_ ? look(job) : void();
        if (job.stage == Stage::Ended) return ended(job);
        if (job.stage != Stage::Running) fail(job, "systemd: " + printable(refusal->text));
        return;
    }
    job.name = name;
    job.last = std::get<SystemdUnit>(answer);
    listed(job.last.id, job.run.unit->name);
    if (job.stage == Stage::Before) before(job);
    else if (job.stage == Stage::After) after(job);
    else if (job.stage == Stage::Ended) ended(job);
}

// What systemd cannot reload is restarted by the plan, in order with its other units.
void ServiceJobs::before_reload(Job& job) {
    if (job.last.rests()) return fail(job, job.name + " does not run");
    if (!job.last.can_reload) return end(job, {.job = job.run.job, .code = 0, .no_action = true});
    call(job);
}

void ServiceJobs::before(Job& job) {
    if (is_reload(job.run)) return before_reload(job);
    const SystemdUnit& unit = job.last;
    const Unit& ours = *job.run.unit;
    const bool script = ours.service.kind == Service::Kind::InitScript;
    const bool own = script && job.name == own_unit_of_script(ours.service.init_script);
    if (!is_start(job.run)) {
        if (unit.load == "not-found" && own) return to_script(job);
        if (unit.rests()) return end(job, {.job = job.run.job, .code = 0});
        return call(job);
    }
    if (unit.load == "not-found" && own) return to_script(job);
    if (unit.load == "not-found") return lack(job, "systemd knows no unit " + job.name);
    if (unit.load == "masked") return lack(job, job.name + " is masked: systemctl unmask would allow it");
    if (unit.load != "loaded") {
        std::string why = unit.trouble.empty() ? unit.load : unit.trouble;
        return fail(job, "systemd cannot load " + job.name + ": " + printable(why));
    }
    if (unit.runs() && !ours.task) {
        JobEnded found{.job = job.run.job, .found_running = true};
        if (ours.if_running == IfRunning::Error) found.error = "systemd says that " + job.name + " runs (if-running: error)";
        else found.code = 0;
        return end(job, std::move(found));
    }
    if (!own || !unit.rests()) return call(job);
    // A script that has failed: its unit is made anew, with the variables of this start.
    (void)systemd_.reset_failed(job.name, [this, id = job.run.job](const std::variant<uint32_t, Refusal>&) {
        auto it = jobs_.find(id);
        if (it != jobs_.end() && it->second.stage == Stage::Before) to_script(it->second);
    });
}

// From here on it is a job as elsewhere, until it may be started.
void ServiceJobs::to_script(Job& job) {
    RunJob run = std::move(job.run);
    jobs_.erase(run.job);
    keeper_.run_script(run);
}

// A call without a mark would be made again by the next engine.
std::optional<Error> ServiceJobs::mark(Job& job) {
    job.marked_at = read_clock(CLOCK_BOOTTIME);
    job.stage = Stage::Calling;
    return keeper_.mark_service_job(job.run.job, job.marked_at);
}

void ServiceJobs::call(Job& job) {
    if (auto error = mark(job)) return fail(job, error->to_string());
    auto reply = [this, id = job.run.job](const auto& answer) { called(id, answer); };
    bool asked = is_start(job.run)    ? systemd_.start(job.name, reply)
                 : is_reload(job.run) ? systemd_.reload(job.name, reply)
                                      : systemd_.stop(job.name, reply);
    if (!asked) job.stage = Stage::After;  // the connection is on its way out
}

std::optional<JobEnded> ServiceJobs::start_script(const RunJob& run, const std::string& script,
                                                  std::vector<std::string> environment) {
    Job& job = jobs_.insert_or_assign(run.job, Job{.run = run}).first->second;
    job.name = own_unit_of_script(run.unit->service.init_script);
    auto failed = [&](std::string why) {
        jobs_.erase(run.job);
        return JobEnded{.job = run.job, .error = std::move(why)};
    };
    if (auto error = mark(job)) return failed(error->to_string());
    auto reply = [this, id = run.job](const auto& answer) { called(id, answer); };
    if (!systemd_.start_script({job.name, script, std::move(environment)}, reply)) return failed("systemd cannot be asked");
    return std::nullopt;
}

void ServiceJobs::called(JobId id, const std::variant<uint32_t, Refusal>& answer) {
    auto it = jobs_.find(id);
    if (it == jobs_.end() || it->second.stage != Stage::Calling) return;
    Job& job = it->second;
    if (const auto* refusal = std::get_if<Refusal>(&answer)) {
        if (refusal->answered) return fail(job, "systemd: " + printable(refusal->text));
        job.stage = Stage::After;
        return look(job);
    }
    job.number = std::get<uint32_t>(answer);
    job.stage = Stage::Running;
    auto end = early_.find(job.number);
    std::string result = end == early_.end() ? "" : end->second;
    bool calling = std::any_of(jobs_.begin(), jobs_.end(), [](const auto& j) { return j.second.stage == Stage::Calling; });
    if (!calling) early_.clear();
    if (!result.empty()) systemd_job_removed(job.number, job.name, result);
}

// Whether the call has come to systemd: it leaves a trace in the unit.
bool ServiceJobs::was_asked(const Job& job) const {
    Time marked = job.marked_at - (read_clock(CLOCK_BOOTTIME) - read_clock(CLOCK_MONOTONIC)) - kSlack;
    return (is_reload(job.run) ? job.last.changed : std::max(job.last.left, job.last.asked)) >= marked;
}

void ServiceJobs::after(Job& job) {
    const SystemdUnit& unit = job.last;
    if (unit.job != 0) {
        job.number = unit.job;
        job.stage = Stage::Running;
        return;
    }
    const JobEnded well{.job = job.run.job, .code = 0};
    if (is_reload(job.run) ? unit.active == "active" && was_asked(job) : is_start(job.run) ? unit.runs() : unit.rests())
        return end(job, well);
    if (is_start(job.run) && unit.rests() && was_asked(job)) {
        job.result = unit.active == "failed" ? "failed" : "done";
        return ended(job);
    }
    if (!unit.rests() && !unit.runs()) return;  // on its way, by itself: it will change
    if (is_reload(job.run) && unit.active != "active" && !unit.rests()) return;  // it is reloading
    job.stage = Stage::Before;
    before(job);
}

void ServiceJobs::ended(Job& job) {
    const SystemdUnit& unit = job.last;
    if (job.result != "done") return fail(job, job.name + " " + words_of(job.result, unit));
    if (is_start(job.run) && unit.rests() && !unit.condition && was_asked(job))
        return fail(job, job.name + " was not started: a condition of the unit is not met");
    end(job, {.job = job.run.job, .code = 0});
}

// A start of what the unit may do without (if-missing).
void ServiceJobs::lack(Job& job, std::string what) {
    const Service& service = job.run.unit->service;
    end(job, {.job = job.run.job, .error = std::move(what), .missing = service.may_be_missing});
}

void ServiceJobs::fail(Job& job, std::string why) { end(job, {.job = job.run.job, .error = std::move(why)}); }

void ServiceJobs::end(Job& job, JobEnded how) {
    Job was = std::move(job);
    jobs_.erase(how.job);
    keeper_.service_job_ended(how);
    auto it = followed_.find(was.run.unit->name);
    if (it == followed_.end() || was.last.active.empty()) return;
    Followed& followed = it->second;
    if (is_reload(was.run)) return note(followed, was.last, followed.by_hand);
    followed.known.reset();
    if (how.found_running) followed.known = ServiceSeen::State::Running;
    else if (how.ok()) followed.known = is_start(was.run) ? ServiceSeen::State::Running : ServiceSeen::State::Stopped;
    followed.by_hand = followed.blind = false;
    note(followed, was.last, was.result == "canceled");
}

bool is_variable_for_systemd(const std::string& variable) {
    size_t equals = variable.find('=');
    if (equals == variable.npos || equals == 0 || (variable[0] >= '0' && variable[0] <= '9')) return false;
    bool name = std::all_of(variable.begin(), variable.begin() + static_cast<std::ptrdiff_t>(equals), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
    // printable() leaves alone what is sound text.
    std::string value = variable.substr(equals + 1);
    return name && printable(value) == value;
}

ServiceJobs::Seen ServiceJobs::seen(JobId id) {
    auto it = jobs_.find(id);
    if (it == jobs_.end()) return {"it has no job of systemd", 0, ""};
    Job& job = it->second;
    if (!there_) return {"it waits for a connection to systemd", 0, ""};
    const SystemdUnit& unit = job.last;
    std::string text = "it waits for systemd's answer";
    if (!unit.active.empty()) text = job.name + " is " + printable(unit.active) + " (" + printable(unit.sub) + ")";
    int main = unit.runs() && is_start(job.run) ? 0 : unit.main_pid;
    return {text, unit.control_pid ? unit.control_pid : main, unit.cgroup};
}

}  // namespace devmux
