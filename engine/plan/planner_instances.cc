// For-each: an instance for each device that matches. It is a unit like any other, with a device that `it`
// means; when that has gone, and the instance has come to rest, it is forgotten, and its place is free for the
// next. A device that comes under the name of one that has gone, while the instance still stops, succeeds it:
// the stop is for the old one, and the next start for the new one.
#include <algorithm>

#include "conditions/leaf.h"
#include "conditions/text.h"
#include "engine/model/unit_file.h"
#include "engine/plan/placeholders.h"
#include "engine/plan/planner.h"

namespace devmux {
namespace {

constexpr size_t kNameBytes = 64;  // of the part behind the @
constexpr unsigned kNamesakes = 64;

std::string in_name(std::string_view text) {
    std::string out(text.substr(0, kNameBytes));
    for (char& c : out)
        if (!is_unit_name(std::string("x") + c)) c = '_';
    return out;
}

// What for-each asks of a device: Unknown while that cannot be told.
Truth matches_for_each(const World& world, const DeviceTerm& term, const Device& device) {
    Truth member = Truth::False;
    for (const auto& m : device.classes())
        if (m.id == term.class_id) member = m.unsure || device.in_doubt() ? Truth::Unknown : Truth::True;
    return member == Truth::False ? member : both(member, both(belongs(term, device, world), is_as_asked(term, device, world)));
}

// Gone is what is not there, where that is certain, and what another has the place of.
Truth is_gone(const World& world, const Managed& m) {
    const Device* device = world.table.find(m.instance->device.devpath);
    if (device) return truth_of(differs(device->generation(), m.instance->device.generation));
    return world.coldplug_complete() ? Truth::True : Truth::Unknown;
}

void detach(std::multimap<std::string, UnitIndex, std::less<>>& at, const Managed& m, UnitIndex unit) {
    auto [first, last] = at.equal_range(m.instance->device.devpath);
    at.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == unit; }));
}

// Whose condition asks for the state of an instance, or of all of its unit's.
void each_asking_about(const WatchIndex& watchers, const Unit& instance, const std::function<void(UnitIndex)>& visit) {
    for (FactKind kind : {FactKind::UnitActive, FactKind::UnitDone, FactKind::UnitFailed})
        for (const std::string& name : {instance.name, instance.of}) watchers.each_watching({kind, name}, visit);
}

SavedInstance saved_instance(const Managed& m) {
    return {m.unit->name, m.unit->of, m.instance->device, m.instance->last};
}

}  // namespace

Truth is_there(const Facts& facts, const DeviceTerm& devices, const Witness& device) {
    DeviceTerm it = it_of(devices);
    return truth_of_count(it, count_devices(it, facts, device));
}

std::vector<UnitIndex> Planner::instances_of(UnitIndex unit) const {
    std::vector<UnitIndex> out;
    auto it = places_.find(unit);
    if (it == places_.end()) return out;
    std::copy_if(it->second.begin(), it->second.end(), std::back_inserter(out), [&](UnitIndex i) { return !units_[i].vacant; });
    std::ranges::sort(out, [&](UnitIndex a, UnitIndex b) { return natural_less(units_[a].unit->name, units_[b].unit->name); });
    return out;
}

// What is said to a unit that has instances is said to each of them.
void Planner::each_meant(UnitIndex unit, const std::function<void(UnitIndex)>& visit) const {
    if (!units_[unit].unit->is_template()) return visit(unit);
    for (UnitIndex instance : instances_of(unit)) visit(instance);
}

std::string Planner::orphan_text(const Managed& m) const {
    const std::string& name = m.unit->name;
    const std::string& file = m.unit->of.empty() ? name : m.unit->of;
    if (configuration_->masked.contains(file) || configuration_->masked.contains(name)) return "it is masked";
    auto now = configuration_->units.find(name);
    if (now != configuration_->units.end())
        return now->second->for_each ? "its file says for-each now" : "a file of a unit has its name now";
    return configuration_->units.contains(file) ? "its file says for-each no more" : "its file is gone";
}

