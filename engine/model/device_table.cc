// See device_table.h. Classification and the devices' kinship are in device_kin.cc.
#include "engine/model/device_table.h"

#include "conditions/text.h"

namespace devmux {
namespace {

constexpr size_t kTombstones = 8192;

// What belongs to one event, and is no property of the device.
bool of_event(std::string_view variable) {
    switch (variable.empty() ? '\0' : variable[0]) {
        case 'A': return variable.starts_with("ACTION=");
        case 'S': return variable.starts_with("SEQNUM=") || variable.starts_with("SYNTH_UUID=") ||
                         variable.starts_with("SYNTH_ARG_");
        case 'D': return variable.starts_with("DEVPATH_OLD=");
        default: return false;
    }
}

// The device's own variables, into `out`.
void strip(Block block, std::string& out) {
    out.clear();
    while (!block.empty()) {
        size_t end = std::min(block.find('\0'), block.size() - 1) + 1;
        if (!of_event(block)) out.append(block.substr(0, end));
        block.remove_prefix(end);
    }
}

}  // namespace

DeviceTable::DeviceTable(std::shared_ptr<const ClassSet> classes)
    : classes_(std::move(classes)), members_(classes_->classes().size()) {}

Effect DeviceTable::apply(const DeviceEvent& event, Time now, Changes& changes) {
    removed_.clear();
    const Uevent& u = event.uevent;
    // Modules, drivers, buses: no devices.
    if (!u.devpath.starts_with("/devices/")) return Effect::Ignored;
    Device* device = known(u.devpath);
    if (u.synthetic) {
        if (!device || u.action == Action::Remove) {
            bool stands = u.action == Action::Remove && event.standing.exists;
            return stands ? Effect::Ignored : Effect::Look;
        }
        update(*device, u.block, event.standing, now, changes);
        return Effect::Taken;
    }
    if (is_late(u.devpath, device, u.seqnum)) return Effect::Late;
    if (u.seqnum == 0) return Effect::Look;  // no order without a number
    if (u.action == Action::Remove) {
        if (!device) return bury(std::string(u.devpath), u.seqnum), Effect::Ignored;
        remove(*device, u.seqnum, changes);
        return Effect::Taken;
    }
    if (u.action == Action::Move) {
        Device* old = known(u.devpath_old);
        if (!old) return device ? Effect::Taken : Effect::Look;
        if (old->seqnum_ > u.seqnum) return Effect::Look;  // something newer stands under the old path
        clear_below(u.devpath, *old, changes);
        move(*old, u.devpath, now, changes);
        update(*old, u.block, event.standing, now, changes);
        old->seqnum_ = u.seqnum;
        return Effect::Taken;
    }
    if (!device && u.action != Action::Add) return Effect::Look;
    if (device && u.action == Action::Add && differs(device->generation_, event.standing.generation)) {
        remove(*device, 0, changes);  // its removal was lost: the path stands for another device now
        device = nullptr;
    }
    if (!device) {
        // A network interface announces its queues as well, which are directories and no devices.
        if (event.standing.exists && !event.standing.device) return Effect::Ignored;
        device = &insert(u.devpath, u.subsystem, now);
        strip(u.block, device->block_);
        device->driver_ = find_in(device->block_, "DRIVER").value_or("");
        device->attributes_ = event.standing.attributes;
        device->generation_ = event.standing.generation;
        device->seqnum_ = u.seqnum;
        announce(*device, now, changes);
        return Effect::Taken;
    }
    update(*device, u.block, event.standing, now, changes);
    device->seqnum_ = u.seqnum;
    return Effect::Taken;
}

void DeviceTable::apply(const LookedAt& look, Time now, Changes& changes) {
    removed_.clear();
    Device* device = known(look.devpath);
    if (look.found) add(*look.found, 0, now, changes);
    else if (device) remove(*device, 0, changes);
}

void DeviceTable::apply(const Snapshot& snapshot, Time now, Changes& changes) {
    removed_.clear();
    std::unordered_map<std::string_view, const FoundDevice*> there;
    for (const FoundDevice& found : snapshot.devices) there.emplace(found.devpath, &found);
    std::set<Device*, ByPath> gone;
    for (auto& [devpath, device] : devices_) {
        auto it = there.find(devpath);
        // What an event newer than the walk brought is not the walk's to end.
        if (it == there.end() ? device->seqnum_ <= snapshot.seqnum
                              : differs(device->generation_, it->second->standing.generation))
            gone.insert(device.get());
    }
    for (auto it = gone.rbegin(); it != gone.rend(); ++it) remove(**it, 0, changes);
    for (const FoundDevice& found : snapshot.devices) add(found, snapshot.seqnum, now, changes);
}

void DeviceTable::add(const FoundDevice& found, uint64_t seqnum, Time now, Changes& changes) {
    Device* device = known(found.devpath);
    if (device && differs(device->generation_, found.standing.generation)) {
        remove(*device, 0, changes);
        device = nullptr;
    }
    if (device) {
        // An event newer than this look knows better.
        if (seqnum == 0 || device->seqnum_ <= seqnum)
            update(*device, found.block, found.standing, now, changes);
    } else {
        device = &insert(found.devpath, found.subsystem, now);
        strip(found.block, device->block_);
        device->driver_ = find_in(device->block_, "DRIVER").value_or(found.standing.driver);
        device->attributes_ = found.standing.attributes;
        device->generation_ = found.standing.generation;
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

void DeviceTable::update(Device& device, Block block, const Standing& standing, Time now,
                         Changes& changes) {
    strip(block, scratch_);
    bool same_attributes = true;
    for (const Attribute& a : standing.attributes) {
        AttributeValue old = device.attribute(a.name);
        same_attributes &= a.text ? old.exists == Truth::True && old.text == *a.text
                                  : old.exists == Truth::False;
    }
    if (device.generation_.inode == 0) device.generation_ = standing.generation;
    if (scratch_ == device.block_ && same_attributes) return;
    DeviceChange change{DeviceChange::Kind::Changed, &device, "", device.classes_, ""};
    change.old_block = std::exchange(device.block_, scratch_);
    std::string driver(find_in(device.block_, "DRIVER").value_or(""));
    device.driver_ = std::move(driver);
    if (!standing.attributes.empty()) device.attributes_ = standing.attributes;
    device.since_ = now;
    reclassify(device);
    changes.push_back(std::move(change));
    classify_below(device, now, changes);
}

void DeviceTable::remove(Device& device, uint64_t seqnum, Changes& changes) {
    changes.push_back({DeviceChange::Kind::Removed, &device, "", {}, ""});
    bury(device.devpath_, std::max(seqnum, device.seqnum_));
    leave_classes(device);
    unlink(device);
    auto it = devices_.find(device.devpath_);
    removed_.push_back(std::move(it->second));
    devices_.erase(it);
}

bool DeviceTable::is_late(std::string_view devpath, const Device* device, uint64_t seqnum) const {
    if (seqnum == 0) return false;
    if (device) return seqnum <= device->seqnum_;
    auto it = tombstones_.find(devpath);
    return it != tombstones_.end() && seqnum <= it->second;
}

void DeviceTable::bury(const std::string& devpath, uint64_t seqnum) {
    if (seqnum == 0) return;
    auto [it, is_new] = tombstones_.try_emplace(devpath, seqnum);
    it->second = std::max(it->second, seqnum);
    if (!is_new) return;
    buried_.push_back(devpath);
    if (buried_.size() <= kTombstones) return;
    tombstones_.erase(buried_.front());
    buried_.pop_front();
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
            if (m.id == id && !visit(*device, m.unsure)) return;
}

bool DeviceTable::ByPath::operator()(const Device* a, const Device* b) const {
    return natural_less(a->devpath(), b->devpath());
}

}  // namespace devmux
