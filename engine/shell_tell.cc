// What there is to tell: units, devices, classes, as plain data. What people do is in shell_hands.cc.
#include <algorithm>

#include "conditions/text.h"
#include "engine/shell.h"

namespace devmux {
namespace {

std::string asked_by_text(Asker asker) {
    switch (asker) {
        case Asker::Nobody: break;
        case Asker::Condition: return "its condition";
        case Asker::Hand: return "a person";
        case Asker::Unit: return "another unit";
        case Asker::Never: return "its if-never";
        case Asker::Boot: return "the boot sequence";
    }
    return "";
}

std::string kind_text(const Unit& unit) {
    if (unit.each_event) return "each-event";
    switch (unit.condition_kind) {
        case ConditionKind::When: return "when";
        case ConditionKind::While: return "while";
        case ConditionKind::None: break;
    }
    return "by hand";
}

}  // namespace

std::vector<std::string> texts_of(const Errors& errors) {
    std::vector<std::string> out;
    for (const Error& error : errors) out.push_back(error.to_string());
    return out;
}

EngineSnapshot Shell::engine() const {
    EngineSnapshot s;
    const Counters& c = engine_->counters();
    s.version = config_.version;
    s.dry_run = config_.dry_run;
    s.coldplug_complete = engine_->world().coldplug;
    s.settled = engine_->world().settled;
    s.runlevel = engine_->world().runlevel;
    s.mode = engine_->world().mode;
    s.going_down = engine_->world().going_down;
    s.devices = engine_->world().table.size();
    if (links_)
        s.network = network_is_online(engine_->world().links) == Truth::True    ? "online"
                    : network_is_online(engine_->world().links) == Truth::False ? "offline"
                                                                                : "unknown";
    s.carriers = carrier_lines(engine_->world().carriers, engine_->world().links);
    s.uptime = Loop::now() - started_;
    auto received = [&](Transport via) { return c.received[static_cast<size_t>(via)]; };
    uint64_t kernel = received(Transport::Kernel), udev = received(Transport::Udev),
             hotplug = received(Transport::Hotplug);
    s.counters = {{"received", kernel + udev + hotplug}, {"received_kernel", kernel}, {"received_udev", udev},
                  {"received_hotplug", hotplug}, {"synthetic", c.synthetic}, {"duplicate", c.duplicate},
                  {"late", c.late}, {"looked", c.looked}, {"lost", c.lost}, {"doubts", c.doubts},
                  {"resyncs", c.resynced}, {"unready", c.unready}, {"refused", refused_},
                  {"malformed", malformed_}, {"resync_adds", c.resync_adds},
                  {"resync_removes", c.resync_removes}, {"resync_changes", c.resync_changes},
                  {"dropped_runs", engine_->planner().event_runs().dropped()}, {"unsaved", unsaved_},
                  {"links_lost", all_links_lost_}};
    for (const UnitSnapshot& unit : units()) ++s.units[unit.state];
    s.udev = udev_ == UdevPresence::Running ? "running" : udev_ == UdevPresence::Installed ? "down" : "absent";
    s.waiting_for_udev = engine_->world().table.waiting().size();
    s.in_doubt = engine_->world().doubted;
    s.errors = texts_of(configuration_->errors);
    disk_.tell(s);
    struct Source {
        const char* name;
        bool on;
        const char* lost;
    };
    const Sources& on = config_.sources;
    for (const Source& source : {Source{"kernel", on.kernel, "what the kernel announces is not heard"},
                                 Source{"udev", on.udev, "devices count as ready when the kernel announces "
                                                         "them, and have no properties of udev's"},
                                 Source{"hotplug", on.hotplug, "what devmux-hotplug sends is not heard"},
                                 Source{"coldplug", on.coldplug, "what was there at the start is not seen, and "
                                                                 "what was lost is not found again"}}) {
        if (source.on) s.sources.emplace_back(source.name);
        else s.errors.push_back(std::string("the source ") + source.name + " is off: " + source.lost +
                                " (devmux source " + source.name + " on)");
    }
    return s;
}

std::string Shell::waiting_text(const Managed& m, Time now) const {
    auto index = engine_->planner().find(m.unit->name);
    return index ? engine_->planner().waiting_text(*index, now) : "";
}

UnitSnapshot Shell::describe(const Managed& m, bool with_explanation) const {
    const Unit& unit = *m.unit;
    Time now = Loop::now();
    UnitSnapshot s;
    s.name = unit.name;
    s.description = unit.description;
    s.file = unit.file;
    s.service = devmux::describe(unit.service);
    s.kind = kind_text(unit);
    s.condition = unit.each_event ? to_string(unit.each_event->devices) : unit.condition_text;
    s.stop_when = unit.stop_when_text;
    s.boot_if = unit.boot_if_text;
    if (unit.refresh) s.refresh = to_string(*unit.refresh);
    s.takes_down = unit.keeps_links ? "no" : unit.takes_down ? to_string(*unit.takes_down) : "";
    if (unit.service.may_be_missing) s.if_missing = "skip";
    s.chosen_by = unit.service.chosen_by;
    if (const Unit& next = m.chosen ? *m.chosen : unit; next.is_chosen) s.chosen = next.service.init_script;
    s.links = unit.links;
    s.last_reload = m.refreshing.last;
    s.reload_failed = m.refreshing.failed;
    s.task = unit.task;
    s.state = m.orphaned ? "orphaned" : std::string(to_string(m.state.actual));
    s.wanted = to_string(m.state.wanted);
    s.hold = m.state.hold == Hold::None ? "" : std::string(to_string(m.state.hold));
    s.asked_by = asked_by_text(m.asker);
    s.verdict = m.now;
    s.since = now - m.since;
    s.reason = m.reason;
    s.last_end = m.last_end;
    JobId process = m.job ? m.job : m.daemon;
    if (const RunningJob* job = process && runner_ ? runner_->find(process) : nullptr) s.pid = job->child.pid;
    s.starts = m.starts;
    if (unit.each_event) {
        EventRuns::Numbers numbers = engine_->planner().event_runs().of(unit.name);
        s.starts = numbers.started;
        s.queued = numbers.waiting;
        if (m.state.hold == Hold::None) s.state = numbers.running ? "starting" : "waiting";
    }
    if (m.overdue && !m.orphaned) s.state = "overdue";
    if (m.orphaned)
        s.remark = engine_->planner().orphan_text(m) + ": its service runs on until devmux stop";
    if (unit.for_each) tell_instances(m, s);
    if (m.is_skipped() && !m.orphaned) {
        s.state = "skipped";
        s.remark = engine_->planner().never_text(m, now);
    }
    if (m.state.actual == Actual::Absent && !m.orphaned) {
        s.state = "skipped";
        s.remark = m.last_end + (m.state.hold == Hold::Down                          ? "; it is held: it was stopped by hand"
                                 : m.unit->condition_kind == ConditionKind::None ? "; the next start looks again"
                                                                                 : "; devmux reload looks again");
    }
    if (m.state.actual == Actual::Waiting && m.state.wanted == Wanted::Down && m.verdict == Truth::True &&
        m.now == Truth::True && m.state.hold == Hold::None)
        s.remark = m.stop_verdict == Truth::True
                       ? "its condition holds, but stop-when does, too"
                       : "its condition has been true since before it was stopped: the next false -> true starts "
                         "it, or devmux start";
    bool rests = m.state.actual == Actual::Waiting && m.state.hold == Hold::None;
    if (rests && m.is_left_to_boot()) s.remark = m.left_to_boot_text();
    if (m.refreshing.job != 0) s.remark = "it is being reloaded";
    if (std::string held = engine_->planner().held_back(m, now); !held.empty()) s.remark = held;
    else if (std::string waits = waiting_text(m, now); !waits.empty()) s.remark = waits;
    if (std::string slow = engine_->limits().remark(unit.name, now); !slow.empty()) s.remark = slow;
    if (!m.kept.empty()) s.remark = m.kept;
    disk_.tell(s);
    s.warnings = texts_of(unit.warnings);
    const World& world = engine_->world();
    if (unit.is_template()) return s;
    if (with_explanation && unit.condition_kind != ConditionKind::None)
        s.explanation = explain(unit.condition, world, *configuration_->classes, now, m.memory);
    if (with_explanation && unit.stop_when)
        s.stop_explanation = explain(*unit.stop_when, world, *configuration_->classes, now, m.stop_memory);
    if (with_explanation && unit.boot_if)
        s.boot_explanation = explain(*unit.boot_if, world, *configuration_->classes, now, m.boot_memory);
    return s;
}

// The unit itself is in no state: how many of its instances are in which.
void Shell::tell_instances(const Managed& m, UnitSnapshot& s) const {
    const Planner& planner = engine_->planner();
    s.for_each = to_string(m.unit->for_each->devices);
    s.of = m.unit->of;
    if (m.instance) s.device = m.instance->device.devpath;
    if (!m.unit->is_template()) return;
    s.state = "for-each";
    std::map<std::string, size_t> states;
    for (UnitIndex index : planner.instances_of(planner.find(m.unit->name).value())) {
        const Managed& instance = planner.units()[index];
        s.instances.push_back(instance.unit->name);
        ++states[instance.overdue ? "overdue" : std::string(to_string(instance.state.actual))];
    }
    s.remark = s.instances.empty() ? "no instance for: " + s.for_each
                                   : std::to_string(s.instances.size()) + (s.instances.size() == 1 ? " instance" : " instances");
    std::string counts;
    for (const auto& [state, count] : states) counts += (counts.empty() ? ": " : ", ") + std::to_string(count) + " " + state;
    s.remark += counts;
    if (m.crowded) s.remark += "; devices wait for a place (instances: " + std::to_string(m.unit->for_each->most) + ")";
}

UnitSnapshot Shell::describe_broken(const std::string& name) const {
    UnitSnapshot s;
    s.name = name;
    auto it = configuration_->broken.find(name);
    s.state = it == configuration_->broken.end() ? "masked" : "broken";
    if (it != configuration_->broken.end()) {
        s.errors = texts_of(it->second);
        s.file = it->second.front().where.file;
    } else if (!configuration_->masked.contains(name)) {
        s.state = "new";
    }
    disk_.tell(s);
    return s;
}

// Its file is there, and was not when the units were loaded.
bool Shell::is_unloaded(const std::string& name) const {
    const Configuration& c = *configuration_;
    return disk_.changes().units.contains(name) && !c.broken.contains(name) && !c.masked.contains(name) &&
           !engine_->planner().find(name);
}

std::vector<UnitSnapshot> Shell::units() const {
    disk_.look(*configuration_);
    std::vector<UnitSnapshot> out;
    for (const Managed& m : engine_->planner().units())
        if (!m.vacant) out.push_back(describe(m, false));
    for (const auto& [name, errors] : configuration_->broken)
        if (!engine_->planner().find(name)) out.push_back(describe_broken(name));
    for (const std::string& name : configuration_->masked)
        if (!engine_->planner().find(name)) out.push_back(describe_broken(name));
    for (const auto& [name, change] : disk_.changes().units)
        if (is_unloaded(name)) out.push_back(describe_broken(name));
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return natural_less(a.name, b.name); });
    return out;
}

