// See simulation.h.
#include "tools/simulation.h"

#include <algorithm>

#include "conditions/text.h"
#include "engine/intake/uevent.h"
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

Standing standing_of(const TracedDevice& device, uint64_t inode) {
    Standing standing;
    standing.exists = standing.device = true;
    standing.generation.inode = inode;
    standing.attributes = device.attributes;
    return standing;
}

}  // namespace

Simulation::Simulation(std::shared_ptr<const Configuration> configuration, std::string kernel_command_line,
                       SettleTimes settle)
    : configuration_(std::move(configuration)), kernel_command_line_(std::move(kernel_command_line)),
      settle_(settle) {
    journal_ = text_of({}, kBootId);
}

void Simulation::start() {
    StateReader reader(kBootId);
    reader.feed(journal_);
    engine_ = std::make_unique<Engine>(configuration_, kernel_command_line_, now_, settle_);
    Actions actions;
    engine_->start(reader.finish().state, now_, actions);
    for (const PlanAction& action : actions) carry_out(action);
    feed(DeadlineReached{});
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
    pending_.clear();
}

uint64_t Simulation::inode_of(const TracedDevice& device, bool fresh) {
    if (device.inode) return inodes_[device.devpath] = device.inode;
    uint64_t& inode = inodes_[device.devpath];
    if (fresh || inode == 0) inode = ++inode_;
    return inode;
}

void Simulation::snapshot(const std::vector<TracedDevice>& devices, bool behind) {
    Snapshot all;
    all.seqnum = seqnum_;
    sysfs_.clear();
    for (const TracedDevice& device : devices) {
        sysfs_[device.devpath] = device;
        FoundDevice found;
        found.devpath = device.devpath;
        found.subsystem = subsystem_of(device);
        found.block = "DEVPATH=" + device.devpath + '\0' + joined(device.variables);
        found.standing = standing_of(device, inode_of(device, false));
        all.devices.push_back(std::move(found));
    }
    feed(all);
    if (!behind) caught_up();
}

void Simulation::caught_up() { feed(CaughtUp{}); }

void Simulation::coldplug_complete() { feed(ColdplugComplete{}); }

void Simulation::event(std::string_view action, const TracedDevice& device, uint64_t seqnum, bool synthetic,
                       const std::string& devpath_old) {
    if (seqnum == 0) seqnum = next_seqnum();
    seqnum_ = std::max(seqnum_, seqnum);
    bool add = action == "add" && !synthetic, remove = action == "remove" && !synthetic;
    if (remove) sysfs_.erase(device.devpath);
    else if (!synthetic || sysfs_.contains(device.devpath)) sysfs_[device.devpath] = device;
    std::string message = std::string(action) + "@" + device.devpath + '\0';
    message += "ACTION=" + std::string(action) + '\0' + "DEVPATH=" + device.devpath + '\0';
    if (!devpath_old.empty()) message += "DEVPATH_OLD=" + devpath_old + '\0';
    if (synthetic) message += std::string("SYNTH_UUID=0") + '\0';
    message += joined(device.variables) + "SEQNUM=" + std::to_string(seqnum) + '\0';
    auto uevent = parse_uevent(message);
    if (!uevent) return say("malformed event: " + uevent.error().what);
    Standing standing = standing_of(device, 0);
    standing.exists = sysfs_.contains(device.devpath);
    if (!remove && standing.exists) standing.generation.inode = inode_of(device, add);
    feed(DeviceEvent{*uevent, std::move(standing)});
}

void Simulation::feed(const Event& event) {
    Actions actions;
    if (engine_) engine_->handle(event, now_, actions);
    for (const PlanAction& action : actions) carry_out(action);
    while (!pending_.empty() && engine_) {
        Event next = std::move(pending_.front());
        pending_.erase(pending_.begin());
        actions.clear();
        engine_->handle(next, now_, actions);
        for (const PlanAction& action : actions) carry_out(action);
    }
}

void Simulation::advance(Duration by) {
    Time end = now_ + by;
    while (engine_) {
        Time due = engine_->next_deadline();
        if (!looks_.empty()) due = std::min(due, looks_.begin()->first);
        if (due > end) break;
        now_ = std::max(now_, due);
        while (!looks_.empty() && looks_.begin()->first <= now_) {
            LookedAt look{looks_.begin()->second, std::nullopt};
            looks_.erase(looks_.begin());
            if (auto it = sysfs_.find(look.devpath); it != sysfs_.end())
                look.found = FoundDevice{it->first, subsystem_of(it->second),
                                         "DEVPATH=" + it->first + '\0' + joined(it->second.variables),
                                         standing_of(it->second, inode_of(it->second, false))};
            feed(look);
        }
        feed(DeadlineReached{});
    }
    now_ = end;
}

bool Simulation::end_job(const std::string& unit, const JobEnded& how) {
    auto it = std::find_if(running_.begin(), running_.end(), [&](const Job& j) { return j.unit == unit; });
    if (it == running_.end()) return false;
    JobEnded end = how;
    end.job = it->id;
    running_.erase(it);
    feed(end);
    return true;
}

void Simulation::configure(std::shared_ptr<const Configuration> configuration) {
    configuration_ = std::move(configuration);
    feed(NewConfiguration{configuration_});
}

size_t Simulation::runs(const std::string& unit, Verb verb) const {
    auto it = runs_.find({unit, verb});
    return it == runs_.end() ? 0 : it->second;
}

void Simulation::say(std::string text) {
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now_ - began_).count();
    lines_.push_back(std::to_string(ms) + "ms " + std::move(text));
}

void Simulation::carry_out(const PlanAction& action) {
    if (const auto* record = std::get_if<Record>(&action)) {
        append_line(*record, journal_);
    } else if (const auto* run = std::get_if<RunJob>(&action)) {
        say("run " + run->unit->name + " " + std::string(to_string(run->verb)) +
            (run->action.empty() ? "" : " ACTION=" + run->action) +
            (run->block.empty() ? "" : " DEVPATH=" + std::string(find_in(run->block, "DEVPATH").value_or("?"))));
        append_line(SavedMark{run->job, 1, now_}, journal_);
        ++runs_[{run->unit->name, run->verb}];
        if (jobs_end_at_once) pending_.emplace_back(JobEnded{.job = run->job, .code = 0});
        else running_.push_back({run->job, run->unit->name, run->verb, run->block});
    } else if (const auto* adopt = std::get_if<AdoptJob>(&action)) {
        bool runs_on = std::any_of(running_.begin(), running_.end(),
                                   [&](const Job& j) { return j.id == adopt->job; });
        if (!runs_on) pending_.emplace_back(JobEnded{.job = adopt->job});
    } else if (const auto* look = std::get_if<LookAgain>(&action)) {
        looks_.emplace(now_ + look->delay, look->devpath);
    } else if (std::get_if<LookAtModules>(&action)) {
        pending_.emplace_back(ModulesSeen{modules_loading});
    } else if (const auto* report = std::get_if<Report>(&action)) {
        say((report->unit.empty() ? "" : report->unit + ": ") + report->text);
    }
}

}  // namespace devmux
