// See storm_oracle.h.
#include "tests/plan/storm_oracle.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "conditions/grammar.h"
#include "conditions/predicate.h"

namespace devmux::test {

namespace {

Condition condition_of(const std::string& text, const ClassSet& classes) {
    auto condition = parse_condition(text, classes);
    REQUIRE_MESSAGE(condition, text);
    return *condition;
}

std::string file(const Machine::Node& node, const char* name, Time now) {
    auto it = node.files.find(name);
    return it == node.files.end() || it->second.from > now ? "" : it->second.text;
}

std::string variable(const Machine::Node& node, const char* name) {
    auto it = node.variables.find(name);
    return it == node.variables.end() ? "" : it->second;
}

const Machine::Node* above(const Machine& machine, const Machine::Node& node) {
    for (size_t slash = node.devpath.rfind('/'); slash != 0; slash = node.devpath.rfind('/', slash - 1)) {
        auto it = machine.sysfs.find(node.devpath.substr(0, slash));
        if (it != machine.sysfs.end()) return &it->second;
    }
    return nullptr;
}

std::string where(const Device& d) { return std::string(d.devpath()); }

}  // namespace

std::shared_ptr<const Configuration> storm_configuration(Plan plan) {
    auto c = std::make_shared<Configuration>();
    auto classes = std::make_shared<ClassSet>();
    auto add_class = [&](const char* name, const char* subsystem, Predicate match = {}) {
        DeviceClass k;
        k.name = name;
        if (*subsystem) k.subsystems = {subsystem};
        k.match = std::move(match);
        REQUIRE_FALSE(classes->add(std::move(k)));
    };
    for (const char* name : {"mouse", "framebuffer", "hub"}) add_class(name, name);
    add_class("link", "net");
    // A class that an attribute decides: until it was read nobody knows who belongs to it.
    Predicate quick;
    quick.kind = Predicate::Kind::Comparison;
    quick.field = Predicate::Field::Attribute;
    quick.key = "mode";
    quick.value = "9";
    add_class("quick", "framebuffer", quick);
    DeviceClass all;
    all.name = "thing";
    all.includes = {"mouse", "framebuffer", "hub", "link"};
    REQUIRE_FALSE(classes->add(std::move(all)));
    REQUIRE(classes->finish().empty());

    auto add = [&](const std::string& name, const std::string& text) {
        auto unit = std::make_shared<Unit>();
        unit->name = name;
        unit->condition_kind = ConditionKind::While;
        unit->condition = condition_of(text, *classes);
        unit->condition_text = to_string(unit->condition);
        unit->service.start = {"/bin/x"};
        unit->service.stop = {"/bin/y"};
        c->units[name] = unit;
        return unit;
    };
    bool other = plan == Plan::Other;
    add("both", other ? "mouse or framebuffer" : "mouse and framebuffer");
    if (!other) add("two", "at least 2 mouse");
    add("none", "no framebuffer");
    add("one", "exactly 1 mouse or all framebuffer have [NUMBER = \"3\"]");
    add("chain", "unit both active");
    add("seen", "mouse seen");
    add("held", "mouse for 2s");
    add("lingers", "framebuffer")->linger = std::chrono::seconds(2);
    add("fast", other ? "framebuffer[attr.speed = \"3\"]" : "framebuffer[attr.speed = \"9\"]");
    add("unmarked", "no framebuffer[attr.speed = \"9\"]");
    add("quick", "quick");
    add("left", "mouse[parent.hub.SIDE = \"left\"]");
    add("lan", "link[name ~ \"lan*\"]");
    add("lan0", "link[name = \"lan0\"]");
    add("bound", "framebuffer bound");
    add("zero", "mouse[NUMBER = \"0\"]");
    auto first = add("first", "first mouse");
    first->condition_kind = ConditionKind::When;
    first->task = true;
    first->service.stop.clear();
    auto stops = add("stops", "mouse");
    stops->condition_kind = ConditionKind::When;
    stops->stop_when = std::make_shared<Condition>(condition_of("no framebuffer", *classes));
    stops->stop_when_text = to_string(*stops->stop_when);
    // As long as there is a framebuffer the boot sequence owns it: it is started by nobody else.
    auto boots = add("boots", "mouse");
    boots->boot_if = std::make_shared<Condition>(condition_of("framebuffer", *classes));
    boots->boot_if_text = to_string(*boots->boot_if);
    auto for_each = [&](const std::string& name, const std::string& term) {
        auto unit = add(name, term);
        auto each = std::make_shared<ForEach>();
        each->devices = unit->condition.device;
        unit->for_each = each;
        unit->condition = {};
        unit->condition.kind = Condition::Kind::Device;
        unit->condition.device = it_of(each->devices);
        unit->condition_text = to_string(unit->condition);
    };
    if (!other) for_each("per-mouse", "mouse");
    for_each("per-fast", other ? "framebuffer[attr.speed = \"3\"]" : "framebuffer[attr.speed = \"9\"]");
    for_each("per-lan", "link[name ~ \"lan*\"]");
    auto each = [&](const std::string& name, const std::string& term, std::set<Action> actions, bool synthetic) {
        auto unit = add(name, term);
        auto e = std::make_shared<EachEvent>();
        e->devices = unit->condition.device;
        e->actions = std::move(actions);
        e->synthetic = synthetic;
        unit->each_event = e;
        unit->condition_kind = ConditionKind::None;
        unit->condition = {};
        unit->condition_text.clear();
    };
    const std::set<Action> every{Action::Add, Action::Remove, Action::Change, Action::Move, Action::Bind, Action::Unbind};
    each("events", "thing", every, false);
    each("events-seen", "thing seen", every, false);
    each("events-fast", "framebuffer[attr.speed = \"9\"]", {Action::Add, Action::Remove}, false);
    if (!other) each("events-quick", "quick", {Action::Add, Action::Remove, Action::Change}, false);
    each("events-asked", "mouse", {Action::Add, Action::Change}, true);
    c->classes = classes;
    c->needs = std::make_shared<AttributeNeeds>(attribute_needs(*c));
    return c;
}

bool wanted(const std::string& unit, Plan plan, const Machine& machine) {
    int mice = 0, buffers = 0, third = 0, fast = 0, slow = 0, quick = 0, left = 0, lan = 0, lan0 = 0, bound = 0, zero = 0;
    for (const auto& [devpath, node] : machine.sysfs) {
        bool mouse = node.subsystem == "mouse", buffer = node.subsystem == "framebuffer";
        mice += mouse;
        buffers += buffer;
        third += buffer && variable(node, "NUMBER") == "3";
        fast += buffer && file(node, "speed", machine.now) == "9";
        slow += buffer && file(node, "speed", machine.now) == "3";
        quick += buffer && file(node, "mode", machine.now) == "9";
        bound += buffer && !variable(node, "DRIVER").empty();
        zero += mouse && variable(node, "NUMBER") == "0";
        const Machine::Node* hub = above(machine, node);
        left += mouse && hub && variable(*hub, "SIDE") == "left";
        std::string name = devpath.substr(devpath.rfind('/') + 1);
        lan += name.starts_with("lan");
        lan0 += name == "lan0";
    }
    bool other = plan == Plan::Other;
    const std::map<std::string, bool> all{
        {"both", other ? mice > 0 || buffers > 0 : mice > 0 && buffers > 0},
        {"chain", other ? mice > 0 || buffers > 0 : mice > 0 && buffers > 0},
        {"two", mice >= 2},
        {"none", buffers == 0},
        {"one", mice == 1 || (buffers > 0 && third == buffers)},
        {"seen", mice > 0},
        {"held", mice > 0},
        {"lingers", buffers > 0},
        {"fast", other ? slow > 0 : fast > 0},
        {"unmarked", fast == 0},
        {"quick", quick > 0},
        {"left", left > 0},
        {"lan", lan > 0},
        {"lan0", lan0 > 0},
        {"bound", bound > 0},
        {"zero", zero > 0},
        {"boots", mice > 0},
    };
    return all.at(unit);
}

// For which devices a for-each unit has an instance.
bool has_instance(const std::string& unit, Plan plan, const Machine& machine, const Machine::Node& node) {
    if (unit == "per-mouse") return node.subsystem == "mouse";
    if (unit == "per-fast") return node.subsystem == "framebuffer" && file(node, "speed", machine.now) == (plan == Plan::Other ? "3" : "9");
    return node.devpath.substr(node.devpath.rfind('/') + 1).starts_with("lan");
}

// Each device has the instance that it should have, which runs and is for itself, and no other one.
std::string trouble_of_instances(Plan plan, const Machine& machine, Daemon& daemon, const Past& past) {
    for (const Managed& of : daemon.engine().planner().units()) {
        if (!of.unit->is_template()) continue;
        std::map<std::string, const Managed*> found;
        for (const Managed& m : daemon.engine().planner().units()) {
            if (m.unit->of != of.unit->name || m.vacant || m.orphaned) continue;
            const std::string& devpath = m.instance->device.devpath;
            if (!found.emplace(devpath, &m).second) return devpath + " has two instances of " + m.unit->of;
        }
        for (const auto& [devpath, node] : machine.sysfs) {
            bool should = has_instance(of.unit->name, plan, machine, node);
            auto it = found.find(devpath);
            if (it == found.end() && !should) continue;
            if (it == found.end()) return devpath + " has no instance of " + of.unit->name;
            const Managed& m = *it->second;
            if (past.failed && m.state.actual == Actual::Failed) continue;
            bool active = m.state.actual == Actual::Active;
            std::string state = ": " + std::string(to_string(m.state.wanted)) + " " + std::string(to_string(m.state.actual)) + ", " + to_string(m.now);
            if (active != should) return m.unit->name + (active ? " is active, and should not be" : " should be active, and is not") + state;
            uint64_t inode = m.instance->device.generation.inode;
            if (active && inode != 0 && inode != node.inode) return m.unit->name + " runs for another device";
        }
        for (const auto& [devpath, m] : found)
            if (!machine.sysfs.contains(devpath) && !(past.failed && m->state.actual == Actual::Failed))
                return m->unit->name + " is there, and its device is not: " + std::string(to_string(m->state.actual));
    }
    // What nothing came between was started once.
    bool plain = machine.shape.calm && machine.shape.netlink && !past.failed && !past.other_plan;
    for (const auto& [instance, starts] : daemon.starts_for)
        if (plain && instance.first == "per-mouse" && starts > 1)
            return "an instance of " + instance.first + " was started twice for " + std::to_string(instance.second);
    return "";
}

std::string trouble_of_table(const Machine& machine, Daemon& daemon) {
    const DeviceTable& table = daemon.engine().world().table;
    std::string trouble;
    auto say = [&](const std::string& what) { if (trouble.empty()) trouble = what; };
    for (const auto& [devpath, node] : machine.sysfs)
        if (!table.find(devpath)) say(devpath + " is there, and not known");
    table.each([&](const Device& d) {
        auto it = machine.sysfs.find(where(d));
        if (it == machine.sysfs.end()) return say(where(d) + " is known, and not there");
        const Machine::Node& node = it->second;
        if (d.generation().inode != 0 && d.generation().inode != node.inode) say(where(d) + " is another one");
        if (!d.ready()) say(where(d) + " is not ready");
        if (d.in_doubt()) say(where(d) + " is in doubt");
        if (d.awaits_attributes()) say(where(d) + " awaits attributes");
        if (d.property("DEVPATH") != node.devpath) say(where(d) + " calls itself " + std::string(d.property("DEVPATH").value_or("")));
        for (const auto& [key, value] : node.variables)
            if (d.property(key) != value) say(where(d) + " has another " + key);
        if (d.driver() != variable(node, "DRIVER")) say(where(d) + " has another driver");
        for (const Attribute& a : d.attributes())
            if (a.text.value_or("") != file(node, a.name.c_str(), machine.now)) say(where(d) + " has another attr." + a.name);
        const Machine::Node* parent = above(machine, node);
        if ((d.parent() ? d.parent()->devpath() : "") != (parent ? parent->devpath : "")) say(where(d) + " has another parent");
        if (auto gen = d.property("ID_GEN"); gen && machine.shape.calm && !machine.misread.contains(node.inode) && *gen != variable(node, "GEN"))
            say(where(d) + " has udev's word on another");
    });
    if (!table.waiting().empty()) say("devices wait for udev");
    if (daemon.engine().planner().event_waits_since()) {
        auto who = daemon.engine().planner().events_waiting_since(kNever);
        say("events wait for udev" + (who.empty() ? "" : ": " + who[0]));
    }
    if (daemon.engine().next_deadline() != kNever) say("a deadline is left");
    if (daemon.engine().planner().event_runs().dropped() != 0) say("events were dropped");
    return trouble;
}

std::string trouble_at_rest(Plan plan, const Machine& machine, Daemon& daemon, const Past& past) {
    if (std::string trouble = trouble_of_table(machine, daemon); !trouble.empty()) return trouble;
    int mice = 0, buffers = 0;
    for (const auto& [devpath, node] : machine.sysfs) {
        mice += node.subsystem == "mouse";
        buffers += node.subsystem == "framebuffer";
    }
    bool failed_both = false;
    for (const Managed& m : daemon.engine().planner().units())
        failed_both |= m.unit->name == "both" && m.state.actual == Actual::Failed;
    for (const Managed& m : daemon.engine().planner().units()) {
        const std::string& name = m.unit->name;
        if (m.orphaned || m.vacant || m.unit->for_each || m.unit->condition_kind != ConditionKind::While) continue;
        if (past.failed && (m.state.actual == Actual::Failed || (name == "chain" && failed_both))) continue;
        bool active = m.state.actual == Actual::Active;
        if (!active && m.boots == Truth::True && buffers > 0) continue;  // left to the boot sequence
        if (active != wanted(name, plan, machine))
            return name + (active ? " is active, and should not be" : " should be active, and is not") + ": " +
                   std::string(to_string(m.state.wanted)) + " " + std::string(to_string(m.state.actual)) + ", " +
                   to_string(m.now) + ", was " + to_string(m.verdict);
    }
    if (std::string trouble = trouble_of_instances(plan, machine, daemon, past); !trouble.empty()) return trouble;
    auto count = [&](const char* unit, Verb verb) { return daemon.counts[{unit, verb}]; };
    if (count("first", Verb::Start) > 1) return "first was started twice";
    if (mice > 0 && count("first", Verb::Start) != 1) return "first was not started";
    for (const Managed& m : daemon.engine().planner().units())
        if (m.unit->name == "stops" && m.state.actual == Actual::Active && buffers == 0) return "stops was not stopped";
    // One start for each time that it came.
    auto zero = machine.generations.find(0);
    size_t came = zero == machine.generations.end() ? 0 : zero->second.size();
    if (count("zero", Verb::Start) > came) return "zero was started more often than it came";
    if (count("zero", Verb::Stop) > came) return "zero was stopped more often than it went";
    // Each device that is there was run for, once.
    for (const char* unit : {"events", "events-seen"})
        for (const auto& [devpath, node] : machine.sysfs) {
            if (machine.misread.contains(node.inode) || past.crashed) continue;
            // An event that is read late is that of whoever has the path then.
            bool came = false, here = false;
            for (const Daemon::Run& r : daemon.runs_of[unit]) {
                came |= r.action == "add" && r.generation == node.inode;
                if (r.devpath == devpath && (r.action == "add" || r.action == "remove")) here = r.action == "add";
            }
            if (!came && !here) return devpath + " came, and " + unit + " was not run";
        }
    return "";
}

std::string trouble_of_runs(const Machine& machine, const Daemon& daemon) {
    for (const auto& [unit, runs] : daemon.runs_of) {
        struct Life {
            uint64_t newest = 0;
            bool came = false, went = false;
        };
        std::map<std::pair<int, uint64_t>, Life> lives;
        std::set<std::pair<int, uint64_t>> numbers;
        std::map<uint64_t, int> arrivals;
        for (const Daemon::Run& run : runs) {
            if (run.life < 0 || machine.misread.contains(run.generation)) continue;
            std::string what = unit + ": " + run.action + " " + run.devpath + " of " + std::to_string(run.generation) +
                               " (" + std::to_string(run.seqnum) + ")";
            if (run.seqnum != 0 && !numbers.insert({run.life, run.seqnum}).second) return what + " was run twice";
            // Of helpers alone nobody can say of which device under a path they speak.
            if (!machine.shape.netlink) continue;
            Life& life = lives[{run.life, run.generation}];
            if (life.went) return what + " after it had gone";
            if (run.synthetic) continue;  // has no place in the order
            if (run.seqnum != 0 && run.seqnum < life.newest) return what + " after a newer one";
            life.newest = std::max(life.newest, run.seqnum);
            life.went = run.action == "remove";
            if (life.went) arrivals.erase(run.generation);  // what another engine then hears of it is news to it
            // Asked for by hand, it comes as often as it is asked for.
            if (run.action != "add" || unit == "events-asked") continue;
            if (++arrivals[run.generation] > 1) return what + " came twice";
        }
    }
    return "";
}

}  // namespace devmux::test