std::optional<UnitSnapshot> Shell::unit(const std::string& name) const {
    disk_.look(*configuration_);
    if (auto index = engine_->planner().find(name)) return describe(engine_->planner().units()[*index], true);
    if (configuration_->broken.contains(name) || configuration_->masked.contains(name) || is_unloaded(name))
        return describe_broken(name);
    return std::nullopt;
}

Result<std::vector<DeviceSnapshot>> Shell::devices(const std::string& class_name) const {
    const ClassSet& classes = *configuration_->classes;
    const DeviceTable& table = engine_->world().table;
    Time now = Loop::now();
    std::vector<DeviceSnapshot> out;
    auto add = [&](const Device& d) {
        DeviceSnapshot s;
        s.devpath = d.devpath();
        s.name = d.name();
        s.subsystem = d.subsystem();
        s.driver = d.driver();
        for (const auto& m : d.classes()) s.classes.push_back(classes.class_name(m.id) + (m.unsure ? "?" : ""));
        Block block = d.block();
        while (!block.empty()) {
            size_t end = std::min(block.find('\0'), block.size());
            std::string_view variable = block.substr(0, end);
            size_t equals = std::min(variable.find('='), variable.size());
            s.properties.emplace(variable.substr(0, equals),
                                 equals < variable.size() ? variable.substr(equals + 1) : "");
            block.remove_prefix(std::min(end + 1, block.size()));
        }
        for (const Attribute& a : d.attributes()) s.attributes[a.name] = a.text;
        s.level = d.ready() ? "ready" : "seen";
        s.link = link_word(engine_->world().links, d);
        if (engine_->world().carries_root(d) == Truth::True) s.carries = engine_->world().carries_seen(d);
        s.in_doubt = d.in_doubt();
        s.since = now - d.since();
        out.push_back(std::move(s));
    };
    if (class_name.empty()) {
        table.each([&](const Device& d) {
            if (!d.subsystem().empty()) add(d);
        });
        return out;
    }
    auto id = classes.find(class_name);
    if (!id) {
        std::string near = nearest(class_name, classes.all_names());
        return Error{.where = {}, .what = quoted(printable(class_name)) + " is no class of devices", .source = "", .caret = -1,
                     .hint = near.empty() ? "devmux classes lists them" : "did you mean " + quoted(near) + "?"};
    }
    table.each_of(*id, "", [&](const DeviceFacts& facts, bool) {
        add(*table.find(facts.devpath()));
        return true;
    });
    return out;
}

std::vector<ClassSnapshot> Shell::classes() const {
    std::vector<ClassSnapshot> out;
    const auto& all = configuration_->classes->classes();
    for (ClassId id = 0; id < all.size(); ++id) {
        const DeviceClass& c = all[id];
        ClassSnapshot s;
        s.name = c.name;
        s.plural = c.plural;
        s.description = c.description;
        s.supplied_by = c.supplied_by;
        s.match = to_string(c.match);
        s.file = c.file;
        s.aliases = c.aliases;
        s.subsystems = c.subsystems;
        s.includes = c.includes;
        engine_->world().table.each_of(id, "", [&](const DeviceFacts&, bool unsure) {
            s.present += !unsure;
            return true;
        });
        out.push_back(std::move(s));
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return out;
}

}  // namespace devmux
