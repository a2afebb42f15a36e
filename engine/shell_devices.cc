// What the machine says: the kernel's socket, sysfs, and when the first picture of it is complete.
#include "conditions/text.h"
#include "engine/intake/coldplug.h"
#include "engine/intake/uevent.h"
#include "engine/memory.h"
#include "engine/shell.h"

#include <bit>
#include <charconv>
#include <fstream>

namespace devmux {
namespace {

// Messages of one turn of the loop: then jobs that ended are looked at before more are begun.
constexpr int kMessagesPerTurn = 64;
// Before sysfs is walked again: after a walk that failed, or an event that made no sense.
constexpr Duration kMoment = std::chrono::seconds(1);
// How long to wait for numbers that were given out before the walk ended and did not come.
constexpr Duration kStragglers = std::chrono::milliseconds(100);
// Numbers that are looked for one by one; a longer gap is somebody else's for certain.
constexpr uint64_t kNumbersLookedFor = 65536;

// Of a message that may repeat without end: the 1st, 2nd, 4th, 8th … are told.
bool worth_telling(uint64_t count) { return std::has_single_bit(count); }

uint64_t number_in(const std::string& path) {
    std::ifstream file(path);
    uint64_t number = 0;
    file >> number;
    return number;
}

}  // namespace

void Shell::on_netlink() {
    Received received;
    for (int i = 0; i < kMessagesPerTurn; ++i) {
        if (netlink_->next(received)) {
            switch (received.kind) {
                case Received::Kind::Message: take_message(received.message); continue;
                case Received::Kind::Overrun: overrun_ = true; continue;
                case Received::Kind::Truncated:
                    overrun_ = true;
                    report(Report::Level::Warning, "", received.why);
                    continue;
                case Received::Kind::Refused:
                    if (worth_telling(++refused_))
                        report(Report::Level::Warning, "", "an event that is not the kernel's was refused: " +
                                   received.why + " (" + std::to_string(refused_) + " so far)");
                    continue;
                case Received::Kind::Failed:
                case Received::Kind::Empty: break;
            }
        }
        if (received.kind == Received::Kind::Failed) {
            report(Report::Level::Error, "", "the kernel's socket failed: " + received.why +
                                                 "; devices are no longer seen: restart devmuxd");
            loop_.forget(netlink_->fd());
            return;
        }
        // Read empty.
        if (std::exchange(overrun_, false)) {
            feed(EventsLost{});
            walk();
            continue;
        }
        if (behind_) caught_up();
        if (walked_ && !engine_->world().coldplug && complete_due_ == kNever) {
            if (numbers_are_in()) complete_coldplug();
            else complete_due_ = Loop::now() + kStragglers;
        }
        return;
    }
    loop_.once_more([this] {
        on_netlink();
        turn_ended();
    });
}

void Shell::take_message(std::string_view bytes) {
    auto uevent = parse_uevent(bytes);
    if (!uevent) {
        if (worth_telling(++malformed_))
            report(Report::Level::Warning, "", "an event of the kernel's makes no sense: " +
                       uevent.error().to_string() + " (" + std::to_string(malformed_) + " so far)");
        // Whatever it meant is lost; sysfs knows. Once a second is enough.
        resync_due_ = std::min(resync_due_, Loop::now() + kMoment);
        return;
    }
    if (!uevent->synthetic && uevent->action == Action::Add && !engine_->knows(uevent->devpath))
        feed_ancestors(uevent->devpath);
    feed(DeviceEvent{*uevent, standing_for(*uevent)});
}

// What has to be looked up for this event: the identity of what is new, and the attributes that some
// unit or class asks for. For most events that is nothing, and costs nothing.
Standing Shell::standing_for(const Uevent& uevent) const {
    auto names = needs_->for_subsystem(uevent.subsystem);
    bool remove = uevent.action == Action::Remove;
    bool identity = uevent.action == Action::Add && !uevent.synthetic;
    if (remove && uevent.synthetic) return sysfs_.standing(uevent.devpath, {}, uevent.block);
    if (remove || (!identity && names.empty())) return {};
    return sysfs_.standing(uevent.devpath, names, uevent.block);
}

void Shell::feed_ancestors(std::string_view devpath) {
    auto known = [this](std::string_view path) { return engine_->knows(path); };
    for (FoundDevice& found : unknown_ancestors(sysfs_, *needs_, devpath, known)) {
        std::string path = found.devpath;
        feed(LookedAt{std::move(path), std::move(found)});
    }
}

void Shell::look(const std::string& devpath) {
    auto found = sysfs_.read(devpath, *needs_);
    if (found) feed_ancestors(devpath);
    feed(LookedAt{devpath, std::move(found)});
}

void Shell::walk() {
    auto snapshot = walk_sysfs(sysfs_, *needs_);
    if (!snapshot) {
        report(snapshot.error(), Report::Level::Error);
        resync_due_ = std::min(resync_due_, Loop::now() + kMoment);
        return;
    }
    walk_began_ = snapshot->seqnum;
    walk_ended_ = number_in(config_.sysfs + "/kernel/uevent_seqnum");
    feed(*snapshot);
    walked_ = behind_ = true;
    if (!netlink_) caught_up();
}

void Shell::caught_up() {
    behind_ = false;
    feed(CaughtUp{});
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
    if (!walked_) return;
    feed(ColdplugComplete{});
    report(Report::Level::Info, "", "coldplug is complete: " + std::to_string(engine_->world().table.size()) +
                                        " devices");
    give_back_memory();
}

}  // namespace devmux