void Planner::attach(UnitIndex unit) {
    Managed& m = units_[unit];
    at_.emplace(m.instance->device.devpath, unit);
    m.memory.it = m.stop_memory.it = m.instance->device;
}

void Planner::set_device(UnitIndex unit, InstanceDevice device) {
    if (units_[unit].instance) detach(at_, units_[unit], unit);
    units_[unit].instance = std::make_shared<const InstanceDevice>(std::move(device));
    attach(unit);
}

// Whom a change concerns: instances whose device it is, and units that may have one for it.
void Planner::note_devices(const DeviceChange& change, Actions& actions) {
    const Device& d = *change.device;
    bool removed = change.kind == DeviceChange::Kind::Removed;
    std::string here(d.devpath());
    const std::string& was = change.old_devpath.empty() ? here : change.old_devpath;
    std::vector<UnitIndex> concerned;
    for (auto [it, end] = at_.equal_range(was); it != end; ++it) concerned.push_back(it->second);
    std::ranges::sort(concerned);
    for (UnitIndex unit : concerned) {
        const InstanceDevice& known = *units_[unit].instance;
        if (!differs(known.device.generation, d.generation())) {
            InstanceDevice now = known;
            now.device = {here, removed ? known.device.generation : d.generation()};
            now.name = d.name();
            if (removed) now.last = d.block();
            if (now != known) set_device(unit, std::move(now));
            if (was != here) actions.push_back(Record{saved_instance(units_[unit])});
        }
        mark(unit);
    }
    if (!removed)
        for_each_watchers_.each_watching(d.classes(), d.name(), d.block(),
                                         [&](UnitIndex unit) { comings_.insert({unit, here}); });
}

void Planner::look_for_devices(UnitIndex unit) {
    const DeviceTerm& term = units_[unit].unit->for_each->devices;
    world_.each_device(term.class_id, "", [&](const DeviceFacts& device, bool) {
        comings_.insert({unit, std::string(device.devpath())});
        return true;
    });
}

void Planner::take_in_devices(Time now, Actions& actions) {
    for (const auto& [unit, devpath] : std::exchange(comings_, {})) {
        const Device* device = world_.table.find(devpath);
        if (!device || matches_for_each(world_, units_[unit].unit->for_each->devices, *device) != Truth::True) continue;
        if (!has_instance(units_[unit].unit->name, *device) && !world_.going_down) come(unit, *device, now, actions);
    }
}

bool Planner::has_instance(const std::string& of, const Device& device) const {
    auto [first, last] = at_.equal_range(device.devpath());
    return std::any_of(first, last, [&](const auto& entry) {
        const Managed& m = units_[entry.second];
        return m.unit->of == of && !m.orphaned && !differs(m.instance->device.generation, device.generation());
    });
}

// `unit@sysname`; `unit@subsystem:sysname` where another device has that name, or a unit of its own.
void Planner::come(UnitIndex unit, const Device& device, Time now, Actions& actions) {
    const Unit& of = *units_[unit].unit;
    std::string sysname = in_name(device.name()), full = in_name(device.subsystem()) + ":" + sysname;
    std::string name;
    for (unsigned i = 0; i < kNamesakes && name.empty(); ++i) {
        std::string next = of.name + "@" + (i == 0 ? sysname : i == 1 ? full : full + "-" + std::to_string(i));
        auto taken = find(next);
        if (i == 0 && configuration_->masked.contains(next)) return;  // not by another name, either
        if (!taken && !configuration_->broken.contains(next) && !configuration_->masked.contains(next)) name = next;
        if (!taken) continue;
        const Managed& m = units_[*taken];
        if (!m.instance || m.orphaned || m.unit->of != of.name) continue;
        // Who had that name before may have gone: then it is this one's, as soon as that one's service rests.
        Truth gone = is_gone(world_, m);
        if (gone == Truth::Unknown) return;  // asked again when all is known
        const Device* next_one = m.instance->successor.empty() ? nullptr : world_.table.find(m.instance->successor);
        bool promised = next_one && next_one != &device;
        if (gone == Truth::False || promised) continue;
        InstanceDevice waits = *m.instance;
        waits.successor = device.devpath();
        set_device(*taken, std::move(waits));
        return mark(*taken);
    }
    if (name.empty()) {
        if (!std::exchange(units_[unit].crowded, true))
            actions.push_back(Report{Report::Level::Warning, of.name, "has no name left for an instance for " + printable(full)});
        return;
    }
    auto there = std::ranges::count_if(places_[unit], [this](UnitIndex i) { return !units_[i].vacant; });
    if (there >= of.for_each->most) {
        if (!std::exchange(units_[unit].crowded, true))
            actions.push_back(Report{Report::Level::Warning, of.name,
                                     "has " + std::to_string(there) + " instances, and no place for " +
                                         printable(device.name()) + " and what comes next (instances: N in its file)"});
        return;
    }
    UnitIndex place = place_for(unit, name, now);
    Managed& m = units_[place];
    m.unit = instance_unit(of, name);
    by_name_[name] = place;
    set_device(place, {{std::string(device.devpath()), device.generation()}, std::string(device.name()), device.block(), ""});
    actions.push_back(Record{saved_instance(m)});
    actions.push_back(UnitChanged{name});
    if (!of.links.empty() || linked_.contains(of.name)) graph_.outdate();
    mark(place);
}

