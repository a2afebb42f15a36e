// A random machine for the tests of recordings: hostile devices, udev, late attributes, each-event units,
// walks that lose the race, jobs, reloads, hands, deadlines. The core is fed directly, so that the test
// sees every event and every action.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "conditions/document.h"
#include "engine/engine.h"
#include "engine/intake/uevent.h"
#include "engine/model/class_file.h"
#include "engine/model/unit_file.h"
#include "engine/recording/recorder.h"

namespace devmux {

inline std::shared_ptr<const Configuration> configuration_of(
    const std::map<std::string, std::string>& units, const std::vector<std::string>& classes) {
    Configuration c;
    auto set = std::make_shared<ClassSet>();
    for (const std::string& text : classes) {
        auto read = read_class(text, "class");
        REQUIRE_MESSAGE(read, read.error().to_string());
        REQUIRE_FALSE(set->add(std::move(*read)));
    }
    REQUIRE(set->finish().empty());
    for (const auto& [name, text] : units) {
        auto document = read_document(text, name);
        REQUIRE_MESSAGE(document, document.error().to_string());
        UnitReading reading = read_unit(*document, name, *set);
        REQUIRE_MESSAGE(reading.unit, reading.errors[0].to_string());
        c.units[name] = reading.unit;
    }
    c.classes = set;
    return std::make_shared<const Configuration>(std::move(c));
}

class RandomWorld {
  public:
    using Watch = std::function<void(const Event&, Time, const Actions&)>;

    explicit RandomWorld(unsigned seed, Recorder::Write write = {}) : random_(seed) {
        if (write) recorder_.emplace("test", std::move(write));
        now_ = std::chrono::seconds(5) + std::chrono::microseconds(pick(1'000'000));
        engine_ = std::make_unique<Engine>(configuration(), "quiet root=UUID=x", now_);
        SavedState saved;
        if (recorder_) recorder_->begin(*engine_, saved, now_);
        Actions actions;
        engine_->start(saved, now_, actions);
        take(actions);
        feed(UdevSeen{pick(2) ? UdevPresence::Running : UdevPresence::Absent, true});
        walk();
    }

    int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
    Engine& engine() { return *engine_; }
    Time now() const { return now_; }
    void watch(Watch watch) { watch_ = std::move(watch); }
    void end() {
        if (recorder_) recorder_->end("asked");
    }

    void step() {
        switch (pick(27)) {
            case 0: case 1: case 2: case 3: case 4: plug(); break;
            case 5: case 6: change(); break;
            case 7: udev_says(); break;
            case 8: feed(InDoubt{static_cast<InDoubt::Why>(pick(7))}), walk(); break;
            case 9: walk(); break;
            case 10: feed(ColdplugComplete{}); break;
            case 11: feed(FileSeen{"/go there", static_cast<Truth>(pick(3))}); break;
            case 20: mounts(); break;
            case 25: case 26: links(); break;
            case 12: feed(UdevSeen{static_cast<UdevPresence>(pick(3)), pick(2) == 0}); break;
            case 13: hand(); break;
            case 14: feed(NewConfiguration{configuration()}); break;
            case 15: read(); break;
            case 16: move(); break;
            case 17: feed(ModulesSeen{pick(4) == 0}); break;
            case 18: late(); break;
            case 19: answer_looks(); break;
            case 21: of_init(); break;
            default: end_job(); break;
        }
        now_ += std::chrono::microseconds(pick(4) ? pick(2000) : pick(4'000'000));
        if (engine_->next_deadline() <= now_) feed(DeadlineReached{});
    }

  private:
    static constexpr int kDevices = 10;
    struct There {
        uint64_t inode = 0, number = 0;
        std::string path;
    };

    // Seldom the end, from which it comes back.
    void of_init() {
        static const char* const kLevels[] = {"", "S", "1", "2", "2", "2", "5", "6"};
        static const char* const kWhere[] = {"", "S", "2345", "016"};
        static const char* const kModes[] = {"", "docked", "quiet"};
        if (pick(4) == 0) feed(ModeSet{kModes[pick(3)]});
        else if (pick(3) == 0) feed(ShutdownAsked{pick(6) == 0});
        else if (pick(2) == 0) feed(RunlevelSeen{kLevels[pick(8)]});
        else feed(ScriptSeen{pick(4) ? "x" : "another one", {kWhere[pick(4)], kWhere[pick(4)], pick(2) == 0}});
    }

