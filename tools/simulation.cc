// See simulation.h.
#include "tools/simulation.h"

#include <algorithm>
#include <utility>

#include "conditions/text.h"
#include "engine/decision.h"
#include "engine/intake/uevent.h"
#include "engine/recording/line_text.h"
#include "engine/run/record_text.h"
#include "engine/run/saved_state.h"

namespace devmux {
namespace {

constexpr const char* kBootId = "00000000-0000-4000-8000-000000000000";

std::string joined(const std::vector<std::string>& variables) {
    std::string block;
    for (const std::string& variable : variables) block += variable + '\0';
    return block;
}

std::string subsystem_of(const TracedDevice& device) {
    return std::string(find_in(joined(device.variables), "SUBSYSTEM").value_or(""));
}

}  // namespace

Simulation::Simulation(std::shared_ptr<const Configuration> configuration, std::string kernel_command_line,
                       EngineTimes times)
    : configuration_(std::move(configuration)), kernel_command_line_(std::move(kernel_command_line)),
      times_(times) {
    journal_ = text_of({}, kBootId);
}

void Simulation::start() {
    StateReader reader(kBootId);
    reader.feed(journal_);
    engine_ = std::make_unique<Engine>(configuration_, kernel_command_line_, now_, times_);
    SavedState saved = reader.finish().state;
    // In a trace that says nothing of mounts nobody looks at them.
    if (!mounts_ && saved.carried == Truth::Unknown) saved.carried = Truth::False;
    if (recorder_) recorder_->begin(*engine_, saved, now_);
    Actions actions;
    engine_->start(saved, now_, actions);
    for (const PlanAction& action : actions) carry_out(action);
    // The shell reads this before anything else happens, the ends of jobs that nobody watched among that.
    std::vector<Event> init;
    for (const auto& [what, event] : init_) init.push_back(event);
    init.push_back(udev_);
    pending_.insert(pending_.begin(), init.begin() + 1, init.end());
    for (Event& claim : std::exchange(claims_, {})) pending_.push_back(std::move(claim));
    feed(init[0]);
    tell_mounts();
    tell_links();
    feed(DeadlineReached{});
}

void Simulation::take_over(const TraceHead& head) {
    engine_ = engine_of(head);
    now_ = began_ = head.now;
    const Checkpoint& c = head.checkpoint.value();
    seqnum_ = c.history.highest;
    udev_ = {c.udev.presence, true};
    take_over_mounts(c.mounts);
    links_ = c.links;
    for (const auto& known : c.table.devices) {
        TracedDevice device{known.devpath, {}, known.attributes, known.generation.inode, std::nullopt};
        for (std::string_view rest = known.block; !rest.empty(); rest.remove_prefix(std::min(rest.find('\0') + 1, rest.size()))) {
            std::string variable(rest.substr(0, rest.find('\0')));
            if (!variable.starts_with("DEVPATH=")) device.variables.push_back(std::move(variable));
        }
        inode_ = std::max(inode_, device.inode);
        inodes_[device.devpath] = device.inode;
        sysfs_[device.devpath] = std::move(device);
    }
    for (const Managed& m : c.planner.units)
        if (JobId job = m.daemon ? m.daemon : m.job) {
            bool stops = !m.daemon && m.state.actual == Actual::Stopping;
            running_.push_back({job, m.unit->name, stops ? Verb::Stop : Verb::Start, ""});
        }
    for (const Managed& m : c.planner.units)
        if (m.refreshing.job) running_.push_back({m.refreshing.job, m.unit->name, Verb::Reload, ""});
    for (const auto& lane : c.planner.runs.lanes)
        if (lane.running) running_.push_back({lane.running, lane.unit, Verb::Run, ""});
}

void Simulation::crash(const std::vector<std::string>& unmarked) {
    for (const std::string& unit : unmarked) {
        auto it = std::find_if(running_.begin(), running_.end(), [&](const Job& j) { return j.unit == unit; });
        if (it == running_.end()) continue;
        --runs_[{it->unit, it->verb}];
        std::string mark;
        append_line(SavedMark{it->id, 0, {}}, mark);  // taken back: it never became its program
        journal_ += mark;
        running_.erase(it);
    }
    say("the engine was killed");
    engine_.reset();
    looks_.clear();
    reads_.clear();
    pending_.clear();
}

uint64_t Simulation::inode_of(const TracedDevice& device, bool fresh) {
    if (device.inode) return inodes_[device.devpath] = device.inode;
    uint64_t& inode = inodes_[device.devpath];
    if (fresh || inode == 0) inode = ++inode_;
    return inode;
}

Generation Simulation::generation_of(const TracedDevice& device, bool fresh) {
    std::string block = joined(device.variables);
    auto ifindex = find_in(block, "IFINDEX");
    return {.inode = inode_of(device, fresh), .ifindex = ifindex ? number_of(*ifindex).value_or(0) : 0};
}

FoundDevice Simulation::found(const TracedDevice& device) {
    FoundDevice out;
    out.devpath = device.devpath;
    out.subsystem = subsystem_of(device);
    out.block = "DEVPATH=" + device.devpath + '\0' + joined(device.variables);
    out.standing = {.exists = true, .device = true, .generation = generation_of(device, false),
                    .attributes = device.attributes};
    out.udev = device.udev;
    return out;
}

void Simulation::snapshot(const std::vector<TracedDevice>& devices, bool behind) {
    Snapshot all;
    all.seqnum = seqnum_;
    sysfs_.clear();
    for (const TracedDevice& device : devices) {
        sysfs_[device.devpath] = device;
        all.devices.push_back(found(device));
    }
    feed(all);
    if (reads_take == Duration{}) answer(now_);
    if (!behind) caught_up();
}

std::vector<TracedDevice> Simulation::sysfs() const {
    std::vector<TracedDevice> out;
    for (const auto& [devpath, device] : sysfs_) out.push_back(device);
    return out;
}

void Simulation::caught_up() { feed(CaughtUp{}); }

void Simulation::coldplug_complete() { feed(ColdplugComplete{}); }

void Simulation::udevd(UdevSeen state) {
    udev_ = state;
    feed(state);
}

void Simulation::change_silently(const TracedDevice& device) {
    TracedDevice& there = sysfs_[device.devpath];
    if (there.devpath.empty()) there = device;
    if (device.inode) there.inode = device.inode, inodes_[device.devpath] = device.inode;
    if (!device.variables.empty()) there.variables = device.variables;
    if (!device.attributes.empty()) there.attributes = device.attributes;
    if (device.udev) there.udev = device.udev;
}

void Simulation::vanish_silently(const std::string& devpath) {
    sysfs_.erase(devpath);
    inodes_.erase(devpath);
}

// The kernel's and the helper's copies change what sysfs has; udev's copy comes later, when that may be
// history.
void Simulation::event(std::string_view action, const TracedDevice& device, const TracedHow& how) {
    uint64_t seqnum = how.seqnum ? how.seqnum : next_seqnum();
    seqnum_ = std::max(seqnum_, seqnum);
    bool add = action == "add" && !how.synthetic, remove = action == "remove" && !how.synthetic;
    // A second copy tells of nothing that the first did not.
    bool again = how.via != Transport::Udev && !announced_.insert(seqnum).second;
    bool news = how.via != Transport::Udev && !how.gone && !again;
    if (!how.devpath_old.empty() && news) {
        auto old = inodes_.find(how.devpath_old);
        bool another = old != inodes_.end() && device.inode && old->second != device.inode;
        if (old != inodes_.end() && !another) inodes_[device.devpath] = old->second;
        if (!another) vanish_silently(how.devpath_old);
    }
    if (remove && news) sysfs_.erase(device.devpath);
    else if (news && (!how.synthetic || sysfs_.contains(device.devpath))) sysfs_[device.devpath] = device;
    if (how.via == Transport::Udev && device.udev && sysfs_.contains(device.devpath))
        sysfs_[device.devpath].udev = device.udev;
    std::string message = std::string(action) + "@" + device.devpath + '\0';
    message += "ACTION=" + std::string(action) + '\0' + "DEVPATH=" + device.devpath + '\0';
    if (!how.devpath_old.empty()) message += "DEVPATH_OLD=" + how.devpath_old + '\0';
    if (how.synthetic) message += std::string("SYNTH_UUID=0") + '\0';
    message += joined(device.variables) + device.udev.value_or("") + "SEQNUM=" + std::to_string(seqnum) + '\0';
    auto uevent = parse_uevent(message);
    if (!uevent) return say("malformed event: " + uevent.error().what);
    Standing standing;
    standing.exists = standing.device = sysfs_.contains(device.devpath);
    if (!remove && standing.exists) standing.generation = generation_of(device, add && news);
    feed(DeviceEvent{*uevent, standing, how.via});
    auto there = sysfs_.find(device.devpath);
    if (!remove && there != sysfs_.end() && !there->second.attributes.empty()) {
        reads_.emplace(now_ + reads_take, device.devpath);
        if (reads_take == Duration{}) answer(now_);
    }
}

void Simulation::of_init(const Event& event) {
    const auto* script = std::get_if<ScriptSeen>(&event);
    if (script) init_.insert_or_assign(script->script, event);
    else if (std::holds_alternative<RunlevelSeen>(event)) init_.insert_or_assign("", event);
    feed(event);
}

void Simulation::feed(const Event& event) {
    if (engine_) handle(event);
    while (!pending_.empty() && engine_) {
        Event next = std::move(pending_.front());
        pending_.erase(pending_.begin());
        handle(next);
    }
}

// What the shell would have read by now.
void Simulation::answer(Time now) {
    while (engine_ && !reads_.empty() && reads_.begin()->first <= now) {
        auto it = sysfs_.find(reads_.begin()->second);
        reads_.erase(reads_.begin());
        if (it != sysfs_.end())
            feed(AttributesRead{it->first, {.inode = inode_of(it->second, false)}, it->second.attributes});
    }
    while (engine_ && !looks_.empty() && looks_.begin()->first <= now) {
        LookedAt look{looks_.begin()->second, std::nullopt, seqnum_};
        looks_.erase(looks_.begin());
        if (auto it = sysfs_.find(look.devpath); it != sysfs_.end()) look.found = found(it->second);
        feed(look);
    }
}

void Simulation::advance(Duration by) {
    Time end = now_ + by;
    while (engine_) {
        Time due = engine_->next_deadline();
        if (!looks_.empty()) due = std::min(due, looks_.begin()->first);
        if (!reads_.empty()) due = std::min(due, reads_.begin()->first);
        if (due > end) break;
        now_ = std::max(now_, due);
        answer(now_);
        feed(DeadlineReached{});
        answer(now_);
    }
    now_ = end;
}

void Simulation::configure(std::shared_ptr<const Configuration> configuration) {
    configuration_ = std::move(configuration);
    feed(NewConfiguration{configuration_});
    tell_mounts();
    tell_links();
}

size_t Simulation::runs(const std::string& unit, Verb verb) const {
    auto it = runs_.find({unit, verb});
    return it == runs_.end() ? 0 : it->second;
}

void Simulation::say(std::string text) {
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now_ - began_).count();
    lines_.push_back(std::to_string(ms) + "ms " + std::move(text));
}

