// See runner.h. An init script is `NAME start` or `NAME stop` below the root in force, as init(8)
// runs it; a command is its argument list, never a line for a shell.
#include "engine/run/runner.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "conditions/text.h"
#include "engine/model/service_file.h"
#include "engine/model/unit.h"
#include "engine/plan/environment.h"
#include "engine/run/script_folder.h"
#include "engine/run/trust.h"
#include "engine/run/user.h"

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

// Of a folder of scripts: they are one job, with one mark, and go on where the daemon is killed. What they
// are called with are arguments, and no part of this text. Each gets the subsystem; what one of them says by
// its exit status keeps none of the others from running, and the last that is not 0 is the job's.
constexpr const char* kOneAfterTheOther =
    "subsystem=$1; shift; bad=0; for script; do \"$script\" \"$subsystem\" || bad=$?; done; exit $bad";

}  // namespace

Runner::Runner(RunnerConfig config, Spawner& spawner, UnitLog& log, ChildWatch& watch)
    : config_(std::move(config)), spawner_(spawner), log_(log), watch_(watch) {
    if (config_.root.ends_with('/')) config_.root.pop_back();
}

Runner::~Runner() {
    for (const auto& [job, running] : jobs_) Descriptor(running.child.pidfd).reset();
}

// Fills command_.argv; left empty when there is nothing to run.
std::optional<Error> Runner::set_program(const RunJob& job, Started& out) {
    const Service& service = job.unit->service;
    bool stop = job.verb == Verb::Stop;
    command_.argv.clear();
    if (service.kind == Service::Kind::InitScript) {
        if (!is_script_name(service.init_script))
            return Error{Mark{},
                         "\"" + printable(service.init_script) +
                             "\" is no name of an init script: letters, digits and . _ + -"};
        std::string action = action_of(job, config_.root + config_.init_dir);
        if (action.empty()) return std::nullopt;
        command_.argv.push_back(config_.root + config_.init_dir + "/" + service.init_script);
        command_.argv.push_back(std::move(action));
    } else if (service.kind == Service::Kind::Scripts) {
        ScriptsFound found = scripts_for(service.scripts, job.block);
        for (const Error& error : found.refused) out.warnings.push_back(text_of(error));
        if (found.scripts.empty()) return std::nullopt;
        std::string subsystem(find_in(job.block, "SUBSYSTEM").value_or(""));
        command_.argv = {config_.shell, "-c", kOneAfterTheOther, "devmux-scripts", printable(subsystem)};
        for (std::string& script : found.scripts) command_.argv.push_back(std::move(script));
    } else {
        command_.argv = job.verb == Verb::Reload ? service.reload : stop ? service.stop : service.start;  // a daemon has no program for its stop
        if (command_.argv.empty()) {
            if (stop) return std::nullopt;
            return Error{Mark{}, "the unit has no start command"};
        }
        if (!command_.argv[0].starts_with('/'))
            return Error{Mark{command_.argv[0]}, "not an absolute path"};
    }
    return safe_to_run(command_.argv[0]);
}

std::optional<Error> Runner::safe_to_run(const std::string& program) {
    if (auto error = distrust(program)) return error;
    if (safe_above_.contains(program)) return std::nullopt;
    auto error = distrust_above(program);
    if (!error) safe_above_.insert(program);
    return error;
}

// Of a program that cannot be run. One that is not there at all is not installed.
JobEnded Runner::refused(const RunJob& job, const Error& error) const {
    bool may = job.verb == Verb::Start && job.unit->service.may_be_missing && !command_.argv.empty();
    if (!may || access(command_.argv[0].c_str(), F_OK) == 0 || errno != ENOENT) return failed(job.job, error);
    return {.job = job.job, .error = "not installed: " + printable(command_.argv[0]) + " is missing", .missing = true};
}

Started Runner::start(const RunJob& job) {
    if (job.daemon) return job.verb == Verb::Reload ? reload_daemon(job) : stop_daemon(job);
    Started out;
    // Looked at before anybody is asked: a script that is not there is no question of policy.
    if (std::optional<Error> error = set_program(job, out)) {
        out.ended = refused(job, *error);
        return out;
    }
    if (command_.argv.empty()) {
        out.ended = JobEnded{.job = job.job, .code = 0, .no_action = job.verb == Verb::Reload};
        return out;
    }
    auto asking = std::make_unique<RunningJob::Asking>();
    asking->questions = questions_before(job, {.init_dir = config_.root + config_.init_dir,
                                               .policy = config_.root + config_.policy,
                                               .runlevel = runlevel_});
    if (asking->questions.empty()) {
        run_program(job, out);
        return out;
    }
    asking->job = job;
    ask(std::move(asking), out);
    return out;
}

