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
    // Everything below stands in one run behind it.
    std::string prefix = device.devpath_ + "/";
    for (auto it = by_path_.upper_bound(&device); it != by_path_.end(); ++it) {
        Device* other = *it;
        if (!other->devpath_.starts_with(prefix)) {
            if (other->devpath_ > prefix) break;
            continue;  // "/a-b" sorts between "/a" and "/a/"
        }
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
    for (Device* child : device.children_) {
        child->parent_ = device.parent_;
        if (device.parent_) device.parent_->children_.push_back(child);
    }
    if (device.parent_) std::erase(device.parent_->children_, &device);
    device.children_.clear();
    // `parent_` stays: the script that stops on the removal is told of the last known kin. It is
    // looked at only while the change is handled, and parents are removed after their children.
}

// Whatever is known at and below a path that something is about to move to: its removal was lost.
// Children first. What is below `except`, which moves, stays.
void DeviceTable::clear_below(std::string_view devpath, const Device& except, Changes& changes) {
    std::string path(devpath), own = except.devpath_ + "/";
    std::vector<Device*> there;
    for (Device* d : by_path_) {
        bool inside = d->devpath_ == path || d->devpath_.starts_with(path + "/");
        if (inside && d != &except && !d->devpath_.starts_with(own)) there.push_back(d);
    }
    for (auto it = there.rbegin(); it != there.rend(); ++it) remove(**it, 0, changes);
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
        if (ended_since(to + d->devpath_.substr(from.size()), seqnum)) ended.push_back(d);
        changes.push_back({DeviceChange::Kind::Changed, d, d->block_, d->classes_, d->devpath_});
        leave_classes(*d);  // the sets are ordered by devpath
        by_path_.erase(d);
        forget_name(*d);
        auto node = devices_.extract(d->devpath_);
        bury(d->devpath_, seqnum);
        d->seqnum_ = std::max(d->seqnum_, seqnum);
        d->event_seqnum_ = std::max(d->event_seqnum_, seqnum);
        if (!d->ready_) waiting_.erase({d->came_, d->devpath_});
        d->set_devpath(to + d->devpath_.substr(from.size()));
        node.key() = d->devpath_;
        devices_.insert(std::move(node));
        by_path_.insert(d);
        by_name_[d->name_].insert(d);
        if (!d->ready_) waiting_.insert({d->came_, d->devpath_});
        d->since_ = now;
        classify(*d);
    }
    for (auto it = ended.rbegin(); it != ended.rend(); ++it) remove(**it, 0, changes);
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
