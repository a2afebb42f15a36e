// What is newer: numbers of events, of walks and of graves decide what an event, or a look at sysfs, may
// still change.
#include "engine/model/device_table.h"

namespace devmux {
namespace {

constexpr size_t kTombstones = 8192;

// So long at most a directory stands after its end was announced.
constexpr Duration kMoment = std::chrono::milliseconds(500);

}  // namespace

// Taken: it is news. A device's own numbers decide; of a path without a device, those of who had it.
Effect DeviceTable::is_stale(const Uevent& u, const Device* device) const {
    if (device) {
        if (u.seqnum > device->seqnum_) return Effect::Taken;
        return u.seqnum > device->event_seqnum_ && u.seqnum >= device->born_ ? Effect::Behind : Effect::Late;
    }
    auto it = tombstones_.find(u.devpath);
    if (it != tombstones_.end() && u.seqnum <= it->second.seqnum) return Effect::Late;
    // Of these times no single device is remembered: the walk did not find it, or found another.
    bool long_ago = u.seqnum <= forgotten_upto_ || u.seqnum <= walked_upto_;
    return long_ago && u.action != Action::Remove ? Effect::Look : Effect::Taken;
}

bool DeviceTable::ended_since(const FoundDevice& found, uint64_t seqnum, Time began) {
    if (went_since(found.devpath, seqnum)) return true;
    auto grave = tombstones_.find(found.devpath);
    if (grave == tombstones_.end() || began >= grave->second.at + kMoment) return false;
    // Where events were lost it may have been the end of somebody who was never known: who stands there is
    // taken for what it seems to be, and looked at again.
    dying_.push_back(found.devpath);
    uint64_t inode = found.standing.generation.inode;
    return inode != 0 && inode == grave->second.inode;
}

// What was said of this path since it came there may have been of its successor; and what was said after the walk
// that found that one, is of it, and newer than what the walk found.
void DeviceTable::make_way(Device& device, uint64_t seqnum) {
    if (device.event_seqnum_ > seqnum) dying_.push_back(device.devpath_);
    device.seqnum_ = std::min(device.seqnum_, device.here_);
}

// Whether a walk found nothing, or another device, where this one is known. What an event newer than the
// walk brought is not the walk's to end.
bool DeviceTable::is_another(const Device& device, const FoundDevice* found, uint64_t seqnum) {
    if (!found) return device.seqnum_ <= seqnum;
    // An event since then may have been of the other one already.
    return differs(device.generation_, found->standing.generation) && device.here_ <= seqnum;
}

// What an event says of its device's variables; of one that comes late, what is known already.
Block DeviceTable::news_of(Device& device, const Uevent& u) {
    if (u.seqnum != 0 && u.seqnum < std::max(device.told_, u.synthetic ? device.seqnum_ : 0)) return device.kernel_block();
    device.told_ = std::max(device.told_, u.seqnum);
    return u.block;
}

// `inode`: of whom, where that is known.
void DeviceTable::announced_end(std::string_view devpath, uint64_t inode, Time now) {
    auto grave = tombstones_.find(devpath);
    if (grave == tombstones_.end()) return;  // forgotten at once
    grave->second.inode = inode;
    grave->second.at = now;
}

void DeviceTable::bury(const std::string& devpath, uint64_t seqnum) {
    if (seqnum == 0) return;
    auto [it, is_new] = tombstones_.try_emplace(devpath);
    it->second.seqnum = std::max(it->second.seqnum, seqnum);
    if (!is_new) return;
    buried_.push_back(devpath);
    if (buried_.size() <= kTombstones) return;
    auto oldest = tombstones_.find(buried_.front());
    forgotten_upto_ = std::max(forgotten_upto_, oldest->second.seqnum);
    tombstones_.erase(oldest);
    buried_.pop_front();
}

}  // namespace devmux