    std::shared_ptr<const Configuration> configuration() {
        static const std::vector<std::string> kClasses{
            "{class: mouse, subsystem: input, match: 'KIND = \"mouse\"'}",
            "{class: disk, plural: disks, subsystem: [block, scsi], match: 'attr.size = \"5\" or parent.input.KIND ~ \"m*\"'}",
            "{class: thing, aliases: [gadget], match: 'name ~ \"*\"'}", "{class: pair, includes: [mouse, disk]}", "{class: net, plural: nets, subsystem: net}"};
        std::map<std::string, std::string> units{
            {"both", "{while: mouse and disk, linger: 300ms, command: {start: [/a], stop: [/b]}}"},
            {"first", "{when: 'first disk[attr.size = \"5\"] or mouse for 2s', command: {start: [/a]}}"},
            {"held", "{while: '(mouse for 700ms) and no disk', stop-when: file \"/go there\" exists, "
                     "command: {start: [/a], stop: [/b]}}"},
            {"mounts", "{while: '(/srv on nfs or \"/a b\\x01/c\" mounted) and not root on tmpfs', command: {start: [/a], stop: [/b]}}"},
            {"online", "{while: 'network online or route to 192.0.2.1', command: {start: [/a], stop: [/b]}}"},
            {"needs", "{while: net up, requires: [$network], command: {start: [/a], stop: [/b]}}"},
            {"down", "{while: file \"/go there\" exists, takes-down: net, command: {start: [/a], stop: [/b]}}"},
            {"spare", "{for-each: 'net[not carries-root]', takes-down: no, command: {start: [/a], stop: [/b]}}"},
            {"wins", "{when: 'first net online or all net running for 1s', command: {start: [/a]}}"},
            {"chain", "{when: unit both active or settled, stop-when: 'first mouse', command: {start: [/a], stop: [/b]}}"},
            {"each", "{each-event: thing, actions: [add, change, remove, bind], command: {start: [/a]}, "
                     "timeout: {start: 2s, shutdown: 1s, then: kill, drivers: {slow_one: 5s}}}"},
            {"seen", "{each-event: 'disk[attr.size = \"5\"]', synthetic: true, environment: {A: 'x'}, command: {start: [/a]}}"},
            {"named", "{each-event: 'thing[ID_SERIAL = \"a b\"]', actions: [add, change, remove, bind], command: {start: [/a]}}"},
            {"stays", "{while: mouse, daemon: [/d, -f], ready: notify, restart: {policy: always, delay: 700ms, limit: 3}}"},
            {"tried", "{when: disk for 100ms, command: {start: [/a]}, restart: on-failure}"},
            {"ones", "{for-each: 'thing[not name = \"d7\"]', instances: 3, linger: 200ms, "
                     "command: {start: [/a, '{name}'], stop: [/b, '{property.KIND}']}}"},
            {"tasks", "{for-each: disk, when: 'it[attr.size = \"5\"] or mouse', command: {start: [/a]}}"},
            {"keeps", "{for-each: mouse, when: it, after: ones, daemon: [/d]}"},
            {"count", "{while: exactly 2 pairs or at least 4 things, init-script: x, task: false}"}};
        if (pick(2) == 0) units["both"] = "{while: mouse and disk, command: {start: [/a], stop: [/b]}, "
                                          "timeout: {start: 3s, warn: 1s, stop: 2s, then: terminate, drivers: {slow_one: never}}}";
        if (pick(3) == 0) units.erase("both");
        if (pick(3) == 0) units.erase("each");
        if (pick(4) == 0) units["ones"] = "{for-each: disk, command: {start: [/a], stop: [/b]}}";
        if (pick(4) == 0) units["keeps"] = "{when: mouse, daemon: [/d]}";
        if (pick(5) == 0) units.erase("tasks");
        if (pick(3) == 0) units["count"] = "{when: all disk bound, init-script: x}";
        return configuration_of(units, kClasses);
    }