// A place of its own, while there are some: who comes again finds what is remembered of its starts.
UnitIndex Planner::place_for(UnitIndex unit, const std::string& name, Time now) {
    std::vector<UnitIndex>& places = places_[unit];
    auto of_name = [&](UnitIndex i) { return units_[i].vacant && units_[i].unit->name == name; };
    auto place = std::ranges::find_if(places, of_name);
    if (place == places.end() && places.size() >= units_[unit].unit->for_each->most) {
        for (auto it = places.begin(); it != places.end(); ++it)
            if (units_[*it].vacant && (place == places.end() || units_[*it].since < units_[*place].since)) place = it;
        if (place != places.end()) units_[*place].flapping = FlappingPointer();
    }
    if (place == places.end()) {
        places.push_back(static_cast<UnitIndex>(units_.size()));
        units_.emplace_back();
        place = std::prev(places.end());
    }
    Managed fresh;
    fresh.flapping = std::move(units_[*place].flapping);
    fresh.dirty = units_[*place].dirty;
    fresh.pending = units_[*place].pending;
    fresh.since = now;
    units_[*place] = std::move(fresh);
    return *place;
}

// Its device may have gone, or another have come in its place.
void Planner::settle_instance(UnitIndex unit, Time now, Actions& actions) {
    Managed& m = units_[unit];
    if (!m.instance || m.vacant || m.orphaned) return;
    Truth gone = is_gone(world_, m);
    const Device* next = m.instance->successor.empty() ? nullptr : world_.table.find(m.instance->successor);
    if (next && matches_for_each(world_, m.unit->for_each->devices, *next) != Truth::True) next = nullptr;
    // Another than was meant may have been renamed to there, and has its own.
    if (next && has_instance(m.unit->of, *next)) next = nullptr;
    // A start that is still to come would be for nobody; a service that runs is the old one's.
    bool idle = m.state.wanted == Wanted::Up &&
                (m.state.actual == Actual::Waiting || m.state.actual == Actual::Stopping ||
                 (m.state.actual == Actual::Starting && m.state.again));
    bool serves = m.state.wanted == Wanted::Up && (m.state.actual == Actual::Active || m.state.actual == Actual::Starting);
    // What a person has asked for it holds for its device, and goes with it.
    bool held = m.unit->condition_kind == ConditionKind::While && m.state.hold == Hold::Up;
    if (gone == Truth::True && (idle || (serves && !m.unit->task && (next || held))))
        apply(unit, UnitEvent::StopEdge, next ? "another " + printable(next->name()) + " has come in its place" : "its device has gone",
              now, actions);
    if (!m.rests() || m.owed != Owed::Nothing || m.is_held_back()) return;
    if (gone == Truth::True) return next ? succeed(unit, *next, now, actions) : vacate(unit, now, actions);
    if (m.state.hold == Hold::None && is_there(world_, m.unit->for_each->devices, m.instance->device) == Truth::False) vacate(unit, now, actions);
}

