// What others do to the units that ours stand for: whatever changes, the unit is looked at, and told where
// it has come to rest. See service_jobs.h.
#include <algorithm>
#include <array>
#include <utility>

#include "conditions/text.h"
#include "engine/run/service_jobs.h"
#include "engine/system/clock.h"

namespace devmux {
namespace {

// Before the connection is tried again; each further pause is twice as long.
constexpr Duration kShortestPause = std::chrono::milliseconds(100), kLongestPause = std::chrono::seconds(5);

Time now() { return read_clock(CLOCK_MONOTONIC); }

std::optional<ServiceSeen::State> state_of(const SystemdUnit& unit) {
    if (unit.runs()) return ServiceSeen::State::Running;
    if (unit.active == "failed") return ServiceSeen::State::Failed;
    return unit.active == "inactive" ? std::optional(ServiceSeen::State::Stopped) : std::nullopt;
}

// runlevel(8) of systemd. The highest that is active counts: each pulls in those below it.
struct Target {
    const char *unit, *runlevel;
};
constexpr std::array kTargets{Target{"graphical.target", "5"}, Target{"multi-user.target", "3"},
                              Target{"rescue.target", "1"}};

}  // namespace

void ServiceJobs::follow_targets() {
    if (!here_ || std::exchange(targets_wanted_, true)) return;
    connect();
    if (there_) look_at_targets();
}

void ServiceJobs::look_at_targets() {
    if (!targets_wanted_) return;
    for (size_t i = 0; i < kTargets.size(); ++i)
        (void)systemd_.look(kTargets[i].unit, [this, i](const Answer& answer) {
            if (const auto* unit = std::get_if<SystemdUnit>(&answer)) target_looked_at(i, *unit);
        });
}

// A boot passes by the lower ones on its way: as long as a higher one is to come, nothing is known.
void ServiceJobs::target_looked_at(size_t target, const SystemdUnit& unit) {
    targets_[target] = unit.runs() ? Reached::Yes : unit.job != 0 ? Reached::Soon : Reached::No;
    std::string level;
    bool decided = false;
    for (size_t i = 0; i < kTargets.size(); ++i) {
        if (!targets_[i]) return;
        if (!decided && *targets_[i] == Reached::Yes) level = kTargets[i].runlevel;
        decided |= *targets_[i] != Reached::No;
    }
    if (runlevel_ == level) return;
    runlevel_ = level;
    keeper_.targets_seen(level);
}

void ServiceJobs::follow(const std::vector<std::shared_ptr<const Unit>>& units) {
    std::map<std::string, Followed> old = std::move(followed_);
    followed_.clear();
    by_name_.clear();
    for (const auto& unit : units) {
        const Service& service = unit->service;
        if (!here_ || !is_ours(service) || unit->each_event) continue;
        Followed& followed = followed_[unit->name];
        auto was = old.find(unit->name);
        if (was != old.end() && was->second.unit->service == service) followed = std::move(was->second);
        followed.unit = unit;
        if (service.kind == Service::Kind::Systemd) {
            listed(service.systemd, unit->name);
        } else {
            listed(unit_of_script(service.init_script), unit->name);
            listed(own_unit_of_script(service.init_script), unit->name);
        }
        if (there_) refresh(followed);  // its alias is found again
    }
    if (!followed_.empty()) connect();
}

void ServiceJobs::listed(const std::string& name, const std::string& unit) {
    auto [from, to] = by_name_.equal_range(name);
    if (name.empty() || std::any_of(from, to, [&](const auto& entry) { return entry.second == unit; })) return;
    by_name_.emplace(name, unit);
}

bool ServiceJobs::has_job(const std::string& unit) const {
    return std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job.second.run.unit->name == unit; });
}

void ServiceJobs::systemd_there() {
    connecting_ = false;
    there_ = true;
    pause_ = {};
    std::vector<JobId> waiting;
    for (const auto& [id, job] : jobs_) waiting.push_back(id);
    for (JobId id : waiting)
        if (auto it = jobs_.find(id); it != jobs_.end()) look(it->second);
    for (auto& [name, followed] : followed_) refresh(followed);
    look_at_targets();
}