    std::string path(int d) const {
        // A tree: 0 and 1 are roots, the others stand below; with bytes that nobody wants in a path.
        std::string base = d < 2 ? "/devices/a b" + std::to_string(d) : path(d % 2) + "/d" + std::to_string(d);
        return d == 5 ? base + "\x01\xff\\ #" : base;
    }
    static bool is_link(int d) { return d >= kDevices - 2; }
    static std::string subsystem(int d) { return is_link(d) ? "net" : d % 3 ? "input" : "block"; }
    std::string block(int d, bool mouse) const {
        std::string out = "SUBSYSTEM=" + subsystem(d) + '\0';
        if (is_link(d)) out += "IFINDEX=" + std::to_string(d) + '\0';
        out += std::string("KIND=") + (mouse ? "mouse" : "\xff\xfe\nx \\ ") + '\0' + "inode=7" + '\0' + "# =1" + '\0';
        if (d % 4 == 0) out += std::string("MAJOR=8") + '\0';
        return out;
    }
    FoundDevice found(int d) {
        FoundDevice out;
        out.devpath = there_.at(d).path;
        out.block = "DEVPATH=" + out.devpath + '\0' + block(d, d != 3);
        out.subsystem = subsystem(d);
        out.standing = {.exists = true, .device = true, .generation = generation(d)};
        if (pick(2)) out.standing.attributes = attributes();
        if (pick(2)) out.udev = std::string("USEC_INITIALIZED=1") + '\0' + "ID_BUS=usb" + '\0' + "odd" + '\0';
        return out;
    }
    std::vector<Attribute> attributes() {
        Attribute a{"size", std::nullopt};
        if (pick(2)) a.text = pick(2) ? std::string("5") : std::string("\n\0 ", 3);
        return {a};
    }

    void event(const char* action, int d, const std::string& at, Transport via = Transport::Kernel, uint64_t number = 0,
               const std::string& from = "", bool synthetic = false) {
        if (number == 0) number = ++number_;
        std::string message = std::string(action) + "@" + at + '\0' + "ACTION=" + action + '\0' + "DEVPATH=" + at + '\0';
        if (!from.empty()) message += "DEVPATH_OLD=" + from + '\0';
        if (synthetic) message += std::string("SYNTH_UUID=0") + '\0';
        message += block(d, d != 3 || pick(2)) + "SEQNUM=" + std::to_string(number) + '\0';
        if (via == Transport::Udev) message += std::string("ID_SERIAL=a b") + '\0';
        auto uevent = parse_uevent(message);
        REQUIRE(uevent);
        Standing standing;
        if (auto it = there_.find(d); it != there_.end() && it->second.path == at)
            standing = {.exists = true, .device = true, .generation = generation(d), .bare = pick(30) == 0,
                        .orphan = pick(9) == 0};
        feed(DeviceEvent{*uevent, standing, via});
    }