void Runner::ask(std::unique_ptr<RunningJob::Asking> asking, Started& out) {
    const Question& question = asking->questions[asking->asked];
    const RunJob& job = asking->job;
    // Who could put another program in its place could allow everything.
    std::optional<Error> error = safe_to_run(question.argv[0]);
    if (!error) {
        command_.argv = question.argv;
        command_.marks = false;  // that the question was asked is not that the job has run
        Result<Child> child = spawn(job, out);
        command_.marks = true;
        if (child) return add(job.job, {job.unit->name, job.verb, *child, std::move(asking), nullptr});
        error = child.error();
    }
    if (asking->after) out.warnings.push_back(text_of(*error));
    out.ended = asking->after ? JobEnded{.job = job.job} : failed(job.job, *error);
}

// A start of which nobody knows how it ended: it is what the service says of itself, where that can be asked.
Started Runner::ended_unseen(JobId job, std::shared_ptr<const Unit> unit) {
    Started out;
    auto question = unit ? status_question(*unit, config_.root + config_.init_dir) : std::nullopt;
    if (!question) {
        out.ended = JobEnded{.job = job};
        return out;
    }
    auto asking = std::make_unique<RunningJob::Asking>();
    asking->job = {.job = job, .unit = std::move(unit), .reason = "its start has ended, and nobody saw how"};
    asking->questions = {std::move(*question)};
    asking->after = true;
    ask(std::move(asking), out);
    return out;
}

Started Runner::answered(std::unique_ptr<RunningJob::Asking> asking, const Exit& exit) {
    Started out;
    const RunJob& job = asking->job;
    Answer answer = answer_to(asking->questions[asking->asked], exit);
    if (asking->after) {
        bool down = answer.kind == Answer::Kind::GoOn && answer.text.empty();
        out.ended = JobEnded{.job = job.job, .found_down = down};
        return out;
    }
    switch (answer.kind) {
        case Answer::Kind::Refused: out.ended = JobEnded{.job = job.job, .error = answer.text}; return out;
        case Answer::Kind::Running:
            out.ended = JobEnded{.job = job.job, .found_running = true};
            if (job.unit->if_running == IfRunning::Error) out.ended->error = answer.text + " (if-running: error)";
            else out.ended->code = 0;
            return out;
        case Answer::Kind::GoOn: break;
    }
    if (!answer.text.empty()) out.warnings.push_back(answer.text);
    if (++asking->asked < asking->questions.size()) {
        ask(std::move(asking), out);
        return out;
    }
    // Again, for it may have been changed while somebody thought about it.
    if (std::optional<Error> error = set_program(job, out)) out.ended = refused(job, *error);
    else run_program(job, out);
    return out;
}

void Runner::run_program(const RunJob& job, Started& out) {
    if (config_.hand_over && job.unit->service.kind == Service::Kind::InitScript && job.verb == Verb::Start) {
        if (auto error = set_environment(job, out)) out.ended = failed(job.job, *error);
        else out.ended = config_.hand_over(job, command_.argv[0], command_.environment);
        return;
    }
    Result<Child> child = spawn(job, out);
    if (!child) {
        out.ended = failed(job.job, child.error());
        return;
    }
    const Service& service = job.unit->service;
    out.ready = service.kind == Service::Kind::Daemon && !service.notifies;
    if (service.notifies) not_ready_[child->pid] = job.job;
    add(job.job, {job.unit->name, job.verb, *child, nullptr, nullptr});
}

std::optional<JobId> Runner::ready(int pid) {
    auto place = not_ready_.find(pid);
    if (place == not_ready_.end()) return std::nullopt;
    JobId job = place->second;
    not_ready_.erase(place);
    return job;
}

// Over when the daemon is: its end is told under its own job.
Started Runner::stop_daemon(const RunJob& job) {
    Started out;
    auto place = jobs_.find(job.daemon);
    if (place == jobs_.end()) out.ended = JobEnded{.job = job.job, .code = 0};
    else if (auto error = spawner_.signal(place->second.child, SIGTERM)) out.ended = failed(job.job, *error);
    else stops_[job.job] = job.daemon;
    return out;
}

// Over as soon as it was told.
Started Runner::reload_daemon(const RunJob& job) {
    Started out;
    auto place = jobs_.find(job.daemon);
    out.ended = JobEnded{.job = job.job, .code = 0};
    if (place == jobs_.end()) out.ended = JobEnded{.job = job.job, .error = "its daemon has just ended"};
    else if (auto error = spawner_.signal(place->second.child, SIGHUP)) out.ended = failed(job.job, *error);
    return out;
}

