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
#include "engine/model/device_checkpoint.h"

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
    Behind,   // a walk has said more than it could, but no newer event has: it happened all the same
    Late,     // a newer event of this device was taken in, or one of another device under this path
    Ignored,  // a synthetic removal of a device that stands, a removal of what is not known
    Look      // only sysfs can tell: ask for a LookedAt
};

class DeviceTable {
  public:
    explicit DeviceTable(std::shared_ptr<const ClassSet> classes);

    // Each appends to `changes`.
    Effect apply(const DeviceEvent& event, Time now, std::vector<DeviceChange>& changes);
    // udev's copy of an event that was taken in before: it makes no device and ends none.
    Effect raise(const DeviceEvent& event, Time now, std::vector<DeviceChange>& changes);
    void apply(const LookedAt& look, Time now, std::vector<DeviceChange>& changes);
    // Removes first (children before parents), then adds (parents before children).
    void apply(const Snapshot& snapshot, Time now, std::vector<DeviceChange>& changes);
    // Of the devices of the last LookedAt or Snapshot: whose attributes must be read again, since who read
    // them last is not known.
    const std::vector<const Device*>& reread() const { return reread_; }
    // `last`: what is missing now has had its time, and does not exist.
    void apply(const AttributesRead& read, bool last, Time now, std::vector<DeviceChange>& changes);
    // After a reload: every device is classified again.
    void use(std::shared_ptr<const ClassSet> classes, std::vector<DeviceChange>& changes);

    // Whether devices are only Seen until udev has processed them. Without udev, all are Ready.
    void await_udev(bool await, Time now, std::vector<DeviceChange>& changes);
    bool awaits_udev() const { return awaits_udev_; }
    // udev will not say more of this device: it is Ready.
    void give_up_udev(std::string_view devpath, Time now, std::vector<DeviceChange>& changes);
    // Who waits for udev: since when, and the devpath. In that order.
    const std::set<std::pair<Time, std::string>>& waiting() const { return waiting_; }
    // Events were lost: nothing that is known is certain until it is seen again. Conditions must be
    // asked anew.
    void doubt_all();

    // What is to be looked at once more: what sysfs still had although its end was announced a moment ago,
    // and what was believed to go with what stood above it.
    std::vector<std::string> take_dying() { return std::exchange(dying_, {}); }

    const Device* find(std::string_view devpath) const;
    size_t size() const { return devices_.size(); }
    void each(const std::function<void(const Device&)>& visit) const;  // natural order of devpaths
    void each_of(ClassId id, std::string_view name, const Facts::Visitor& visit) const;
    void each_of_ifindex(uint64_t ifindex, const std::function<void(const Device&)>& visit) const;
    const ClassSet& classes() const { return *classes_; }

    // For recordings. restore() is for a table that is empty.
    DeviceTableCheckpoint checkpoint() const;
    void restore(const DeviceTableCheckpoint& from);

