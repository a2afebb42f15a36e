// What the machine says: events taken in, sysfs read beside the loop, and when the first picture of it
// is complete.
#include "conditions/text.h"
#include "engine/intake/coldplug.h"
#include "engine/intake/uevent.h"
#include "engine/memory.h"
#include "engine/shell.h"

namespace devmux {
namespace {

// Before sysfs is walked again: after a walk that failed, or an event that made no sense.
constexpr Duration kMoment = std::chrono::seconds(1);
// … and after walks that go on failing: twice as long each time, and so long at most.
constexpr Duration kLongestPause = std::chrono::minutes(1);
// How long to wait for numbers that were given out before the walk ended and did not come.
constexpr Duration kStragglers = std::chrono::milliseconds(100);
// Numbers that are looked for one by one; a longer gap is somebody else's for certain.
constexpr uint64_t kNumbersLookedFor = 65536;

}  // namespace

void Shell::take_message(std::string_view bytes, Transport via) {
    auto uevent = parse_uevent(bytes);
    if (!uevent) {
        if (worth_telling(++malformed_))
            report(Report::Level::Warning, "", "an event of the source " + std::string(to_string(via)) +
                       " makes no sense: " + uevent.error().to_string() + " (" + std::to_string(malformed_) +
                       " so far)");
        // Whatever the kernel meant is lost; sysfs knows. Once a second is enough.
        if (via != Transport::Kernel) return;
        resync_due_ = std::min(resync_due_, Loop::now() + kMoment);
        resync_why_ = InDoubt::Why::Malformed;
        return;
    }
    // Who speaks for udev is up.
    if (via == Transport::Udev && udev_ != UdevPresence::Running) feed(look_at_udev());
    if (via != Transport::Kernel && is_from_the_future(uevent->seqnum)) uevent->seqnum = 0;
    if (links_ && uevent->subsystem == "net") read_links_first();
    Standing standing = standing_for(*uevent, via);
    feed(DeviceEvent{*uevent, standing, via});
    if (uevent->action == Action::Remove) return;
    if (standing.orphan) reader_->look(std::string(uevent->devpath));
    else read_attributes(uevent->devpath, uevent->subsystem);
}

// Whoever gives himself a number that the kernel has not given out would make all that comes look old.
bool Shell::is_from_the_future(uint64_t seqnum) const {
    if (engine_->has_taken(seqnum)) return false;
    uint64_t newest = newest_event(sysfs_);
    return newest != 0 && seqnum > newest;
}

// What has to be looked up for this event: the identity of what is new. By asking the directory alone,
// which no driver can delay. Helpers speak of it in any order, so who has the path now must be asked always.
Standing Shell::standing_for(const Uevent& uevent, Transport via) const {
    if (uevent.action == Action::Remove)
        return uevent.synthetic ? sysfs_.standing(uevent.devpath, uevent.block) : Standing{};
    bool known = engine_->knows(uevent.devpath);
    bool in_order = via != Transport::Hotplug;
    if (uevent.synthetic || (known && uevent.action != Action::Add && in_order)) return {};
    Standing standing = sysfs_.standing(uevent.devpath, uevent.block);
    if (!standing.exists) standing.bare = !sysfs_.is_subsystem(uevent.subsystem);
    if (walked_ && !known)
        standing.orphan = has_unknown_ancestor(sysfs_, uevent.devpath,
                                               [this](std::string_view path) { return engine_->knows(path); });
    return standing;
}

// Those that some unit or class asks for. For most events that is nothing, and costs nothing.
void Shell::read_attributes(std::string_view devpath, std::string_view subsystem) {
    if (!needs_->for_subsystem(subsystem).empty() && engine_->knows(devpath))
        reader_->read_attributes(std::string(devpath), subsystem);
}

void Shell::on_answers() {
    for (ReadAnswer& answer : reader_->take())
        std::visit([this](auto& a) { take(a); }, answer);
}

void Shell::take(AttributesRead& read) { feed(read); }

void Shell::take(DeviceLooked& looked) {
    looked.look.took = Loop::now() - looked.began;
    for (FoundDevice& found : looked.ancestors) {
        if (engine_->knows(found.devpath)) continue;
        std::string devpath = found.devpath;
        feed(LookedAt{std::move(devpath), std::move(found), looked.look.seqnum, looked.look.took});
    }
    feed(looked.look);
}

void Shell::take(const ReadStuck& stuck) {
    report(stuck.over ? Report::Level::Info : Report::Level::Warning, "",
           stuck.what + (stuck.over ? " (it has come back)" : ""));
}

void Shell::walk() {
    if (!config_.sources.coldplug) return;
    walking_ = true;
    reader_->walk();
}

void Shell::take(Walked& walked) {
    walking_ = false;
    if (!walked.snapshot) {
        if (worth_telling(++failed_walks_))
            report(walked.snapshot.error(), Report::Level::Error);
        Duration pause = std::min<Duration>(kMoment * (1 << std::min<uint64_t>(failed_walks_ - 1, 6)), kLongestPause);
        resync_due_ = std::min(resync_due_, Loop::now() + pause);
        return;
    }
    failed_walks_ = 0;
    Snapshot& snapshot = *walked.snapshot;
    snapshot.took = Loop::now() - walked.began;
    // It began before events were lost: another one follows.
    if (snapshot.seqnum < doubted_at_) {
        walking_ = true;
        return;
    }
    walk_began_ = snapshot.seqnum;
    walk_ended_ = walked.ended_at;
    feed(snapshot);
    walked_ = true;
    owed_ = true;
    for (Transport via : {Transport::Kernel, Transport::Udev, Transport::Hotplug})
        if (is_open(via)) behind_.insert(via);
    read_all();
    if (behind_.empty()) caught_up();
}

// The events that waited behind a walk are in: now the picture is one that was.
void Shell::caught_up() {
    if (!std::exchange(owed_, false)) return;
    feed(CaughtUp{});
    may_be_complete();
}

void Shell::may_be_complete() {
    if (!walked_ || owed_ || walking_ || engine_->world().coldplug || complete_due_ != kNever) return;
    if (!netlink_ || numbers_are_in()) complete_coldplug();
    else complete_due_ = Loop::now() + kStragglers;
}

void Shell::doubt(InDoubt::Why why) {
    doubted_at_ = newest_event(sysfs_);
    behind_.clear();
    owed_ = false;
    feed(InDoubt{why});
    if (!config_.sources.coldplug)
        report(Report::Level::Error, "", "sysfs is not looked at, for the source coldplug is off: what became of devices "
                                         "is unknown until \"devmux source coldplug on\"");
    walk();
}

// Every number that was given out while we walked has reached us. Those that do not come were for
// other network namespaces; since 6.11 they may also come out of order.
bool Shell::numbers_are_in() const {
    if (walk_ended_ - walk_began_ > kNumbersLookedFor) return false;
    for (uint64_t n = walk_began_ + 1; n <= walk_ended_; ++n)
        if (!engine_->has_taken(n)) return false;
    return true;
}

void Shell::complete_coldplug() {
    complete_due_ = kNever;
    if (owed_ || walking_) return;
    feed(ColdplugComplete{});
    report(Report::Level::Info, "", "coldplug is complete: " + std::to_string(engine_->world().table.size()) +
                                        " devices");
    give_back_memory();
}

// Asked at the start, when its control socket comes or goes, when somebody speaks for it, and when
// devices wait for too long.
UdevSeen Shell::look_at_udev() {
    UdevSeen seen;
    if (config_.sources.udev)
        seen = devmux::look_at_udev({config_.root, config_.udev_run, config_.proc + "/net/unix"});
    *ask_records_ = seen.presence != UdevPresence::Absent;
    UdevPresence before = std::exchange(udev_, seen.presence);
    if (seen.presence == UdevPresence::Installed && before != seen.presence)
        report(Report::Level::Info, "", "udevd is installed and does not run: devices wait for it for 30 s");
    if (seen.presence == UdevPresence::Running && before != seen.presence) {
        if (!monitor_ || !monitor_->hears()) open_monitor();
        // What it has processed before we heard it is in its database.
        if (walked_) walk();
    }
    // Its socket is there before it listens.
    udev_due_ = seen.presence == UdevPresence::Installed && Loop::now() < started_ + std::chrono::minutes(2)
                    ? Loop::now() + kMoment : kNever;
    return seen;
}

}  // namespace devmux
