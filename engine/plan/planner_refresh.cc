// `refresh`: a service is reloaded when the set of devices that it serves is another one. What is not known
// of a device changes nothing; a burst is one reload, after the one that runs; one during a start follows it.
// Where nothing can be reloaded, the service is restarted.
#include <algorithm>

#include "conditions/leaf.h"
#include "conditions/text.h"
#include "engine/plan/can_reload.h"
#include "engine/plan/planner.h"

namespace devmux {
namespace {

// A reload after which its devices change at once may be what changes them. So many are let pass in a row;
// then there are pauses, each twice as long as the one before.
constexpr unsigned kQuick = 5;
constexpr Duration kAtOnce = std::chrono::seconds(10), kFirstPause = std::chrono::seconds(2),
                   kLongestPause = std::chrono::minutes(1);

std::string identity(const DeviceFacts& device) {
    Generation g = device.generation();
    if (g.inode == 0) return printable(device.devpath());
    return std::to_string(g.inode) + "." + std::to_string(g.ifindex) + "." + std::to_string(g.diskseq);
}

// FNV-1a: the same in every build, for it outlives this one.
uint64_t hash_of(const std::set<std::string>& devices) {
    uint64_t hash = 0xcbf29ce484222325;
    for (const std::string& device : devices)
        for (char c : device + "\n") hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

std::string counted(size_t n, const char* what) { return std::to_string(n) + " " + what; }

// The restart instead of a reload.
void note_if_held(Managed& m) {
    if (m.kept.empty()) return;
    m.refreshing.last = "needs a restart, and that is " + m.kept;
    m.refreshing.failed = true;
}

}  // namespace

bool can_reload(const Service& service) {
    switch (service.kind) {
        case Service::Kind::InitScript:
        case Service::Kind::Systemd: return true;  // which actions it has is seen when it is run
        case Service::Kind::Command: return !service.reload.empty();
        case Service::Kind::Daemon: return service.reloads;
        default: return false;
    }
}

std::string joined(const std::set<std::string>& devices) {
    std::string out;
    for (const std::string& device : devices) out += (out.empty() ? "" : "\n") + device;
    return out;
}

std::set<std::string> split(std::string_view text) {
    std::set<std::string> out;
    while (!text.empty()) {
        size_t end = std::min(text.find('\n'), text.size());
        out.emplace(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

SavedRefresh Planner::saved_refresh(const Managed& m) {
    const Refreshing& r = m.refreshing;
    uint64_t devices = !r.known && r.gap ? *r.gap : hash_of(r.devices);
    return {.unit = m.unit->name, .job = r.job, .due = r.due, .known = r.known || r.gap.has_value(), .devices = devices};
}

// Those that match for certain, and in `maybe` those of which it is not known.
std::set<std::string> Planner::devices_of(const Managed& m, std::set<std::string>& maybe) const {
    std::set<std::string> sure;
    const DeviceTerm& term = *m.unit->refresh;
    const Predicate* name = exact(term.predicate, Predicate::Field::Name);
    world_.each_device(term.class_id, name ? std::string_view(name->value) : "", [&](const DeviceFacts& device, bool unsure) {
        Truth match = both(belongs(term, device, world_), is_as_asked(term, device, world_));
        if (unsure) match = both(Truth::Unknown, match);
        if (match == Truth::True) sure.insert(identity(device));
        else if (match == Truth::Unknown) maybe.insert(identity(device));
        return true;
    });
    return sure;
}

// It is started now, and sees what is there.
void Planner::serve_what_is_there(Managed& m) {
    Refreshing& r = m.refreshing;
    r.not_due();
    r.gap.reset();
    r.reason.clear();
    if (!m.unit->refresh) return;
    std::set<std::string> maybe;
    r.devices = devices_of(m, maybe);
    r.known = world_.coldplug_complete();
}

void Planner::look_at_devices(UnitIndex index, Time now, Actions& actions) {
    Managed& m = units_[index];
    Refreshing& r = m.refreshing;
    bool runs = m.state.actual == Actual::Active || m.state.actual == Actual::Starting;
    if (m.unit->refresh && runs && !m.orphaned && world_.coldplug_complete()) {
        std::set<std::string> maybe, sure = devices_of(m, maybe);
        size_t came = 0, went = 0;
        bool another = false;
        if (!r.known) {
            // The first look: what came or went while no engine ran is seen once nothing is unknown.
            if (r.gap && !maybe.empty()) return;
            another = r.gap && *r.gap != hash_of(sure);
            r.devices = std::move(sure);
            r.known = true;
            r.gap.reset();
            if (!another) actions.push_back(Record{saved_refresh(m)});
        } else {
            for (const std::string& device : sure) came += r.devices.insert(device).second;
            went = std::erase_if(r.devices, [&](const std::string& d) { return !sure.contains(d) && !maybe.contains(d); });
            another = came + went > 0;
        }
        if (another) {
            r.now_due(now);
            r.reason = to_string(*m.unit->refresh) + ": " +
                       (came + went == 0 ? "not the same as before the engine went"
                        : went == 0      ? counted(came, "came")
                        : came == 0      ? counted(went, "went")
                                         : counted(came, "came, ") + counted(went, "went"));
            actions.push_back(Record{saved_refresh(m)});
        }
    }
    refresh_if_due(index, now, actions);
}

void Planner::refresh_if_due(UnitIndex index, Time now, Actions& actions) {
    Managed& m = units_[index];
    Refreshing& r = m.refreshing;
    if (!r.due || r.job != 0 || m.state.actual != Actual::Active || m.is_leaving() || m.orphaned) return;
    if (!r.paused) r.quick = r.ended != Time{} && r.due_since < r.ended + kAtOnce ? r.quick + 1 : 0;
    if (r.quick >= kQuick && !std::exchange(r.paused, true)) {
        Duration pause = std::min(kLongestPause, kFirstPause * (1 << std::min(r.quick - kQuick, 5U)));
        r.held_until = now + pause;
        actions.push_back(Report{Report::Level::Warning, m.unit->name,
                                 "its devices keep changing, maybe by what its reload does (" + r.reason +
                                     "): the next one in " + roughly(pause)});
        set_deadline(index, m.deadline);
    }
    if (r.held_until != kNever) return;
    std::string reason = std::exchange(r.reason, "");
    r.not_due();
    if (!can_reload(m.unit->service)) {
        actions.push_back(Record{saved_refresh(m)});
        r.last = "restarted instead, for it cannot be reloaded";
        r.failed = false;
        r.ended = now;
        apply(index, UnitEvent::Refresh, reason, now, actions);
        return note_if_held(m);
    }
    r.job = ++last_job_;
    jobs_[r.job] = index;
    actions.push_back(Report{Report::Level::Info, m.unit->name, "reloading (" + reason + ")"});
    actions.push_back(Record{saved_refresh(m)});
    RunJob run{r.job, m.unit, Verb::Reload, reason, "", "", m.daemon, ""};
    set_job_of_instance(run, m);
    actions.push_back(std::move(run));
    actions.push_back(UnitChanged{m.unit->name});
}

void Planner::reload_ended(UnitIndex index, const JobEnded& end, Time now, Actions& actions) {
    Managed& m = units_[index];
    Refreshing& r = m.refreshing;
    r.job = 0;
    r.ended = now;
    r.failed = !end.ok() && !end.unseen() && !end.no_action;
    r.last = end.no_action       ? "restarted instead, for it has no action for that"
             : end.error.empty() ? describe(end)
                                 : "failed: " + end.error;
    if (r.failed)
        actions.push_back(Report{Report::Level::Error, m.unit->name, "the reload " + r.last + "; it runs on as it did"});
    else actions.push_back(Report{Report::Level::Info, m.unit->name, end.no_action ? r.last : "reloaded"});
    actions.push_back(Record{saved_refresh(m)});
    actions.push_back(UnitChanged{m.unit->name});
    if (end.no_action) apply(index, UnitEvent::Refresh, "its devices changed", now, actions);
    if (end.no_action) note_if_held(m);
    pend(index);  // a stop, or the start of a daemon that died, waited for it
    mark(index);
    drain(now, actions);
}

void Planner::refresh_by_hand(UnitIndex index, Time now, Actions& actions) {
    Managed& m = units_[index];
    if (m.state.actual != Actual::Active && m.state.actual != Actual::Starting) return;
    m.refreshing.not_due();
    m.refreshing.now_due(now);
    m.refreshing.reason = "by hand";
    m.refreshing.ended = {};  // a person does not do it again and again
    actions.push_back(Record{saved_refresh(m)});
    mark(index);
    drain(now, actions);
}

// What a former engine knew: a reload that was asked for and did not run is due.
void Planner::restore_refresh(UnitIndex index, const SavedState& state, Actions& actions) {
    Managed& m = units_[index];
    auto saved = state.refreshes.find(m.unit->name);
    if (saved == state.refreshes.end()) return;
    Refreshing& r = m.refreshing;
    if (m.unit->refresh && saved->second.known) r.gap = saved->second.devices;
    r.due = saved->second.due;
    JobId job = saved->second.job;
    if (job == 0) return;
    auto mark = state.marks.find(job);
    if (mark != state.marks.end() && !state.ended.contains(job)) {
        r.job = job;
        jobs_[job] = index;
        actions.push_back(Report{Report::Level::Info, m.unit->name, "was reloading when the engine went; watching that to its end"});
        actions.push_back(AdoptJob{job, m.unit->name, mark->second.pid, mark->second.at});
    } else if (mark == state.marks.end()) {
        r.due = true;
    }
    if (r.due) r.reason = "asked for under a former engine";
}

// The file may ask for other devices now: those that are there then are no change.
void Planner::carry_refresh(Managed& m, const Unit* before) {
    auto text = [](const Unit* unit) { return unit && unit->refresh ? to_string(*unit->refresh) : std::string(); };
    if (text(before) == text(m.unit.get())) return;
    m.refreshing.known = false;
    m.refreshing.gap.reset();
    m.refreshing.devices.clear();
}

}  // namespace devmux