  private:
    struct ByPath {
        bool operator()(const Device* a, const Device* b) const;
    };
    struct ByBytes {
        using is_transparent = void;
        bool operator()(const Device* a, const Device* b) const { return a->devpath() < b->devpath(); }
        bool operator()(const Device* a, std::string_view b) const { return a->devpath() < b; }
        bool operator()(std::string_view a, const Device* b) const { return a < b->devpath(); }
    };
    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
    };
    using Changes = std::vector<DeviceChange>;
    using Map = std::unordered_map<std::string, std::unique_ptr<Device>, Hash, std::equal_to<>>;

    Device* known(std::string_view devpath);
    Effect apply_synthetic(Device* device, const DeviceEvent& event, Time now, Changes& changes);
    void apply_behind(Device& device, const DeviceEvent& event, Time now, Changes& changes);
    Effect apply_move(Device* device, const DeviceEvent& event, Time now, Changes& changes);
    Device& arrive(const DeviceEvent& event, Time now, Changes& changes);
    Effect is_stale(const Uevent& uevent, const Device* device) const;
    static Block news_of(Device& device, const Uevent& uevent);
    bool set_kernel_block(Device& device, Block block, std::string& old);
    bool set_udev_block(Device& device, Block block, std::string& old);
    bool expect_attributes(Device& device, Time now);
    static bool same_attributes(const Device& device, const std::vector<Attribute>& read);
    static bool is_done(Block record);
    void take_record(Device& device, Block record, Time now, Changes& changes);
    bool set_attributes(Device& device, const std::vector<Attribute>& read, bool last);
    void set_ready(Device& device, bool ready);
    void take_word(Device& device, const Uevent& uevent, Time now, Changes& changes);
    void processed(Device& device, const Uevent& uevent, Time now, Changes& changes);
    void make_ready(Device& device, Time now, Changes& changes);
    void settle_lenient(Time now, Changes& changes);
    void changed(Device& device, std::string old_block, Time now, Changes& changes);
    using There = std::unordered_map<std::string_view, const FoundDevice*>;
    void make_way(Device& device, uint64_t seqnum);
    static bool is_another(const Device& device, const FoundDevice* found, uint64_t seqnum);
    void take_along(const Uevent& move, Time now, Changes& changes);
    void follow_moves(const Snapshot& snapshot, const There& there, Time now, Changes& changes);
    bool follow_move(const FoundDevice& found, uint64_t seqnum, Time now, Changes& changes);
    Device* follow_early(const DeviceEvent& event, Time now, Changes& changes);
    Device* of_inode(uint64_t inode) const;
    bool has_gone_on(const DeviceEvent& event) const;
    // `looked`: by a look at it alone; `succeeds`: another device had its path until now.
    void add(const FoundDevice& found, uint64_t seqnum, bool looked, bool succeeds, Time now, Changes& changes);
    bool went_since(std::string_view devpath, uint64_t seqnum) const;
    bool ended_since(const FoundDevice& found, uint64_t seqnum, Time began);
    Device& insert(std::string_view devpath, std::string_view subsystem, Time now);
    void announce(Device& device, Time now, Changes& changes);
    // `announced`: by an event, of that number.
    void remove(Device& device, uint64_t announced, Time now, Changes& changes);
    // With all that is below it, but for what an event newer than `seqnum` brought.
    void remove_tree(Device& device, uint64_t seqnum, Time now, Changes& changes);
    void give_way(Device& device, uint64_t seqnum, Time now, Changes& changes);
    // `differently`: something else of it is not as it was.
    void update(Device& device, std::string_view block, const Standing& standing, bool differently,
                Time now, Changes& changes);
    std::vector<Device*> below(std::string_view devpath) const;
    std::vector<Device*> in_the_way(std::string_view devpath, const Device& except) const;
    void clear_below(std::string_view devpath, const Device& except, Time now, Changes& changes);
    void move(Device& device, std::string_view to, uint64_t seqnum, Time now, Changes& changes);
    void rename_below(Device& device, const std::string& from, const std::string& to, uint64_t seqnum,
                      Time now, Changes& changes);
    static void rename_block(Device& device);
    void link(Device& device);
    void unlink(Device& device);
    void classify(Device& device);
    void reclassify(Device& device);
    void enter_classes(Device& device);
    void leave_classes(Device& device);
    void forget_name(Device& device);
    void set_generation(Device& device, const Generation& generation);
    void forget_generation(Device& device);
    void classify_below(Device& device, Time now, Changes& changes);
    void bury(const std::string& devpath, uint64_t seqnum);
    void announced_end(std::string_view devpath, uint64_t inode, Time now);

    std::shared_ptr<const ClassSet> classes_;
    Map devices_;
    std::set<Device*, ByBytes> by_path_;  // what stands below a path is one run here
    std::vector<std::set<Device*, ByPath>> members_;  // by class
    std::unordered_map<std::string, std::set<Device*, ByPath>, Hash, std::equal_to<>> by_name_;
    std::unordered_multimap<uint64_t, Device*> by_inode_, by_ifindex_;  // 0 is nobody's
    std::vector<std::unique_ptr<Device>> removed_;    // kept for the changes that point at them
    std::vector<const Device*> reread_;
    // Numbers of the removals of devices that are gone, so that an older event that comes late does
    // not bring one back. Bounded: the oldest are forgotten first.
    struct Grave {
        uint64_t seqnum = 0;
        uint64_t inode = 0;  // of the directory, where the kernel has announced its end
        Time at{};           // … and when
    };
    std::unordered_map<std::string, Grave, Hash, std::equal_to<>> tombstones_;
    std::deque<std::string> buried_;
    std::vector<std::string> dying_;
    uint64_t forgotten_upto_ = 0;  // of the tombstones that were forgotten
    uint64_t walked_upto_ = 0;     // a walk began after this number was given out
    bool all_in_doubt_ = false;
    bool awaits_udev_ = false;
    std::set<std::pair<Time, std::string>> waiting_;  // for udev, by when they came
    size_t strict_ = 0;  // of these: those of which udev keeps a record in any case
    std::string scratch_;
};

}  // namespace devmux