// Puts what becomes that user in front of command_.argv.
std::optional<Error> Runner::set_user(const Unit& unit, std::vector<std::string>& own) {
    if (unit.user.empty()) return std::nullopt;
    Result<User> user = user_of(config_.root + config_.etc, unit.user);
    if (!user) return user.error();
    if (auto error = safe_to_run(config_.setpriv)) {
        if (error->hint.empty()) error->hint = "`user` needs setpriv of the package util-linux";
        return error;
    }
    std::vector<std::string> argv = arguments_to_become(*user, config_.setpriv);
    command_.argv.insert(command_.argv.begin(), argv.begin(), argv.end());
    for (const auto& [name, value] : {std::pair{"HOME=", user->home}, {"USER=", user->name}, {"LOGNAME=", user->name}})
        own.push_back(name + value);  // behind the unit's own, which count first
    return std::nullopt;
}

std::optional<Error> Runner::set_environment(const RunJob& job, Started& out) {
    const std::string &unit = job.unit->name, &of = job.unit->of;
    std::vector<std::string> own = job.unit->environment;
    // Debian's scripts would ask systemd to run them: /lib/lsb/init-functions.d/40-systemd.
    if (config_.hand_over && job.unit->service.kind == Service::Kind::InitScript) own.push_back("SYSTEMCTL_SKIP_REDIRECT=1");
    if (job.unit->service.notifies) own.push_back("NOTIFY_SOCKET=" + config_.notify_socket);
    if (auto error = set_user(*job.unit, own)) return error;
    ScriptEnvironment environment = script_environment({.unit = of.empty() ? unit : of,
                                                        .instance = of.empty() ? "" : unit,
                                                        .reason = job.reason,
                                                        .own = own,
                                                        .action = job.action,
                                                        .block = job.block,
                                                        .dev = config_.dev});
    if (!environment.left_out.empty())
        out.warnings.push_back("left out of the environment, because the device says too much: " +
                               joined(environment.left_out));
    command_.environment = std::move(environment.variables);
    return std::nullopt;
}

// What command_.argv says, for this job.
Result<Child> Runner::spawn(const RunJob& job, Started& out) {
    const std::string& unit = job.unit->name;
    if (auto error = set_environment(job, out)) return std::move(*error);
    command_.job = job.job;
    // A full file system must not keep a machine from starting its services: run it unheard.
    Result<int> output = log_.output_for(unit);
    command_.output_fd = output ? *output : -1;
    if (!output) out.warnings.push_back("its output is lost: " + text_of(output.error()));
    return spawner_.spawn(command_);
}

Started Runner::adopt(const AdoptJob& job) {
    Started out;
    Result<Child> child = spawner_.adopt(job.pid, job.marked_at);
    if (child && child->pidfd >= 0) {
        add(job.job, {job.unit, Verb::Start, *child, nullptr, job.start});
        return out;
    }
    if (!child) out.warnings.push_back(text_of(child.error()));
    Started asked = ended_unseen(job.job, job.start);
    for (std::string& text : asked.warnings) out.warnings.push_back(std::move(text));
    out.ended = std::move(asked.ended);
    return out;
}

void Runner::add(JobId job, RunningJob running) {
    int pidfd = running.child.pidfd;
    jobs_.insert_or_assign(job, std::move(running));
    watch_.watch(pidfd, job);
}

std::optional<JobEnded> Runner::reap(JobId job) {
    auto place = jobs_.find(job);
    if (place == jobs_.end()) return std::nullopt;
    const Child child = place->second.child;
    std::optional<Exit> exit = spawner_.ended(child);
    if (!exit) return std::nullopt;
    watch_.unwatch(child.pidfd, job);
    Descriptor(child.pidfd).reset();
    std::string unit = std::move(place->second.unit);
    auto asking = std::move(place->second.asking);
    auto start = std::move(place->second.start);
    jobs_.erase(place);
    not_ready_.erase(child.pid);
    std::erase_if(stops_, [&](const auto& stop) { return stop.second == job; });
    bool unseen = start && !exit->code && !exit->signal;
    if (asking || unseen) {
        Started next = asking ? answered(std::move(asking), *exit) : ended_unseen(job, std::move(start));
        for (std::string& text : next.warnings) warnings_.push_back({unit, std::move(text)});
        return next.ended;
    }
    return JobEnded{.job = job, .code = exit->code, .signal = exit->signal};
}

const RunningJob* Runner::find(JobId job) const {
    auto stop = stops_.find(job);
    auto place = jobs_.find(stop == stops_.end() ? job : stop->second);
    return place == jobs_.end() ? nullptr : &place->second;
}

const RunningJob* Runner::of_process(int pid) const {
    auto place = std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& j) { return j.second.child.pid == pid; });
    return place == jobs_.end() ? nullptr : &place->second;
}

}  // namespace devmux
