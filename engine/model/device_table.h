// All devices that are known, by devpath, with their classes. The one place where events become
// state: identity, order and repetition are decided here (devmux(7), "What the words mean").
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>

#include "engine/model/class_set.h"
#include "engine/model/device.h"

namespace devmux {

// What one event did to one device. Pointers stay valid until the next call of apply(); those of
// removed devices, too.
struct DeviceChange {
    enum class Kind : unsigned char { Added, Removed, Changed };
    Kind kind = Kind::Changed;
    const Device* device = nullptr;
    std::string old_block;                       // of Changed: what it was
    std::vector<Device::Membership> old_classes;  // of Changed: what it was
    std::string old_devpath;                      // of Changed by a move: what it was
};

// What became of the event itself.
enum class Effect : unsigned char {
    Taken,    // changes, if any, are in the list
    Late,     // something newer is known of this device
    Ignored,  // a synthetic removal of a device that stands, a removal of what is not known
    Look      // only sysfs can tell: ask for a LookedAt
};

class DeviceTable {
  public:
    explicit DeviceTable(std::shared_ptr<const ClassSet> classes);

    // Each appends to `changes`.
    Effect apply(const DeviceEvent& event, Time now, std::vector<DeviceChange>& changes);
    void apply(const LookedAt& look, Time now, std::vector<DeviceChange>& changes);
    // Removes first (children before parents), then adds (parents before children).
    void apply(const Snapshot& snapshot, Time now, std::vector<DeviceChange>& changes);
    // After a reload: every device is classified again.
    void use(std::shared_ptr<const ClassSet> classes, std::vector<DeviceChange>& changes);

    const Device* find(std::string_view devpath) const;
    size_t size() const { return devices_.size(); }
    void each(const std::function<void(const Device&)>& visit) const;  // natural order of devpaths
    void each_of(ClassId id, std::string_view name, const Facts::Visitor& visit) const;
    const ClassSet& classes() const { return *classes_; }

  private:
    struct ByPath {
        bool operator()(const Device* a, const Device* b) const;
    };
    struct ByBytes {
        bool operator()(const Device* a, const Device* b) const { return a->devpath() < b->devpath(); }
    };
    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
    };
    using Changes = std::vector<DeviceChange>;
    using Map = std::unordered_map<std::string, std::unique_ptr<Device>, Hash, std::equal_to<>>;

    Device* known(std::string_view devpath);
    void add(const FoundDevice& found, uint64_t seqnum, Time now, Changes& changes);
    Device& insert(std::string_view devpath, std::string_view subsystem, Time now);
    void announce(Device& device, Time now, Changes& changes);
    void remove(Device& device, uint64_t seqnum, Changes& changes);
    void update(Device& device, std::string_view block, const Standing& standing, Time now,
                Changes& changes);
    void clear_below(std::string_view devpath, const Device& except, Changes& changes);
    void move(Device& device, std::string_view to, Time now, Changes& changes);
    void rename_below(Device& device, const std::string& from, const std::string& to, Time now,
                      Changes& changes);
    void link(Device& device);
    void unlink(Device& device);
    void classify(Device& device);
    void reclassify(Device& device);
    void enter_classes(Device& device);
    void leave_classes(Device& device);
    void forget_name(Device& device);
    void classify_below(Device& device, Time now, Changes& changes);
    void bury(const std::string& devpath, uint64_t seqnum);
    bool is_late(std::string_view devpath, const Device* device, uint64_t seqnum) const;

    std::shared_ptr<const ClassSet> classes_;
    Map devices_;
    std::set<Device*, ByBytes> by_path_;  // what stands below a path is one run here
    std::vector<std::set<Device*, ByPath>> members_;  // by class
    std::unordered_map<std::string, std::set<Device*, ByPath>, Hash, std::equal_to<>> by_name_;
    std::vector<std::unique_ptr<Device>> removed_;    // kept for the changes that point at them
    // Numbers of the removals of devices that are gone, so that an older event that comes late does
    // not bring one back. Bounded: the oldest are forgotten first.
    std::unordered_map<std::string, uint64_t, Hash, std::equal_to<>> tombstones_;
    std::deque<std::string> buried_;
    std::string scratch_;
};

}  // namespace devmux
