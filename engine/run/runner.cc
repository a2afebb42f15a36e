// See runner.h. An init script is `NAME start` or `NAME stop` below the root in force, as init(8)
// runs it; a command is its argument list, never a line for a shell.
#include "engine/run/runner.h"

#include <algorithm>
#include <utility>

#include "conditions/text.h"
#include "engine/model/service_file.h"
#include "engine/model/unit.h"
#include "engine/plan/environment.h"
#include "engine/run/trust.h"

namespace devmux {
namespace {

// One line, for the log and for `status`.
std::string text_of(const Error& error) {
    std::string out = error.where.file.empty() ? error.what : error.where.file + ": " + error.what;
    return error.hint.empty() ? out : out + "; try: " + error.hint;
}

JobEnded failed(JobId job, const Error& error) {
    return JobEnded{.job = job, .error = text_of(error)};
}

std::string joined(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
    return out;
}

}  // namespace

Runner::Runner(RunnerConfig config, Spawner& spawner, UnitLog& log, ChildWatch& watch)
    : config_(std::move(config)), spawner_(spawner), log_(log), watch_(watch) {
    if (config_.root.ends_with('/')) config_.root.pop_back();
}

Runner::~Runner() {
    for (const auto& [job, running] : jobs_) Fd(running.child.pidfd).reset();
}

// Fills command_.argv; left empty when there is nothing to run.
std::optional<Error> Runner::set_program(const RunJob& job) {
    const Service& service = job.unit->service;
    bool stop = job.verb == Verb::Stop;
    command_.argv.clear();
    if (service.kind == Service::Kind::InitScript) {
        if (!is_script_name(service.init_script))
            return Error{Mark{},
                         "\"" + printable(service.init_script) +
                             "\" is no name of an init script: letters, digits and . _ + -"};
        command_.argv.push_back(config_.root + config_.init_dir + "/" + service.init_script);
        command_.argv.push_back(stop ? "stop" : "start");
    } else {
        command_.argv = stop ? service.stop : service.start;
        if (command_.argv.empty()) {
            if (stop) return std::nullopt;
            return Error{Mark{}, "the unit has no start command"};
        }
        if (!command_.argv[0].starts_with('/'))
            return Error{Mark{command_.argv[0]}, "not an absolute path"};
    }
    const std::string& program = command_.argv[0];
    if (auto error = distrust(program)) return error;
    if (safe_above_.contains(program)) return std::nullopt;
    auto error = distrust_above(program);
    if (!error) safe_above_.insert(program);
    return error;
}

Started Runner::start(const RunJob& job) {
    Started out;
    const std::string& unit = job.unit->name;
    if (std::optional<Error> error = set_program(job)) {
        out.ended = failed(job.job, *error);
        return out;
    }
    if (command_.argv.empty()) {
        out.ended = JobEnded{.job = job.job, .code = 0};
        return out;
    }
    ScriptEnvironment environment = script_environment({.unit = unit,
                                                        .reason = job.reason,
                                                        .own = job.unit->environment,
                                                        .action = job.action,
                                                        .block = job.block,
                                                        .dev = config_.dev});
    if (!environment.left_out.empty())
        out.warnings.push_back("left out of the environment, because the device says too much: " +
                               joined(environment.left_out));
    command_.environment = std::move(environment.variables);
    command_.job = job.job;
    // A full file system must not keep a machine from starting its services: run it unheard.
    Result<int> output = log_.output_for(unit);
    command_.output_fd = output ? *output : -1;
    if (!output) out.warnings.push_back("its output is lost: " + text_of(output.error()));

    Result<Child> child = spawner_.spawn(command_);
    if (!child) out.ended = failed(job.job, child.error());
    else add(job.job, {unit, job.verb, *child});
    return out;
}

Started Runner::adopt(const AdoptJob& job) {
    Started out;
    Result<Child> child = spawner_.adopt(job.pid, job.marked_at);
    if (!child) out.warnings.push_back(text_of(child.error()));
    if (!child || child->pidfd < 0) out.ended = JobEnded{.job = job.job};
    else add(job.job, {job.unit, Verb::Start, *child});
    return out;
}

void Runner::add(JobId job, RunningJob running) {
    watch_.watch(running.child.pidfd, job);
    jobs_.insert_or_assign(job, std::move(running));
}

std::optional<JobEnded> Runner::reap(JobId job) {
    auto place = jobs_.find(job);
    if (place == jobs_.end()) return std::nullopt;
    const Child child = place->second.child;
    std::optional<Exit> exit = spawner_.ended(child);
    if (!exit) return std::nullopt;
    watch_.unwatch(child.pidfd, job);
    Fd(child.pidfd).reset();
    jobs_.erase(place);
    return JobEnded{.job = job, .code = exit->code, .signal = exit->signal};
}

const RunningJob* Runner::find(JobId job) const {
    auto place = jobs_.find(job);
    return place == jobs_.end() ? nullptr : &place->second;
}

}  // namespace devmux
