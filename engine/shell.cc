// Events in, actions out. See shell.h; devices are in shell_devices.cc, people in shell_tell.cc.
#include "engine/shell.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "conditions/text.h"

namespace devmux {
namespace {

// A small file of procfs or sysfs, without its newline; empty when it cannot be read.
std::string read_line(const std::string& path) {
    Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> buffer{};
    ssize_t n = fd ? read(fd.get(), buffer.data(), buffer.size()) : 0;
    std::string text(buffer.data(), n > 0 ? static_cast<size_t>(n) : 0);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

// /proc/modules: "NAME SIZE REFCOUNT USED-BY STATE ADDRESS" (kernel/module/procfs.c).
bool module_is_loading(const std::string& path) {
    Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    std::array<char, 8192> buffer{};
    ssize_t n = 0;
    while (fd && (n = read(fd.get(), buffer.data(), buffer.size())) > 0)
        text.append(buffer.data(), static_cast<size_t>(n));
    return text.find(" Loading ") != std::string::npos;
}

}  // namespace

Shell::Shell(ShellConfig config, Loop& loop, Log& log)
    : config_(std::move(config)), loop_(loop), log_(log), started_(Loop::now()),
      disk_(config_.dirs),
      recordings_(loop, config_.version, [this](const std::string& text, Report::Level level) { report(level, "", text); }),
      sysfs_(config_.sysfs) {}

// The bus goes first: its connections take back what they wait for.
// The name of the helper's socket goes before the lock on its folder, which the next engine may wait for.
Shell::~Shell() {
    guard_.reset();
    bus_.reset();
    hotplug_.reset();
}

std::optional<Error> Shell::start() {
    SavedState saved;
    if (config_.dry_run) config_.sources.hotplug = false;  // it has no place of its own to listen at
    else if (auto error = open_runtime(saved)) return error;
    // Not before we are known to be the only one: the file may be that of one that runs.
    if (!config_.record.empty())
        if (auto error = recordings_.open_file(config_.record, config_.record_limit)) return error;
    // Listen first: what happens while units are loaded and sysfs is walked waits in the socket.
    if (config_.sources.kernel)
        if (auto error = open_source(Transport::Kernel)) return error;
    if (config_.sources.hotplug)
        if (auto error = open_source(Transport::Hotplug)) return error;
    disk_.load_begins();
    configuration_ = std::make_shared<const Configuration>(load_configuration(config_.dirs, Trust::Require));
    disk_.loaded(*configuration_);
    needs_ = configuration_->needs;
    report_configuration();
    engine_ = std::make_unique<Engine>(configuration_, read_line(config_.proc + "/cmdline"), started_,
                                       config_.times);
    SysfsReader::RecordsMaker records = [sysfs = config_.sysfs, ask = ask_records_] {
        auto database = std::make_shared<UdevDatabase>(sysfs);
        return [database, ask](std::string_view devpath) {
            return *ask ? database->record(devpath) : std::nullopt;
        };
    };
    reader_.emplace(config_.sysfs, std::move(records), SysfsReader::Limits{});
    reader_->need(needs_);
    loop_.on_readable(reader_->fd(), "sysfs", Loop::Priority::Events, [this] {
        on_answers();
        turn_ended();
    });
    if (auto resume = ResumeWatch::open()) {
        resume_.emplace(std::move(*resume));
        loop_.on_readable(resume_->fd(), "resume", Loop::Priority::Events, [this] {
            if (resume_->slept() != Duration{}) doubt(InDoubt::Why::Resumed);
            turn_ended();
        });
    } else {
        report(resume.error(), Report::Level::Warning);
    }
    files_.emplace(config_.root.empty() ? "/" : config_.root, config_.proc + "/self/mountinfo");
    open_mounts();
    loop_.on_deadline([this] { on_deadline(); });
    loop_.on_readable(files_->fd(), "files", Loop::Priority::Files, [this] {
        for (const FileSeen& seen : files_->take()) {
            if (seen.path == config_.udev_run + "/control") feed(look_at_udev());
            feed(seen);
        }
        turn_ended();
    });
    actions_.clear();
    recordings_.begin(*engine_, saved, started_);
    engine_->start(saved, started_, actions_);
    for (size_t i = 0; i < actions_.size(); ++i) carry_out(actions_[i]);
    if (services_) services_->follow(engine_->planner());
    if (unit_log_) unit_log_->retire_others([this](const std::string& unit) { return is_known(unit); });
    watch_runlevel();
    take_claims();
    UdevSeen udev = look_at_udev();
    if (udev.presence == UdevPresence::Installed) open_monitor();
    feed(udev);
    watch_files();
    walk();
    turn_ended();
    return std::nullopt;
}

std::optional<Error> Shell::open_runtime(SavedState& saved) {
    auto runtime = RuntimeDir::open(config_.runtime_dir, config_.proc);
    if (!runtime) return runtime.error();
    runtime_.emplace(std::move(*runtime));
    boot_id_ = read_line(config_.proc + "/sys/kernel/random/boot_id");
    auto loaded = read_saved_state(runtime_->fd(), boot_id_);
    if (!loaded) return loaded.error();
    for (const Error& warning : loaded->warnings) report(warning, Report::Level::Warning);
    saved = std::move(loaded->state);
    auto journal = Journal::open(runtime_->fd(), boot_id_, saved);
    if (!journal) return journal.error();
    journal_.emplace(std::move(*journal));
    auto spawner = ProcessSpawner::create(journal_->fd(), "/dev/null", config_.proc);
    if (!spawner) return spawner.error();
    spawner_ = std::move(*spawner);
    auto unit_log = UnitLog::open(runtime_->log_path());
    if (!unit_log) return unit_log.error();
    unit_log_.emplace(std::move(*unit_log));
    auto notes = NotifySocket::open(runtime_->path() + "/notify");
    if (!notes) return notes.error();
    notes_.emplace(std::move(*notes));
    loop_.on_readable(notes_->fd(), "notify", Loop::Priority::Children, [this] {
        read_notes();
        turn_ended();
    });
    RunnerConfig runner;
    runner.notify_socket = notes_->path();
    runner.root = config_.root;
    open_services();
    if (services_->here()) runner.hand_over = services_->taker();
    runner_.emplace(runner, *spawner_, *unit_log_, static_cast<ChildWatch&>(*this));
    loop_.on_readable(unit_log_->fd(), "output", Loop::Priority::Files,
                      [this] { print_output(unit_log_->take()); });
    auto bus = Bus::open(runtime_->path() + "/bus", *this, loop_.event(),
                         [this](const Error& e) { report(e, Report::Level::Warning); });
    if (!bus) return bus.error();
    bus_ = std::move(*bus);
    return open_guard();
}

void Shell::feed(const Event& event) {
    moved_ = true;
    handle(event);
    handle_pending();
}

void Shell::handle_pending() {
    while (!pending_.empty()) {
        Event next = std::move(pending_.front());
        pending_.pop_front();
        handle(next);
    }
}

// The only way into the core: what stands in a recording is all that it knows.
void Shell::handle(const Event& event) {
    Time now = Loop::now();
    recordings_.fed(event, now);
    actions_.clear();
    engine_->handle(event, now, actions_);
    for (size_t i = 0; i < actions_.size(); ++i) carry_out(actions_[i]);
}

void Shell::carry_out(const PlanAction& action) {
    struct Carry {
        Shell& shell;
        void operator()(const Record& record) const {
            if (!shell.journal_) return;
            auto error = shell.journal_->append(record);
            // The program itself is not started without its mark; states of units may be forgotten.
            if (error && shell.unsaved_++ == 0) shell.report(*error, Report::Level::Error);
            const auto* instance = std::get_if<SavedInstance>(&record);
            if (instance && instance->of.empty() && shell.unit_log_) shell.unit_log_->retire(instance->unit);
        }
        void operator()(const RunJob& job) const { shell.run(job); }
        void operator()(const AdoptJob& job) const { shell.adopt(job); }
        void operator()(const LookAgain& again) const {
            if (again.delay == Duration{}) shell.reader_->look(again.devpath);
            else shell.looks_.emplace(Loop::now() + again.delay, again.devpath);
        }
        void operator()(const ReadAttributes& read) const { shell.read_attributes(read.devpath, read.subsystem); }
        void operator()(const LookAtUdev&) const { shell.pending_.emplace_back(shell.look_at_udev()); }
        void operator()(const LookAtModules&) const {
            shell.pending_.emplace_back(ModulesSeen{module_is_loading(shell.config_.proc + "/modules")});
        }
        void operator()(const LookAtJob& look) const { shell.ask_of(look.job, nullptr); }
        void operator()(const KillJob& kill) const { shell.ask_of(kill.job, &kill); }
        void operator()(const TellKernel& tell) const { tell_kernel(shell.config_.kernel_log, tell.text); }
        void operator()(const Report& report) const { shell.log_.write(report, Loop::now()); }
        void operator()(const UnitChanged& changed) const {
            shell.moved_ = true;
            const Planner& planner = shell.engine_->planner();
            auto index = planner.find(changed.unit);
            // It may stand for another script now.
            if (shell.services_ && index && !planner.units()[*index].unit->service.chosen_by.empty())
                shell.services_->follow(planner);
        }
    };
    recordings_.decided(action, Loop::now());
    std::visit(Carry{*this}, action);
}

void Shell::watch(int pidfd, JobId job) {
    await_answer(job);
    loop_.on_readable(pidfd, "job", Loop::Priority::Children, [this, job] {
        read_notes();  // what it said before it ended was said first
        const RunningJob* running = runner_->find(job);
        std::string unit = running ? running->unit : "";
        auto end = runner_->reap(job);
        for (const Warning& warning : runner_->take_warnings())
            report(Report::Level::Warning, warning.unit, warning.text);
        if (end) {
            if (!unit.empty()) print_output(unit_log_->flush(unit));
            feed(*end);
        }
        turn_ended();
    });
}

void Shell::read_notes() {
    for (int pid : notes_->take())
        if (auto job = runner_->ready(pid)) feed(DaemonReady{*job});
}

void Shell::unwatch(int pidfd, JobId) { loop_.forget(pidfd); }

// In force, or of a file that is not for now; an instance of such a one as well. Or its service is left alone: its
// program prints on.
bool Shell::is_known(const std::string& unit) const {
    auto is_out = [&](const std::string& name) {
        return configuration_->broken.contains(name) || configuration_->masked.contains(name);
    };
    const Planner& planner = engine_->planner();
    return planner.find(unit) || planner.leaves_alone(unit) || is_out(unit) || is_out(unit.substr(0, unit.find('@')));
}

void Shell::print_output(const std::vector<OutputLine>& lines) {
    for (const OutputLine& line : lines) log_.output(line.unit, line.text, Loop::now());
}

void Shell::watch_files() {
    std::set<std::string> paths(asked_files_.begin(), asked_files_.end());
    if (udev_ != UdevPresence::Absent) paths.insert(config_.udev_run + "/control");
    for (const FactKey& fact : engine_->planner().conditions_index().facts(FactKind::File)) paths.insert(fact.name);
    for (const auto& [ticket, wait] : truth_waits_)
        each_leaf(wait.condition, [&](const Condition& leaf) {
            if (leaf.kind == Condition::Kind::Fact && leaf.fact.kind == FactKind::File) paths.insert(leaf.fact.name);
        });
    // What nobody watches is not known any more: it must not be believed when it is asked for again.
    std::vector<std::string> forgotten;
    for (const auto& [path, truth] : engine_->world().files)
        if (truth != Truth::Unknown && !paths.contains(path)) forgotten.push_back(path);
    files_->watch(std::move(paths));
    for (std::string& path : forgotten) feed(FileSeen{std::move(path), Truth::Unknown});
    watch_mounts();
    watch_links();
}

void Shell::on_deadline() {
    Time now = Loop::now();
    while (!looks_.empty() && looks_.begin()->first <= now) {
        std::string devpath = std::move(looks_.begin()->second);
        looks_.erase(looks_.begin());
        reader_->look(std::move(devpath));
    }
    if (complete_due_ <= now) complete_coldplug();
    if (resync_due_ <= now) {
        resync_due_ = kNever;
        if (auto why = std::exchange(resync_why_, std::nullopt)) doubt(*why);
        else walk();
    }
    if (udev_due_ <= now) feed(look_at_udev());
    if (services_) services_->jobs().deadline(now);
    end_questions(now);
    feed(DeadlineReached{});
    turn_ended();
}

void Shell::turn_ended() {
    if (std::exchange(moved_, false) || waits_due_ <= Loop::now()) look_at_waits();
    recordings_.flush();
    if (journal_ && journal_->wants_compaction())
        if (auto error = journal_->compact()) report(*error, Report::Level::Warning);
    Time due = std::min({engine_->next_deadline(), complete_due_, waits_due_, resync_due_, udev_due_,
                         services_ ? services_->jobs().next_deadline() : kNever});
    if (!looks_.empty()) due = std::min(due, looks_.begin()->first);
    if (!asked_after_.empty()) due = std::min(due, asked_after_.begin()->first);
    loop_.set_deadline(due);
}

void Shell::report(Report::Level level, const std::string& unit, std::string text) {
    log_.write({level, unit, std::move(text)}, Loop::now());
}

void Shell::report(const Error& error, Report::Level level, const std::string& unit) {
    report(level, unit, error.to_string());
}

void Shell::report_configuration() {
    const Configuration& c = *configuration_;
    for (const Error& error : c.errors) report(error, Report::Level::Error);
    for (const auto& [name, errors] : c.broken) {
        for (const Error& error : errors) report(error, Report::Level::Error, name);
        if (kept_.contains(name))
            report(Report::Level::Warning, name, "its file is broken: the last good one stays in force");
    }
    report(Report::Level::Info, "", std::to_string(c.units.size()) + " units and " +
                                        std::to_string(c.classes->classes().size()) + " classes in force, " +
                                        std::to_string(c.broken.size()) + " broken");
}

}  // namespace devmux
