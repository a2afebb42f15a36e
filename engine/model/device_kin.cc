// The parts of the device table that follow kinship: parents, children, moves, and the classes that
// look at an ancestor (a graphics card is a `display` once the PCI device above it has a driver).
#include <algorithm>

#include "engine/model/device_table.h"

namespace devmux {

Device& DeviceTable::insert(std::string_view devpath, std::string_view subsystem, Time now) {
    auto device = std::make_unique<Device>();
    device->set_devpath(std::string(devpath));
    device->subsystem_ = subsystem;
    device->since_ = device->came_ = device->expected_ = now;
    // What came before the end of who had this path is not about this one.
    if (auto grave = tombstones_.find(devpath); grave != tombstones_.end()) device->born_ = grave->second.seqnum + 1;
    Device& ref = *device;
    by_name_[ref.name_].insert(&ref);
    devices_.emplace(std::string(devpath), std::move(device));
    link(ref);
    return ref;
}

// The nearest ancestor that is known becomes the parent; devices that came before their parent are
// taken over from the ancestor that stood in for it.
void DeviceTable::link(Device& device) {
    std::string_view path = device.devpath_;
    for (size_t slash = path.rfind('/'); slash != std::string_view::npos && slash > 0;
         slash = path.rfind('/')) {
        path = path.substr(0, slash);
        if (Device* parent = known(path)) {
            device.parent_ = parent;
            break;
        }
    }
    by_path_.insert(&device);
    for (Device* other : below(device.devpath_)) {
        if (other->parent_ != device.parent_) continue;
        if (other->parent_) std::erase(other->parent_->children_, other);
        other->parent_ = &device;
        device.children_.push_back(other);
    }
    if (device.parent_) device.parent_->children_.push_back(&device);
}

void DeviceTable::unlink(Device& device) {
    by_path_.erase(&device);
    forget_name(device);
    forget_generation(device);
    for (Device* child : device.children_) {
        child->parent_ = device.parent_;
        if (device.parent_) device.parent_->children_.push_back(child);
    }
    if (device.parent_) std::erase(device.parent_->children_, &device);
    device.children_.clear();
    // `parent_` stays: the script that stops on the removal is told of the last known kin. It is
    // looked at only while the change is handled, and parents are removed after their children.
}

// All that stands below a path is one run; "/a-b" is before it, between "/a" and "/a/".
std::vector<Device*> DeviceTable::below(std::string_view devpath) const {
    std::string path = std::string(devpath) + "/";
    std::vector<Device*> there;
    for (auto it = by_path_.lower_bound(std::string_view(path)); it != by_path_.end() && (*it)->devpath_.starts_with(path); ++it)
        there.push_back(*it);
    return there;
}

// Whatever is known at and below a path that something is about to move to: its removal was lost.
// Parents first. What is below `except`, which moves, stays.
std::vector<Device*> DeviceTable::in_the_way(std::string_view devpath, const Device& except) const {
    std::vector<Device*> there = below(devpath);
    if (auto at = by_path_.find(devpath); at != by_path_.end()) there.insert(there.begin(), *at);
    std::string own = except.devpath_ + "/";
    std::erase_if(there, [&](const Device* d) { return d == &except || d->devpath_.starts_with(own); });
    return there;
}

void DeviceTable::clear_below(std::string_view devpath, const Device& except, Time now, Changes& changes) {
    std::vector<Device*> there = in_the_way(devpath, except);
    for (auto it = there.rbegin(); it != there.rend(); ++it) remove(**it, 0, now, changes);
}

void DeviceTable::move(Device& device, std::string_view to, uint64_t seqnum, Time now, Changes& changes) {
    std::string from = device.devpath_, target(to);
    if (from == target) return;
    if (device.parent_) std::erase(device.parent_->children_, &device);
    device.parent_ = nullptr;
    rename_below(device, from, target, seqnum, now, changes);
    by_path_.erase(&device);
    link(device);
}

// Whoever came to stand below a path after a walk had seen that it was to move, and before the event that
// says so, moves with it.
void DeviceTable::take_along(const Uevent& u, Time now, Changes& changes) {
    std::vector<std::pair<std::string, std::string>> ways;
    for (const Device* d : below(u.devpath_old))
        if (d->seqnum_ < u.seqnum) ways.emplace_back(d->devpath_, std::string(u.devpath) + d->devpath_.substr(u.devpath_old.size()));
    for (const auto& [path, target] : ways) {
        Device* device = known(path);
        if (!device) continue;  // went along with one above it
        if (known(target)) remove_tree(*device, u.seqnum, now, changes);
        else move(*device, target, u.seqnum, now, changes);
    }
}

// The kernel announces the move of the top alone; every devpath below changes with it, and none of the
// old ones is brought back, or of the new ones ended, by a walk that began before.
void DeviceTable::rename_below(Device& device, const std::string& from, const std::string& to,
                               uint64_t seqnum, Time now, Changes& changes) {
    std::vector<Device*> todo{&device}, ended;
    while (!todo.empty()) {
        Device* d = todo.back();
        todo.pop_back();
        todo.insert(todo.end(), d->children_.begin(), d->children_.end());
        // The news of its end, under its new name, was quicker than that of the move.
        std::string target = to + d->devpath_.substr(from.size());
        if (went_since(target, seqnum)) ended.push_back(d);
        else if (d->in_doubt_ || went_since(target, d->seqnum_)) {  // or it was another's
            d->in_doubt_ = true;
            dying_.push_back(target);
        }
        changes.push_back({DeviceChange::Kind::Changed, d, d->block_, d->classes_, d->devpath_});
        leave_classes(*d);  // the sets are ordered by devpath
        by_path_.erase(d);
        forget_name(*d);
        auto node = devices_.extract(d->devpath_);
        bury(d->devpath_, seqnum);
        d->seqnum_ = std::max(d->seqnum_, seqnum);
        d->event_seqnum_ = std::max(d->event_seqnum_, seqnum);
        d->here_ = std::max(d->here_, seqnum);
        if (!d->ready_) waiting_.erase({d->came_, d->devpath_});
        d->set_devpath(std::move(target));
        rename_block(*d);
        node.key() = d->devpath_;
        devices_.insert(std::move(node));
        by_path_.insert(d);
        by_name_[d->name_].insert(d);
        if (!d->ready_) waiting_.insert({d->came_, d->devpath_});
        d->since_ = now;
        classify(*d);
    }
    for (auto it = ended.rbegin(); it != ended.rend(); ++it) remove(**it, 0, now, changes);
}

// Moves that were lost, or that the walk was quicker than: the directory's inode survives a rename.
void DeviceTable::follow_moves(const Snapshot& snapshot, const There& there, Time now, Changes& changes) {
    std::unordered_map<uint64_t, Device*> missing;
    for (auto& [devpath, device] : devices_) {
        auto it = there.find(devpath);
        if (device->generation_.inode != 0 &&
            is_another(*device, it == there.end() ? nullptr : it->second, snapshot.seqnum))
            missing.emplace(device->generation_.inode, device.get());
    }
    if (missing.empty()) return;
    for (const FoundDevice& found : snapshot.devices) {  // parents first: who moved with one is not missing any more
        auto it = missing.find(found.standing.generation.inode);
        if (it == missing.end() || it->second->devpath_ == found.devpath) continue;
        Device* occupant = known(found.devpath);
        if (occupant && !is_another(*occupant, &found, snapshot.seqnum)) continue;
        Device& device = *it->second;
        for (Device* cleared : in_the_way(found.devpath, device)) missing.erase(cleared->generation_.inode);
        clear_below(found.devpath, device, now, changes);
        move(device, found.devpath, 0, now, changes);
    }
}

void DeviceTable::set_generation(Device& device, const Generation& generation) {
    forget_generation(device);
    device.generation_ = generation;
    if (generation.inode != 0) by_inode_.emplace(generation.inode, &device);
    if (generation.ifindex != 0) by_ifindex_.emplace(generation.ifindex, &device);
}

void DeviceTable::each_of_ifindex(uint64_t ifindex, const std::function<void(const Device&)>& visit) const {
    if (ifindex == 0) return;
    auto [first, last] = by_ifindex_.equal_range(ifindex);
    for (auto it = first; it != last; ++it) visit(*it->second);
}

void DeviceTable::forget_generation(Device& device) {
    auto forget = [&](auto& index, uint64_t number) {
        auto [first, last] = index.equal_range(number);
        auto it = std::find_if(first, last, [&](const auto& entry) { return entry.second == &device; });
        if (it != last) index.erase(it);
    };
    forget(by_inode_, device.generation_.inode);
    forget(by_ifindex_, device.generation_.ifindex);
}

// Of several, the first by its path: an inode may have changed hands and the end of who had it was lost.
Device* DeviceTable::of_inode(uint64_t inode) const {
    auto [first, last] = by_inode_.equal_range(inode);
    auto it = std::min_element(first, last, [](const auto& a, const auto& b) { return ByBytes()(a.second, b.second); });
    return it == last ? nullptr : it->second;
}

// The same for one device. False: it is nobody who was known under another path.
bool DeviceTable::follow_move(const FoundDevice& found, uint64_t seqnum, Time now, Changes& changes) {
    Device* device = of_inode(found.standing.generation.inode);
    if (!device || device->event_seqnum_ > seqnum) return false;
    clear_below(found.devpath, *device, now, changes);
    move(*device, found.devpath, 0, now, changes);
    return true;
}

// A directory is renamed before that is announced (device_rename() of drivers/base/core.c), and what happens
// below it meanwhile is announced under the new path. Who has another path since, through no move of its own,
// went along with the first ancestor that has another name.
Device* DeviceTable::follow_early(const DeviceEvent& event, Time now, Changes& changes) {
    const Uevent& u = event.uevent;
    Device* device = u.action == Action::Add || !event.standing.device ? nullptr : of_inode(event.standing.generation.inode);
    if (!device) return nullptr;
    std::string from = device->devpath_, to(u.devpath);
    for (size_t a, b; (a = from.rfind('/')) > 0 && (b = to.rfind('/')) > 0 && from.substr(a) == to.substr(b);)
        from.resize(a), to.resize(b);
    Device* top = known(from);
    if (!top) top = device, to = u.devpath;
    clear_below(to, *top, now, changes);
    move(*top, to, u.seqnum, now, changes);
    return known(u.devpath);
}

// An interface that has another name already, of which a helper's word came first: its index tells it.
bool DeviceTable::has_gone_on(const DeviceEvent& event) const {
    auto [first, last] = by_ifindex_.equal_range(event.standing.generation.ifindex);
    return std::any_of(first, last, [&](const auto& entry) { return entry.second->seqnum_ > event.uevent.seqnum; });
}

void DeviceTable::rename_block(Device& device) {
    auto before = find_in(device.kernel_block(), "DEVPATH");
    if (!before) return;
    size_t at = static_cast<size_t>(before->data() - device.block_.data()), length = before->size();
    device.block_.replace(at, length, device.devpath_);
    device.kernel_bytes_ = device.kernel_bytes_ - length + device.devpath_.size();
}

void DeviceTable::classify(Device& device) {
    device.classes_ = classes_->classify(device);
    enter_classes(device);
}

// Most changes leave the classes as they are; then the ordered sets need not be touched.
void DeviceTable::reclassify(Device& device) {
    auto classes = classes_->classify(device);
    if (classes == device.classes_) return;
    leave_classes(device);
    device.classes_ = std::move(classes);
    enter_classes(device);
}

void DeviceTable::forget_name(Device& device) {
    auto it = by_name_.find(device.name_);
    it->second.erase(&device);
    if (it->second.empty()) by_name_.erase(it);
}

void DeviceTable::enter_classes(Device& device) {
    for (const auto& m : device.classes_) members_[m.id].insert(&device);
}

void DeviceTable::leave_classes(Device& device) {
    for (const auto& m : device.classes_) members_[m.id].erase(&device);
}

// Conditions and classes may look at an ancestor: what stands below a device that changed has changed.
void DeviceTable::classify_below(Device& device, Time now, Changes& changes) {
    std::vector<Device*> todo = device.children_;
    while (!todo.empty()) {
        Device* d = todo.back();
        todo.pop_back();
        todo.insert(todo.end(), d->children_.begin(), d->children_.end());
        changes.push_back({DeviceChange::Kind::Changed, d, d->block_, d->classes_, ""});
        reclassify(*d);
        d->since_ = now;
    }
}

void DeviceTable::use(std::shared_ptr<const ClassSet> classes, Changes& changes) {
    removed_.clear();
    for (auto& [path, device] : devices_) {
        changes.push_back({DeviceChange::Kind::Changed, device.get(), device->block_, {}, ""});
        device->classes_.clear();
    }
    classes_ = std::move(classes);
    members_.assign(classes_->classes().size(), {});
    for (auto& [path, device] : devices_) classify(*device);
}

}  // namespace devmux
