// See device_table.h. What is newer is decided in device_order.cc; classification and kinship are in
// device_kin.cc; what is known of a device beyond its presence, and how surely, in device_known.cc.
#include "engine/model/device_table.h"

#include <algorithm>

#include "conditions/text.h"

namespace devmux {

DeviceTable::DeviceTable(std::shared_ptr<const ClassSet> classes)
    : classes_(std::move(classes)), members_(classes_->classes().size()) {}

Effect DeviceTable::apply(const DeviceEvent& event, Time now, Changes& changes) {
    removed_.clear();
    const Uevent& u = event.uevent;
    // Modules, drivers, buses: no devices.
    if (!u.devpath.starts_with("/devices/")) return Effect::Ignored;
    Device* device = known(u.devpath);
    if (u.synthetic) return apply_synthetic(device, event, now, changes);
    if (u.seqnum == 0) return Effect::Look;  // no order without a number
    if (Effect stale = is_stale(u, device); stale != Effect::Taken) {
        // Who went on from there is known; that he was under the old path before may yet be told.
        if (u.action == Action::Move && !known(u.devpath_old)) bury(std::string(u.devpath_old), u.seqnum);
        bool behind = stale == Effect::Behind && u.action != Action::Remove;
        if (behind && device->succeeds_ && u.action != Action::Add) return Effect::Late;
        if (behind) apply_behind(*device, event, now, changes);
        return stale;
    }
    if (u.action == Action::Remove) {
        if (!device) return bury(std::string(u.devpath), u.seqnum), announced_end(u.devpath, 0, now), Effect::Ignored;
        remove(*device, u.seqnum, now, changes);
        // A helper may be late, and speak of who had the path before.
        if (event.via == Transport::Hotplug) announced_end(u.devpath, 0, now);
        settle_lenient(now, changes);
        return Effect::Taken;
    }
    if (u.action == Action::Move) return apply_move(device, event, now, changes);
    // The kernel's own word on who a walk has found comes before any on another that has the path since.
    bool own = device && device->walked_ && event.via == Transport::Kernel;
    if (device && !own && differs(device->generation_, event.standing.generation)) {
        // Its removal was lost, or is late: the path stands for another now.
        give_way(*device, u.seqnum, now, changes);
        device = nullptr;
    }
    if (!device) device = follow_early(event, now, changes);
    if (!device) {
        // A network interface announces its queues as well, which are directories and no devices.
        if (event.standing.bare || (event.standing.exists && !event.standing.device)) return Effect::Ignored;
        // Some devices are announced by `change` alone (power supplies). What is not there any more was
        // not announced: only sysfs can say what became of it. Nor is it where events come in any order:
        // the one that ended it may have come already, under a name that it had later.
        bool trusted = u.action == Action::Add && event.via != Transport::Hotplug;
        if (!trusted && !event.standing.exists) return Effect::Look;
        if (!event.standing.exists && has_gone_on(event)) return Effect::Late;
        device = &arrive(event, now, changes);
    } else {
        // A walk found it before its announcement was read: what udev remembers may be of another
        // device that had its number.
        if (std::exchange(device->walked_, false) && u.action == Action::Add) {
            set_ready(*device, true);
            set_ready(*device, !awaits_udev_);
            device->born_ = u.seqnum;
        }
        bool comes = u.action == Action::Add || u.action == Action::Bind;
        bool expects = comes && expect_attributes(*device, now);
        update(*device, news_of(*device, u), event.standing, expects, now, changes);
    }
    device->seqnum_ = device->event_seqnum_ = u.seqnum;
    device->succeeds_ = false;
    if (event.level() == Level::Ready) processed(*device, u, now, changes);
    return Effect::Taken;
}

// It happened, and in this order; what it did to the device is known already.
void DeviceTable::apply_behind(Device& device, const DeviceEvent& event, Time now, Changes& changes) {
    const Uevent& u = event.uevent;
    device.event_seqnum_ = u.seqnum;
    device.succeeds_ = false;
    if (event.level() == Level::Ready) take_word(device, u, now, changes);
    if (u.action != Action::Move) return;
    take_along(u, now, changes);
    if (Device* old = known(u.devpath_old); old && old->seqnum_ < u.seqnum) remove(*old, 0, now, changes);
}

// "Look again": it makes no device, ends none, and gives none a new number.
Effect DeviceTable::apply_synthetic(Device* device, const DeviceEvent& event, Time now, Changes& changes) {
    const Uevent& u = event.uevent;
    if (!device || u.action == Action::Remove) {
        bool stands = u.action == Action::Remove && event.standing.exists;
        return stands ? Effect::Ignored : Effect::Look;
    }
    update(*device, news_of(*device, u), event.standing, false, now, changes);
    if (event.level() == Level::Ready) processed(*device, u, now, changes);
    return Effect::Taken;
}

Effect DeviceTable::apply_move(Device* device, const DeviceEvent& event, Time now, Changes& changes) {
    const Uevent& u = event.uevent;
    Device* old = known(u.devpath_old);
    // An earlier move to there, if it comes yet, leads to nobody.
    if (!old) bury(std::string(u.devpath_old), u.seqnum), take_along(u, now, changes);
    if (!old && !device && event.standing.device) {
        device = &arrive(event, now, changes);
    } else if (!old && device) {
        update(*device, news_of(*device, u), event.standing, false, now, changes);
    } else if (!old || old->seqnum_ > u.seqnum) {
        return Effect::Look;  // or something newer stands under the old path
    } else {
        clear_below(u.devpath, *old, now, changes);
        move(*old, u.devpath, u.seqnum, now, changes);
        update(*old, news_of(*old, u), event.standing, false, now, changes);
        device = old;
    }
    device->seqnum_ = device->event_seqnum_ = u.seqnum;
    if (event.level() == Level::Ready) processed(*device, u, now, changes);
    return Effect::Taken;
}

Device& DeviceTable::arrive(const DeviceEvent& event, Time now, Changes& changes) {
    const Uevent& u = event.uevent;
    Device& device = insert(u.devpath, u.subsystem, now);
    std::string none;
    set_kernel_block(device, u.block, none);
    set_attributes(device, event.standing.attributes, false);
    set_generation(device, event.standing.generation);
    device.born_ = device.here_ = u.seqnum;
    // The kernel's own word comes in order: what became of it is said next.
    device.in_doubt_ = event.standing.orphan || (!event.standing.exists && event.via == Transport::Udev);
    set_ready(device, !awaits_udev_ || (event.level() == Level::Ready && is_done(u.block)));
    announce(device, now, changes);
    return device;
}

void DeviceTable::apply(const LookedAt& look, Time now, Changes& changes) {
    removed_.clear();
    reread_.clear();
    Device* device = known(look.devpath);
    if (look.found) {
        if (!device && follow_move(*look.found, look.seqnum, now, changes)) device = known(look.devpath);
        if (device || !ended_since(*look.found, look.seqnum, now - look.took)) add(*look.found, look.seqnum, true, false, now, changes);
    } else if (device && (look.seqnum == 0 || device->event_seqnum_ <= look.seqnum)) {
        remove_tree(*device, look.seqnum, now, changes);
    }
    settle_lenient(now, changes);
}

// Who was removed, or moved away, after a look at sysfs began is not brought back by it. Nor is who was
// removed before: the directory goes a moment after the kernel has said so.
bool DeviceTable::went_since(std::string_view devpath, uint64_t seqnum) const {
    auto grave = tombstones_.find(devpath);
    return seqnum != 0 && grave != tombstones_.end() && grave->second.seqnum > seqnum;
}

void DeviceTable::apply(const Snapshot& snapshot, Time now, Changes& changes) {
    removed_.clear();
    reread_.clear();
    There there;
    for (const FoundDevice& found : snapshot.devices) there.emplace(found.devpath, &found);
    follow_moves(snapshot, there, now, changes);
    std::set<Device*, ByPath> gone;
    for (auto& [devpath, device] : devices_) {
        auto it = there.find(devpath);
        if (is_another(*device, it == there.end() ? nullptr : it->second, snapshot.seqnum)) gone.insert(device.get());
    }
    std::set<std::string> taken_over;
    for (auto it = gone.rbegin(); it != gone.rend(); ++it) {
        if (there.contains((*it)->devpath_)) taken_over.insert((*it)->devpath_), make_way(**it, snapshot.seqnum);
        remove(**it, 0, now, changes);
    }
    walked_upto_ = std::max(walked_upto_, snapshot.seqnum);
    for (const FoundDevice& found : snapshot.devices) {
        if (known(found.devpath) || !ended_since(found, snapshot.seqnum, now - snapshot.took))
            add(found, snapshot.seqnum, false, taken_over.contains(found.devpath), now, changes);
    }
    if (std::exchange(all_in_doubt_, false))
        for (auto& [devpath, device] : devices_) device->in_doubt_ = false;
    settle_lenient(now, changes);
}

void DeviceTable::add(const FoundDevice& found, uint64_t seqnum, bool looked, bool succeeds, Time now, Changes& changes) {
    Device* device = known(found.devpath);
    bool newer = device && seqnum != 0 && device->event_seqnum_ > seqnum;  // an event knows better
    bool replaced = device && (seqnum == 0 || device->here_ <= seqnum);
    if (replaced && differs(device->generation_, found.standing.generation)) {
        succeeds = true;
        make_way(*device, seqnum);
        give_way(*device, seqnum, now, changes);
        device = nullptr;
    }
    if (device) {
        if (newer) return;
        // Attributes are read all the time, and a walk takes its time: what it found may be the older. A look is
        // one of those reads, in their order.
        Standing standing = found.standing;
        bool doubtful = !looked && !same_attributes(*device, standing.attributes);
        if (doubtful) {
            standing.attributes.clear();
            reread_.push_back(device);
        }
        bool differently = std::exchange(device->rereading_, doubtful) != doubtful;
        update(*device, found.block, standing, differently, now, changes);
        if (found.udev) take_record(*device, *found.udev, now, changes);
    } else {
        std::string none;
        device = &insert(found.devpath, found.subsystem, now);
        set_kernel_block(*device, found.block, none);
        if (device->driver_.empty()) device->driver_ = found.standing.driver;
        set_attributes(*device, found.standing.attributes, false);
        set_generation(*device, found.standing.generation);
        device->walked_ = true;
        device->here_ = seqnum;
        device->succeeds_ = succeeds;
        device->in_doubt_ = succeeds && std::ranges::find(dying_, found.devpath) != dying_.end();
        if (found.udev) set_udev_block(*device, *found.udev, none);
        set_ready(*device, !awaits_udev_ || (found.udev && is_done(*found.udev)));
        announce(*device, now, changes);
    }
    device->seqnum_ = std::max(device->seqnum_, seqnum);
}

void DeviceTable::announce(Device& device, Time now, Changes& changes) {
    classify(device);
    changes.push_back({DeviceChange::Kind::Added, &device, "", {}, ""});
    // Devices that came before this ancestor of theirs may be of other classes now.
    classify_below(device, now, changes);
}

// Something that may decide a condition is not as it was.
void DeviceTable::changed(Device& device, std::string old_block, Time now, Changes& changes) {
    changes.push_back({DeviceChange::Kind::Changed, &device, std::move(old_block), device.classes_, ""});
    device.since_ = now;
    reclassify(device);
    classify_below(device, now, changes);
}

void DeviceTable::update(Device& device, Block block, const Standing& standing, bool differently, Time now,
                         Changes& changes) {
    std::string old;
    bool new_block = set_kernel_block(device, block, old);
    differently |= new_block;
    differently |= set_attributes(device, standing.attributes, false);
    if (standing.generation.inode != 0 && device.generation_.inode == 0) set_generation(device, standing.generation);
    // After a general doubt everything is asked anew, once all is seen again.
    differently |= std::exchange(device.in_doubt_, standing.orphan) && !all_in_doubt_;
    if (!differently) return;
    changed(device, new_block ? std::move(old) : device.block_, now, changes);
}

void DeviceTable::remove(Device& device, uint64_t announced, Time now, Changes& changes) {
    changes.push_back({DeviceChange::Kind::Removed, &device, "", {}, ""});
    bury(device.devpath_, std::max(announced, device.seqnum_));
    if (announced != 0) announced_end(device.devpath_, device.generation_.inode, now);
    set_ready(device, true);  // it waits for nobody
    leave_classes(device);
    unlink(device);
    auto it = devices_.find(device.devpath_);
    removed_.push_back(std::move(it->second));
    devices_.erase(it);
}

// A directory goes with all that is below it. What an event or a look newer than `seqnum` brought there stays; 0:
// nothing does.
void DeviceTable::remove_tree(Device& device, uint64_t seqnum, Time now, Changes& changes) {
    std::vector<Device*> gone{&device};
    for (Device* d : below(device.devpath_))
        if (seqnum == 0 || d->seqnum_ <= seqnum) gone.push_back(d);
    for (auto it = gone.rbegin(); it != gone.rend(); ++it) {
        if (*it != &device) dying_.push_back((*it)->devpath_);  // or it is below another
        remove(**it, 0, now, changes);
    }
}

// Another has its path. Who stands below may stand below that one: nobody knows until it is looked at.
void DeviceTable::give_way(Device& device, uint64_t seqnum, Time now, Changes& changes) {
    for (Device* d : below(device.devpath_)) {
        if (d->seqnum_ > seqnum) continue;
        d->in_doubt_ = true;
        dying_.push_back(d->devpath_);
        changes.push_back({DeviceChange::Kind::Changed, d, d->block_, d->classes_, ""});
    }
    remove(device, 0, now, changes);
}

const Device* DeviceTable::find(std::string_view devpath) const {
    auto it = devices_.find(devpath);
    return it == devices_.end() ? nullptr : it->second.get();
}

Device* DeviceTable::known(std::string_view devpath) {
    auto it = devices_.find(devpath);
    return it == devices_.end() ? nullptr : it->second.get();
}

void DeviceTable::each(const std::function<void(const Device&)>& visit) const {
    std::set<const Device*, ByPath> sorted;
    for (const auto& [path, device] : devices_) sorted.insert(device.get());
    for (const Device* device : sorted) visit(*device);
}

void DeviceTable::each_of(ClassId id, std::string_view name, const Facts::Visitor& visit) const {
    auto of_name = by_name_.find(name);
    if (!name.empty() && of_name == by_name_.end()) return;
    for (const Device* device : name.empty() ? members_.at(id) : of_name->second)
        for (const auto& m : device->classes_)
            if (m.id == id && !visit(*device, m.unsure || device->in_doubt())) return;
}

bool DeviceTable::ByPath::operator()(const Device* a, const Device* b) const {
    return natural_less(a->devpath(), b->devpath());
}

}  // namespace devmux