void ServiceJobs::systemd_lost() {
    connecting_ = there_ = false;
    early_.clear();
    for (auto& [id, job] : jobs_) {
        ++job.turn;
        // Its end, where it was told, is told again by the unit.
        if (job.stage != Stage::Before) job.stage = Stage::After;
    }
    for (auto& [name, followed] : followed_) {
        followed.looking = followed.again = false;
        followed.blind = true;
    }
    if (!wanted_) return;
    pause_ = std::clamp(2 * pause_, kShortestPause, kLongestPause);
    retry_at_ = now() + pause_;
}

void ServiceJobs::systemd_job_removed(uint32_t number, const std::string& unit, const std::string& result) {
    std::vector<JobId> over;
    bool calling = false;
    for (auto& [id, job] : jobs_) {
        calling |= job.stage == Stage::Calling;
        if (job.stage != Stage::Running || job.number != number) continue;
        job.stage = Stage::Ended;
        job.result = result;
        over.push_back(id);
    }
    for (JobId id : over)
        if (auto it = jobs_.find(id); it != jobs_.end()) look(it->second);
    if (calling) early_[number] = result;
    auto [from, to] = by_name_.equal_range(unit);
    std::vector<std::string> ours;
    for (auto it = from; it != to; ++it) ours.push_back(it->second);
    for (const std::string& name : ours) {
        auto it = followed_.find(name);
        if (it == followed_.end() || has_job(name)) continue;
        it->second.by_hand |= result == "done";
        refresh(it->second);
    }
}

void ServiceJobs::systemd_unit_changed(const std::string& unit) {
    if (std::ranges::any_of(kTargets, [&](const Target& target) { return unit == target.unit; })) look_at_targets();
    std::vector<JobId> asked;
    for (auto& [id, job] : jobs_)
        if (job.name == unit && (job.stage == Stage::After || job.stage == Stage::Running)) asked.push_back(id);
    for (JobId id : asked)
        if (auto it = jobs_.find(id); it != jobs_.end()) look(it->second);
    auto [from, to] = by_name_.equal_range(unit);
    std::vector<std::string> ours;
    for (auto it = from; it != to; ++it) ours.push_back(it->second);
    for (const std::string& name : ours)
        if (auto it = followed_.find(name); it != followed_.end()) refresh(it->second);
}

// One look at a time; what changes meanwhile is looked at afterwards.
void ServiceJobs::refresh(Followed& followed) {
    if (!there_) return;
    if (std::exchange(followed.looking, true)) {
        followed.again = true;
        return;
    }
    find(followed.unit->service, [this, name = followed.unit->name](const std::string&, const Answer& answer) {
        auto it = followed_.find(name);
        if (it == followed_.end()) return;
        Followed& looked_at = it->second;
        looked_at.looking = false;
        bool again = std::exchange(looked_at.again, false);
        if (const auto* unit = std::get_if<SystemdUnit>(&answer)) {
            listed(unit->id, name);
            note(looked_at, *unit, looked_at.by_hand);
            it = followed_.find(name);
        }
        if (again && it != followed_.end()) refresh(it->second);
    });
}

void ServiceJobs::note(Followed& followed, const SystemdUnit& unit, bool by_hand) {
    auto state = state_of(unit);
    if (!state || has_job(followed.unit->name)) return;
    bool news = followed.known != state;
    using How = ServiceSeen::How;
    ServiceSeen seen{.unit = followed.unit->name, .state = *state,
                     .how = by_hand ? How::ByHand : followed.blind ? How::Unseen : How::Alone, .text = unit.id};
    followed.known = state;
    followed.by_hand = followed.blind = false;
    if (!news) return;
    if (*state == ServiceSeen::State::Running) seen.text += " runs";
    else if (*state == ServiceSeen::State::Stopped) seen.text += " has ended";
    else seen.text += " failed" + (unit.result.empty() ? "" : " (" + printable(unit.result) + ")");
    keeper_.service_seen(seen);
}

}  // namespace devmux