void Simulation::record_into(std::string& text) {
    recorder_.emplace("simulation", [&text](std::string_view lines) { text += lines; });
    if (engine_) recorder_->checkpoint(*engine_, now_);
}

void Simulation::handle(const Event& event) {
    if (recorder_) recorder_->fed(event, now_);
    Actions actions;
    engine_->handle(event, now_, actions);
    for (const PlanAction& action : actions) carry_out(action);
    if (recorder_) recorder_->flush();
}

void Simulation::carry_out(const PlanAction& action) {
    if (recorder_) recorder_->decided(action, now_);
    if (auto text = decision_text(action)) say(std::move(*text));
    if (const auto* record = std::get_if<Record>(&action)) {
        append_line(*record, journal_);
    } else if (const auto* run = std::get_if<RunJob>(&action)) {
        if (!run->error.empty()) return void(pending_.emplace_back(JobEnded{.job = run->job, .error = run->error}));
        ++runs_[{run->unit->name, run->verb}];
        // The stop of a daemon is a signal: it is over when the daemon is.
        if (run->daemon && run->verb == Verb::Reload) return void(pending_.emplace_back(JobEnded{.job = run->job, .code = 0}));
        if (run->daemon) {
            if (jobs_end_at_once) end_job(run->unit->name, JobEnded{.signal = 15}, pending_);
            return;
        }
        append_line(SavedMark{run->job, 1, now_}, journal_);
        bool daemon = run->unit->service.kind == Service::Kind::Daemon && run->verb == Verb::Start;
        if (daemon) {
            running_.push_back({run->job, run->unit->name, run->verb, run->block});
            if (jobs_end_at_once) pending_.emplace_back(DaemonReady{run->job});
        } else if (jobs_end_at_once) pending_.emplace_back(JobEnded{.job = run->job, .code = 0});
        else running_.push_back({run->job, run->unit->name, run->verb, run->block});
    } else if (const auto* adopt = std::get_if<AdoptJob>(&action)) {
        bool runs_on = std::any_of(running_.begin(), running_.end(),
                                   [&](const Job& j) { return j.id == adopt->job; });
        bool foreign = boot_scripts_.erase(adopt->pid) > 0;
        if (foreign) running_.push_back({adopt->job, adopt->unit, Verb::Start, ""});
        else if (!runs_on) pending_.emplace_back(JobEnded{.job = adopt->job});
    } else if (const auto* look = std::get_if<LookAgain>(&action)) {
        looks_.emplace(now_ + look->delay, look->devpath);
    } else if (const auto* read = std::get_if<ReadAttributes>(&action)) {
        reads_.emplace(now_ + reads_take, read->devpath);
    } else if (const auto* look_at = std::get_if<LookAtJob>(&action)) {
        JobSeen seen = seen_now(look_at->job);
        seen.job = look_at->job;
        pending_.emplace_back(std::move(seen));
    } else if (const auto* kill = std::get_if<KillJob>(&action)) {
        JobSeen seen = seen_now(kill->job);
        JobSignalled answer{.job = kill->job, .signal = kill->signal};
        (seen.in_module_load ? answer.spared : answer.sent) = seen.text;
        pending_.emplace_back(std::move(answer));
    } else if (std::get_if<LookAtUdev>(&action)) {
        pending_.emplace_back(udev_);
    } else if (std::get_if<LookAtModules>(&action)) {
        pending_.emplace_back(ModulesSeen{modules_loading});
    }
}

}  // namespace devmux
