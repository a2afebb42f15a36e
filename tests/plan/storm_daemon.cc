// See storm_daemon.h.
#include "tests/plan/storm_daemon.h"

#include <algorithm>
#include <charconv>

#include "engine/intake/uevent.h"
#include "engine/run/record_text.h"
#include "engine/run/saved_state.h"

namespace devmux::test {

using namespace std::chrono_literals;

namespace {

constexpr const char* kBootId = "00000000-0000-4000-8000-000000000000";
constexpr size_t kReaders = 4;

uint64_t number_in(Block block, std::string_view key) {
    std::string_view text = find_in(block, key).value_or("");
    uint64_t n = 0;
    std::from_chars(text.data(), text.data() + text.size(), n);
    return n;
}

}  // namespace

Daemon::Daemon(Machine& machine, std::shared_ptr<const Configuration> configuration)
    : machine_(machine), configuration_(std::move(configuration)), needs_(configuration_->needs),
      journal_(text_of({}, kBootId)) {}

void Daemon::start() {
    ++life_;
    machine_.daemon_begins();
    if (observer.said) observer.said("restart", machine_.now);
    for (Socket* socket : {&machine_.kernel, &machine_.udev}) *socket = {};
    machine_.kernel.open = machine_.shape.netlink;
    machine_.udev.open = machine_.shape.udevd != Machine::Udevd::Absent;
    StateReader reader(kBootId);
    reader.feed(journal_);
    engine_ = std::make_unique<Engine>(configuration_, "", machine_.now);
    Actions actions;
    SavedState saved = reader.finish().state;
    saved.carried = Truth::False;  // nobody looks at mounts here
    engine_->start(saved, machine_.now, actions);
    for (const PlanAction& action : actions) carry_out(action);
    presence_ = UdevPresence::Absent;
    look_at_udevd();
    walk();
    feed(DeadlineReached{});
}

void Daemon::crash(bool unmarked) {
    if (observer.said) observer.said(unmarked && !jobs_.empty() ? "crash " + jobs_[0].unit : "crash", machine_.now);
    if (unmarked && !jobs_.empty()) {
        Job job = jobs_[0];
        --counts[{job.unit, job.verb}];
        append_line(SavedMark{job.id, 0, {}}, journal_);
        if (job.verb == Verb::Run) {
            auto& runs = runs_of[job.unit];
            // Which one it was does not matter to what is asked of them.
            for (auto& run : runs) run.life = -1;
        }
        jobs_.erase(jobs_.begin());
    }
    engine_.reset();
    wanted_.clear();
    for (Socket* socket : {&machine_.kernel, &machine_.udev}) *socket = {};
    queue_ = ReadQueue(65536);
    readings_.clear();
    looks_.clear();
    pending_.clear();
    behind_.clear();
    walked_ = owed_ = walking_ = machine_.being_read = false;
    doubted_at_ = 0;
    complete_due_ = kNever;
}

void Daemon::wrong(const std::string& what) {
    if (fault.empty()) fault = what;
}

void Daemon::feed(const Event& event) {
    feed_one(event);
    while (!pending_.empty()) {
        Event next = std::move(pending_.front());
        pending_.erase(pending_.begin());
        feed_one(next);
    }
}

void Daemon::feed_one(const Event& event) {
    if (observer.fed) observer.fed(event, machine_.now);
    Actions actions;
    engine_->handle(event, machine_.now, actions);
    for (const PlanAction& action : actions) carry_out(action);
    check_decisions();
}

// What is decided, not what is then done: a start that was to be followed by a stop is, whatever is known
// when it ends.
void Daemon::check_decisions() {
    if (observer.said) {
        std::map<std::string, uint64_t> now;
        engine_->world().table.each([&](const Device& d) { now[std::string(d.devpath())] = d.generation().inode; });
        for (const auto& [path, inode] : known_)
            if (!now.contains(path)) observer.said("# - " + path, machine_.now);
        for (const auto& [path, inode] : now)
            if (!known_.contains(path) || known_[path] != inode)
                observer.said("# + " + path + " " + std::to_string(inode), machine_.now);
        known_ = std::move(now);
    }
    bool dark = engine_->world().doubted || !engine_->world().coldplug;
    const auto& units = engine_->planner().units();
    auto look = [&](const std::string& unit, Wanted wrong_from, const char* what) {
        auto index = engine_->planner().find(unit);
        if (!index) return void(wanted_.erase(unit));
        Wanted now = units[*index].state.wanted;
        auto [it, fresh] = wanted_.try_emplace(unit, now);
        Wanted before = std::exchange(it->second, now);
        if (fresh || !dark || before == now) return;
        // What follows another unit is in no doubt about that.
        auto both = engine_->planner().find("both");
        if (unit == "chain" && both && units[*both].state.actual != Actual::Active) return;
        if (before == wrong_from) wrong(unit + what);
    };
    for (const std::string& unit : needs_presence) look(unit, Wanted::Up, " stopped on unknown");
    for (const std::string& unit : needs_absence) look(unit, Wanted::Down, " started on unknown");
}

void Daemon::carry_out(const PlanAction& action) {
    if (observer.decided) observer.decided(action, machine_.now);
    if (const auto* record = std::get_if<Record>(&action)) {
        append_line(*record, journal_);
    } else if (const auto* job = std::get_if<RunJob>(&action)) {
        run(*job);
    } else if (const auto* adopt = std::get_if<AdoptJob>(&action)) {
        if (std::ranges::none_of(jobs_, [&](const Job& j) { return j.id == adopt->job; }))
            pending_.emplace_back(JobEnded{.job = adopt->job});
    } else if (const auto* look = std::get_if<LookAgain>(&action)) {
        if (look->delay == Duration{}) queue_.look(look->devpath);
        else looks_.emplace(machine_.now + look->delay, look->devpath);
    } else if (const auto* attributes = std::get_if<ReadAttributes>(&action)) {
        read_attributes(attributes->devpath, attributes->subsystem);
    } else if (std::get_if<LookAtUdev>(&action)) {
        pending_.emplace_back(UdevSeen{presence_, machine_.udev_idle()});
    } else if (std::get_if<LookAtModules>(&action)) {
        pending_.emplace_back(ModulesSeen{});
    } else if (const auto* report = std::get_if<Report>(&action)) {
        if (report->text.find("this is a bug") != std::string::npos) wrong(report->unit + ": " + report->text);
    }
}

void Daemon::run(const RunJob& job) {
    const std::string& unit = job.unit->name;
    ++counts[{unit, job.verb}];
    append_line(SavedMark{job.job, 1, machine_.now}, journal_);
    if (job.verb == Verb::Run) {
        Run run{job.action, std::string(find_in(job.block, "DEVPATH").value_or("")), number_in(job.block, "GEN"),
                number_in(job.block, "SEQNUM"), life_, find_in(job.block, "SYNTH_UUID").has_value()};
        runs_of[unit].push_back(run);
    } else {
        for (const Job& other : jobs_)
            if (other.unit == unit) wrong("two jobs of " + unit);
        const Managed& m = engine_->planner().units()[*engine_->planner().find(unit)];
        if (job.verb == Verb::Start && m.is_left_to_boot()) wrong(unit + " started, and is left to the boot sequence");
        if (job.verb == Verb::Start && m.instance) ++starts_for[{m.unit->of, number_in(job.block, "GEN")}];
    }
    if (jobs_end_at_once) pending_.emplace_back(JobEnded{.job = job.job, .code = 0});
    else jobs_.push_back({job.job, unit, job.verb});
}

bool Daemon::end_job(bool well) {
    if (jobs_.empty()) return false;
    JobEnded end{.job = jobs_[0].id, .code = well ? 0 : 1};
    jobs_.erase(jobs_.begin());
    if (engine_) feed(end);
    return true;
}

void Daemon::reload(std::shared_ptr<const Configuration> configuration) {
    configuration_ = std::move(configuration);
    bool more = configuration_->needs->size() != needs_->size();
    needs_ = configuration_->needs;
    if (!engine_) return;
    wanted_.clear();
    feed(NewConfiguration{configuration_});
    if (more) walk();
}

void Daemon::look_at_udevd() {
    UdevPresence before = presence_;
    switch (machine_.udevd) {
        case Machine::Udevd::Absent: presence_ = UdevPresence::Absent; break;
        case Machine::Udevd::Down: presence_ = UdevPresence::Installed; break;
        case Machine::Udevd::Running: presence_ = UdevPresence::Running; break;
    }
    if (presence_ == UdevPresence::Running && before != presence_ && walked_) walk();
    feed(UdevSeen{presence_, machine_.udev_idle()});
}

bool Daemon::read_kernel() { return read(machine_.kernel, Transport::Kernel, InDoubt::Why::Overrun); }
bool Daemon::read_udev() { return read(machine_.udev, Transport::Udev, InDoubt::Why::Udev); }

bool Daemon::read(Socket& socket, Transport via, InDoubt::Why loss) {
    if (!engine_ || !socket.open) return false;
    if (std::exchange(socket.overran, false)) {
        doubt(loss);
        return true;
    }
    if (socket.queue.empty()) {
        if (!behind_.contains(via)) return false;
        emptied(via);
        return true;
    }
    Message message = std::move(socket.queue.front());
    socket.queue.pop_front();
    // Who speaks for udev is up.
    if (via == Transport::Udev && presence_ != UdevPresence::Running && machine_.udevd == Machine::Udevd::Running)
        look_at_udevd();
    take(message, via);
    return true;
}

bool Daemon::read_helpers() {
    if (!engine_ || machine_.helpers.empty() || machine_.helpers.begin()->first > machine_.now) return false;
    Message message = std::move(machine_.helpers.begin()->second);
    machine_.helpers.erase(machine_.helpers.begin());
    take(message, Transport::Hotplug);
    return true;
}

void Daemon::take(const Message& message, Transport via) {
    std::string text = message.text();
    auto uevent = parse_uevent(text);
    if (!uevent) return wrong("malformed: " + uevent.error().what);
    Standing standing = standing_for(*uevent, via);
    // Sysfs was further: what is run for whom cannot be told by the event any more.
    if (standing.exists && standing.generation.inode != message.inode) {
        machine_.misread.insert(message.inode);
        machine_.misread.insert(standing.generation.inode);
    }
    const Device* known = engine_->world().table.find(message.devpath);
    if (known && known->generation().inode != message.inode) {
        machine_.misread.insert(message.inode);
        machine_.misread.insert(known->generation().inode);
    }
    feed(DeviceEvent{*uevent, standing, via});
    if (uevent->action == Action::Remove) return;
    if (standing.orphan) queue_.look(message.devpath);
    else read_attributes(message.devpath, message.subsystem);
}

Standing Daemon::standing_for(const Uevent& uevent, Transport via) {
    Standing standing;
    if (uevent.action == Action::Remove && !uevent.synthetic) return standing;
    bool known = engine_->knows(uevent.devpath);
    bool in_order = via != Transport::Hotplug;
    if (uevent.action != Action::Remove && (uevent.synthetic || (known && uevent.action != Action::Add && in_order)))
        return standing;
    std::string devpath(uevent.devpath);
    auto it = machine_.sysfs.find(devpath);
    standing.exists = standing.device = it != machine_.sysfs.end();
    if (standing.exists) standing.generation = {.inode = it->second.inode};
    standing.generation.ifindex = number_in(uevent.block, "IFINDEX");
    if (uevent.action == Action::Remove || !walked_ || known) return standing;
    for (size_t slash = devpath.rfind('/'); slash != 0; slash = devpath.rfind('/', slash - 1)) {
        std::string above = devpath.substr(0, slash);
        standing.orphan |= machine_.sysfs.contains(above) && !engine_->knows(above);
    }
    return standing;
}

std::vector<Attribute> Daemon::attributes_of(const Machine::Node& node) const {
    std::vector<Attribute> out;
    for (const std::string& name : needs_->for_subsystem(node.subsystem)) {
        auto it = node.files.find(name);
        bool there = it != node.files.end() && it->second.from <= machine_.now;
        out.push_back({name, there ? std::optional(it->second.text) : std::nullopt});
    }
    return out;
}

FoundDevice Daemon::read(const Machine::Node& node) const {
    if (node.busy) machine_.misread.insert(node.inode);  // seen before it is announced
    FoundDevice out;
    out.devpath = node.devpath;
    out.subsystem = node.subsystem;
    auto add = [&out](std::string_view key, std::string_view value) {
        out.block.append(key).append("=").append(value).push_back('\0');
    };
    add("DEVPATH", node.devpath);
    add("SUBSYSTEM", node.subsystem);
    for (const auto& [key, value] : node.variables) add(key, value);
    out.standing = {.exists = true, .device = true, .generation = {.inode = node.inode},
                    .attributes = attributes_of(node)};
    out.standing.generation.ifindex = number_in(out.block, "IFINDEX");
    out.udev = machine_.record_of(node);
    return out;
}

void Daemon::read_attributes(const std::string& devpath, const std::string& subsystem) {
    if (!needs_->for_subsystem(subsystem).empty() && engine_->knows(devpath)) queue_.attributes(devpath, subsystem);
}

void Daemon::walk() {
    walking_ = true;
    queue_.walk();
}

// A reader begins something, or goes on.
bool Daemon::read_sysfs() {
    if (!engine_) return false;
    if (readings_.size() < kReaders && queue_.ready() > 0 && (readings_.empty() || machine_.chance(50))) {
        auto request = queue_.begin();
        if (request->kind != ReadRequest::Kind::Attributes) machine_.reading_begins();
        readings_.push_back({std::move(*request), machine_.newest(), machine_.now, false, {}, {}, ""});
        return true;
    }
    if (readings_.empty()) return false;
    size_t i = static_cast<size_t>(machine_.pick(static_cast<int>(readings_.size())));
    if (read_on(readings_[i])) return true;
    Reading done = std::move(readings_[i]);
    readings_.erase(readings_.begin() + static_cast<std::ptrdiff_t>(i));
    queue_.end(done.request);
    machine_.being_read = std::ranges::any_of(
        readings_, [](const Reading& r) { return r.request.kind != ReadRequest::Kind::Attributes; });
    finish(std::move(done));
    return true;
}

// False when it has been read.
bool Daemon::read_on(Reading& r) {
    if (r.request.kind == ReadRequest::Kind::Walk) {
        for (int n = machine_.chance(50) ? 100 : 1 + machine_.pick(3); n > 0; --n) {
            auto it = machine_.sysfs.upper_bound(r.cursor);
            if (it == machine_.sysfs.end()) return std::exchange(r.seen, true) == false;
            r.snapshot.devices.push_back(read(it->second));
            r.cursor = it->first;
        }
        return true;
    }
    if (std::exchange(r.seen, true)) return false;
    const std::string& devpath = r.request.devpath;
    auto it = machine_.sysfs.find(devpath);
    if (r.request.kind == ReadRequest::Kind::Attributes) {
        if (it != machine_.sysfs.end())
            r.answer.emplace_back(AttributesRead{devpath, read(it->second).standing.generation, attributes_of(it->second)});
        return true;
    }
    for (size_t slash = devpath.find('/', 1); slash != std::string::npos; slash = devpath.find('/', slash + 1)) {
        auto above = machine_.sysfs.find(devpath.substr(0, slash));
        if (above != machine_.sysfs.end()) r.answer.emplace_back(LookedAt{above->first, read(above->second), r.seqnum});
    }
    LookedAt look{devpath, std::nullopt, r.seqnum};
    if (it != machine_.sysfs.end()) look.found = read(it->second);
    r.answer.emplace_back(std::move(look));
    return true;
}

void Daemon::finish(Reading r) {
    if (r.request.kind != ReadRequest::Kind::Walk) {
        for (size_t i = 0; i < r.answer.size(); ++i) {
            auto* look = std::get_if<LookedAt>(&r.answer[i]);
            if (look) look->took = machine_.now - r.began;
            bool ancestor = look && i + 1 < r.answer.size();
            if (!ancestor || !engine_->knows(look->devpath)) feed(r.answer[i]);
        }
        return;
    }
    walking_ = false;
    if (r.seqnum < doubted_at_) {
        walking_ = true;
        return;
    }
    r.snapshot.seqnum = r.seqnum;
    r.snapshot.took = machine_.now - r.began;
    feed(r.snapshot);
    walked_ = owed_ = true;
    behind_.clear();
    if (machine_.kernel.open) behind_.insert(Transport::Kernel);
    if (machine_.udev.open) behind_.insert(Transport::Udev);
    if (behind_.empty()) emptied(Transport::Hotplug);
}

void Daemon::emptied(Transport via) {
    behind_.erase(via);
    if (!behind_.empty() || !std::exchange(owed_, false)) return;
    feed(CaughtUp{});
    if (!engine_->world().coldplug && complete_due_ == kNever) complete_due_ = machine_.now + 100ms;
}

void Daemon::doubt(InDoubt::Why why) {
    doubted_at_ = machine_.newest();
    behind_.clear();
    owed_ = false;
    feed(InDoubt{why});
    machine_.lost_in_silence = false;
    walk();
}

bool Daemon::quiet() const {
    return readings_.empty() && queue_.ready() == 0 && looks_.empty() && !owed_ && !walking_ &&
           machine_.kernel.queue.empty() && machine_.udev.queue.empty() && complete_due_ == kNever;
}

void Daemon::advance(Duration by) {
    Time end = machine_.now + by;
    while (engine_) {
        Time due = std::min(engine_->next_deadline(), complete_due_);
        if (!looks_.empty()) due = std::min(due, looks_.begin()->first);
        if (due > end) break;
        machine_.now = std::max(machine_.now, due);
        while (!looks_.empty() && looks_.begin()->first <= machine_.now) {
            queue_.look(looks_.begin()->second);
            looks_.erase(looks_.begin());
        }
        if (complete_due_ <= machine_.now) {
            complete_due_ = kNever;
            if (!owed_ && !walking_) feed(ColdplugComplete{});
        }
        feed(DeadlineReached{});
        if (engine_->next_deadline() <= machine_.now) {
            // What is asked for at once must be able to come.
            if (!read_sysfs()) return wrong("a deadline that does not pass");
        }
    }
    machine_.now = end;
}

}  // namespace devmux::test