    void plug() {
        int d = pick(kDevices);
        auto it = there_.find(d);
        if (it == there_.end()) {
            there_[d] = {++inode_, number_ + 1, path(d)};
            if (pick(8)) event("add", d, path(d), pick(6) ? Transport::Kernel : Transport::Hotplug);
        } else {
            std::string was = it->second.path;
            there_.erase(it);
            if (pick(8)) event("remove", d, was);
        }
    }
    void change() {
        static constexpr const char* kActions[] = {"change", "bind", "unbind", "online", "weird"};
        int d = pick(kDevices);
        if (there_.contains(d)) event(kActions[pick(5)], d, there_[d].path, Transport::Kernel, 0, "", pick(5) == 0);
        else if (pick(4) == 0) event("add", d, "/module/x y");
    }
    void udev_says() {
        int d = pick(kDevices);
        if (there_.contains(d)) event(pick(2) ? "add" : "change", d, there_[d].path, Transport::Udev, 1 + random_() % (number_ + 1));
    }
    void move() {
        int d = 2 + pick(kDevices - 2);
        if (!there_.contains(d)) return;
        std::string from = there_[d].path, to = from.ends_with("_moved") ? path(d) : from + "_moved";
        there_[d].path = to;
        event("move", d, to, Transport::Kernel, 0, from);
    }
    Generation generation(int d) const { return {there_.at(d).inode, is_link(d) ? static_cast<uint64_t>(d) : 0, 0}; }
    void links() {
        LinksSeen seen{.known = pick(6) > 0, .links = {}, .gone = {}, .routes = {}};
        for (int d = kDevices - 2; seen.known && d < kDevices; ++d) {
            auto index = static_cast<uint64_t>(d);
            if (pick(4) == 0) seen.gone.push_back(index);
            if (pick(4) == 0) continue;
            LinkSeen link{.ifindex = index, .name = sysname_of(pick(6) || !there_.contains(d) ? path(d) : there_[d].path)};
            link.up = pick(4) > 0;
            link.running = link.up && pick(4);
            link.v4 = static_cast<AddressState>(pick(4));
            link.v6 = static_cast<AddressState>(pick(4));
            seen.links.push_back(link);
        }
        for (const char* to : {"default4", "default6", "192.0.2.1"})
            if (seen.known && pick(2)) {
                auto there = static_cast<Truth>(pick(3));
                seen.routes.push_back({to, there, there == Truth::True ? std::vector<uint64_t>{8, 9} : std::vector<uint64_t>{}});
            }
        feed(seen);
    }
    void mounts() {
        MountsSeen seen;
        for (const char* path : {"/srv", "/a b\x01/c", "/", "/usr"}) {
            if (pick(2)) continue;
            MountSeen mount{path, {}, {}};
            if (pick(4)) mount.now = {pick(2) ? "/" : path, pick(2) ? "nfs4" : "e xt\xff", "s:/ \n", pick(3) ? "192.0.2.1" : ""};
            if (pick(3) == 0) mount.listed = {path, "nfs", ""};
            seen.mounts.push_back(mount);
        }
        feed(seen);
    }
    void late() {
        int d = pick(kDevices);
        event(pick(2) ? "add" : "remove", d, path(d), Transport::Kernel, 1 + random_() % (number_ + 1));
    }
    void read() {
        int d = pick(kDevices);
        if (there_.contains(d)) feed(AttributesRead{there_[d].path, {.inode = there_[d].inode}, attributes()});
        LookedAt look{path(d), std::nullopt, pick(2) ? number_ : 0};
        if (there_.contains(d)) look.devpath = there_[d].path, look.found = found(d);
        if (pick(2)) feed(look);
    }
    void walk() {
        Snapshot all;
        all.seqnum = number_;
        for (const auto& [d, there] : there_) all.devices.push_back(found(d));
        feed(all);
        if (pick(2)) change();
        if (pick(3)) feed(CaughtUp{});
    }
    void hand() {
        static constexpr const char* kUnits[] = {"both", "first", "held", "chain", "count", "nobody", "stays"};
        UnitEvent event = pick(4) == 0   ? UnitEvent::HandRestart
                          : pick(3) == 0 ? UnitEvent::HandStart
                          : pick(2)      ? UnitEvent::HandStop
                                         : UnitEvent::Reset;
        std::string unit = kUnits[pick(7)];
        const auto& all = engine_->planner().units();
        const Managed& m = all[static_cast<size_t>(pick(static_cast<int>(all.size())))];
        if (pick(2) && !m.vacant) unit = m.unit->name;
        feed(HandRequest{unit, event, event == UnitEvent::Reset && pick(2) == 0});
    }
    // Jobs that take too long: what they wait in, and what came of signals.
    void answer_looks() {
        for (auto [job, signal] : std::exchange(looks_, {})) {
            bool spared = pick(3) == 0;
            std::string text = pick(2) ? "modprobe \xff\n \\ (pid 7)" : "sleep (pid 8)";
            if (signal == 0) feed(JobSeen{job, text, spared, spared ? "slow-one" : ""});
            else feed(JobSignalled{job, signal, spared ? "" : text, pick(4) == 0 ? "" : spared ? text : ""});
        }
    }
    void end_job() {
        if (jobs_.empty()) return;
        auto it = std::next(jobs_.begin(), pick(static_cast<int>(jobs_.size())));
        if (pick(3) == 0) return feed(DaemonReady{*it});
        JobEnded end{.job = *it};
        jobs_.erase(it);
        if (int how = pick(5); how < 2) end.code = 0;
        else if (how == 2) end.code = 3;
        else if (how == 3) end.signal = 9;
        else end.error = "/x: not \n found";
        feed(end);
    }

    void feed(const Event& event) {
        if (recorder_) recorder_->fed(event, now_);
        Actions actions;
        engine_->handle(event, now_, actions);
        take(actions);
        if (watch_) watch_(event, now_, actions);
    }
    void take(const Actions& actions) {
        for (const PlanAction& action : actions) {
            if (recorder_) recorder_->decided(action, now_);
            if (const auto* run = std::get_if<RunJob>(&action)) jobs_.insert(run->job);
            if (const auto* look = std::get_if<LookAtJob>(&action)) looks_.emplace_back(look->job, 0);
            if (const auto* kill = std::get_if<KillJob>(&action)) looks_.emplace_back(kill->job, kill->signal);
        }
    }

    std::mt19937 random_;
    Time now_{};
    std::unique_ptr<Engine> engine_;
    std::optional<Recorder> recorder_;
    Watch watch_;
    std::map<int, There> there_;
    std::set<JobId> jobs_;
    std::vector<std::pair<JobId, int>> looks_;
    uint64_t number_ = 100, inode_ = 1000;
};

}  // namespace devmux