// What it has done it has done for another. The unit's record comes first: killed in between, a new engine finds
// one that rests, for a device that has gone.
void Planner::succeed(UnitIndex unit, const Device& device, Time now, Actions& actions) {
    Managed& m = units_[unit];
    UnitState before = std::exchange(m.state, {});
    m.asker = Asker::Nobody;
    m.verdict = m.stop_verdict = Truth::False;
    m.now = Truth::Unknown;
    m.memory = m.stop_memory = {};
    m.witness.reset();
    m.retry_at = m.held_until = m.loss_due = kNever;
    m.loss_left.reset();
    m.tries = 0;
    m.refreshing = {};
    m.start_block.clear();
    m.reason.clear();
    m.up_reason.clear();
    m.last_end.clear();
    m.since = now;
    actions.push_back(Record{m.saved()});
    set_device(unit, {{std::string(device.devpath()), device.generation()}, std::string(device.name()), device.block(), ""});
    actions.push_back(Record{saved_instance(m)});
    actions.push_back(UnitChanged{m.unit->name});
    each_asking_about(watchers_, *m.unit, [this](UnitIndex other) { mark(other); });
    note_move(unit, before);
    mark(unit);
}

void Planner::vacate(UnitIndex unit, Time now, Actions& actions) {
    Managed& m = units_[unit];
    UnitState before = std::exchange(m.state, {});
    note_move(unit, before);
    for_slot_.erase(unit);
    detach(at_, m, unit);
    by_name_.erase(m.unit->name);
    m.vacant = true;
    m.instance.reset();
    m.since = now;
    m.refreshing = {};
    set_deadline(unit, kNever);  // also of what it was to be refreshed for
    actions.push_back(Record{SavedInstance{m.unit->name, "", {}, ""}});
    actions.push_back(UnitChanged{m.unit->name});
    each_asking_about(watchers_, *m.unit, [this](UnitIndex other) { mark(other); });
    auto of = find(m.unit->of);
    if (!m.unit->links.empty() || linked_.contains(m.unit->of)) graph_.outdate();
    // Somebody may have waited for the place.
    if (of && std::exchange(units_[*of].crowded, false)) look_for_devices(*of);
}

void Planner::set_job_of_instance(RunJob& job, const Managed& m) const {
    if (!m.instance) return;
    const InstanceDevice& it = *m.instance;
    const Device* device = is_gone(world_, m) == Truth::False ? world_.table.find(it.device.devpath) : nullptr;
    job.block = device ? device->block() : it.last;
    if (job.verb == Verb::Start && device && device == cause_.device && cause_.seqnum != 0)
        job.block += "SEQNUM=" + std::to_string(cause_.seqnum) + '\0';
    job.action = job.verb == Verb::Start ? "add" : job.verb == Verb::Stop ? "remove" : "change";
    auto filled = std::make_shared<Unit>(*m.unit);
    bool by_signal = job.daemon != 0;  // it has no arguments
    Block before = job.verb == Verb::Start ? Block() : Block(m.start_block);
    if (auto why = by_signal ? std::nullopt : fill_in(filled->service, job.verb, it.name, job.block, before))
        job.error = std::move(*why);
    job.unit = std::move(filled);
}

// Of a former engine, or of units whose file is back.
void Planner::restore_instances(SavedState& saved, Time now) {
    for (auto it = saved.instances.begin(); it != saved.instances.end();) {
        const auto& [name, was] = *it;
        auto of = find(was.of);
        if (!of || !units_[*of].unit->is_template() || find(name)) {
            ++it;
            continue;
        }
        UnitIndex place = place_for(*of, name, now);
        units_[place].unit = instance_unit(*units_[*of].unit, name);
        by_name_[name] = place;
        set_device(place, {was.device, sysname_of(was.device.devpath), was.block, ""});
        units_[place].start_block = was.block;
        mark(place);
        it = saved.instances.erase(it);
    }
}

}  // namespace devmux
