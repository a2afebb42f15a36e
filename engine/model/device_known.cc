// What is known of a device beyond its presence: its variables and attributes, whether udev is done with
// it, and whether any of it is in doubt.
#include <algorithm>
#include <charconv>

#include "engine/model/device_table.h"

namespace devmux {
namespace {

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

template <class Keep>
void append_variables(Block block, std::string& out, Keep keep) {
    while (!block.empty()) {
        size_t end = std::min(block.find('\0'), block.size() - 1) + 1;
        if (keep(block.substr(0, end))) out.append(block.substr(0, end));
        block.remove_prefix(end);
    }
}

// When udev was done with the device for the first time, by its own word: CLOCK_MONOTONIC, like ours.
Time first_done(Block record) {
    std::string_view text = find_in(record, "USEC_INITIALIZED").value_or("");
    int64_t us = 0;
    std::from_chars(text.data(), text.data() + text.size(), us);
    return Time(std::chrono::microseconds(us));
}

}  // namespace

// An interface that udev is about to rename has a record already, and is not what it will be.
bool DeviceTable::is_done(Block record) { return !find_in(record, "ID_RENAMING").has_value(); }

// The device's own variables. False when they are what they were.
bool DeviceTable::set_kernel_block(Device& device, Block block, std::string& old) {
    scratch_.clear();
    append_variables(block, scratch_, [](std::string_view v) { return !of_event(v); });
    if (scratch_ == device.kernel_block()) return false;
    size_t bytes = scratch_.size();
    append_variables(Block(device.block_).substr(device.kernel_bytes_), scratch_, [&](std::string_view v) {
        return !find_in(Block(scratch_).substr(0, bytes), v.substr(0, v.find('='))).has_value();
    });
    old = std::exchange(device.block_, scratch_);
    device.kernel_bytes_ = bytes;
    device.driver_ = find_in(device.kernel_block(), "DRIVER").value_or("");
    return true;
}

// What only udev says goes behind what the kernel says: a later word of the kernel's is newer than
// udev's copy of an earlier one.
bool DeviceTable::set_udev_block(Device& device, Block block, std::string& old) {
    scratch_ = device.kernel_block();
    append_variables(block, scratch_, [&](std::string_view v) {
        return !of_event(v) && !find_in(device.kernel_block(), v.substr(0, v.find('='))).has_value();
    });
    if (scratch_ == device.block_) return false;
    old = std::exchange(device.block_, scratch_);
    return true;
}

// What was there and is not any more has gone, and is false at once. What never was there is awaited,
// unless it had its time.
bool DeviceTable::set_attributes(Device& device, const std::vector<Attribute>& read, bool last) {
    bool changed = false;
    for (const Attribute& fresh : read) {
        auto it = std::ranges::find(device.attributes_, fresh.name, &Attribute::name);
        if (it == device.attributes_.end()) {
            device.attributes_.push_back({fresh.name, fresh.text, !fresh.text && !last});
            changed = true;
            continue;
        }
        bool awaited = !fresh.text && !it->text && it->awaited && !last;
        changed |= fresh.text != it->text || awaited != it->awaited;
        it->text = fresh.text;
        it->awaited = awaited;
    }
    return changed;
}

// It came, or a driver was bound: what that brings may be there a moment later. True where something is awaited,
// from now on.
bool DeviceTable::expect_attributes(Device& device, Time now) {
    bool awaits = false;
    device.expected_ = now;
    for (Attribute& a : device.attributes_)
        if (!a.text) awaits = a.awaited = true;
    return awaits;
}

void DeviceTable::apply(const AttributesRead& read, bool last, Time now, Changes& changes) {
    removed_.clear();
    Device* device = known(read.devpath);
    if (!device || differs(device->generation_, read.generation)) return;
    if (device->generation_.inode == 0) set_generation(*device, read.generation);
    bool verified = std::exchange(device->rereading_, false);
    if (set_attributes(*device, read.attributes, last) || verified) changed(*device, device->block_, now, changes);
}

// What was never read before may be under way, from before the walk or after it.
bool DeviceTable::same_attributes(const Device& device, const std::vector<Attribute>& read) {
    return std::ranges::all_of(read, [&](const Attribute& fresh) {
        auto it = std::ranges::find(device.attributes_, fresh.name, &Attribute::name);
        return it != device.attributes_.end() && it->text == fresh.text;
    });
}

Effect DeviceTable::raise(const DeviceEvent& event, Time now, Changes& changes) {
    removed_.clear();
    const Uevent& u = event.uevent;
    if (!u.devpath.starts_with("/devices/") || u.action == Action::Remove) return Effect::Ignored;
    Device* device = known(u.devpath);
    // udev names an interface by the name that it gave it. Where the kernel refused that, there is none of
    // that name.
    if (auto former = device ? std::nullopt : find_in(u.block, "INTERFACE_OLD"))
        device = known(std::string(u.devpath.substr(0, u.devpath.rfind('/') + 1)).append(*former));
    if (!device) {
        auto grave = tombstones_.find(u.devpath);
        return grave != tombstones_.end() && grave->second.seqnum > u.seqnum ? Effect::Late : Effect::Look;
    }
    // udev's word on who had this path before.
    bool of_another = u.seqnum < device->born_ || (device->succeeds_ && u.action != Action::Add);
    if (of_another || u.seqnum <= device->ready_seqnum_) return Effect::Late;
    take_word(*device, u, now, changes);
    return Effect::Taken;
}

void DeviceTable::take_word(Device& device, const Uevent& u, Time now, Changes& changes) {
    std::string old;
    if (set_udev_block(device, u.block, old)) changed(device, std::move(old), now, changes);
    processed(device, u, now, changes);
}

void DeviceTable::processed(Device& device, const Uevent& u, Time now, Changes& changes) {
    device.ready_seqnum_ = std::max(device.ready_seqnum_, u.seqnum);
    if (is_done(u.block)) make_ready(device, now, changes);
    settle_lenient(now, changes);
}

// A record is what udev said last. Of a device that was announced it may still be of a predecessor that
// had the same number, so it counts only if it is younger than the announcement.
void DeviceTable::take_record(Device& device, Block record, Time now, Changes& changes) {
    std::string old;
    if (set_udev_block(device, record, old)) changed(device, std::move(old), now, changes);
    if (!is_done(record)) return;
    if (device.walked_ || first_done(record) >= device.came_) make_ready(device, now, changes);
}

void DeviceTable::await_udev(bool await, Time now, Changes& changes) {
    removed_.clear();
    awaits_udev_ = await;
    if (await) return;  // who is ready stays it
    while (!waiting_.empty()) make_ready(*known(waiting_.begin()->second), now, changes);
}

void DeviceTable::give_up_udev(std::string_view devpath, Time now, Changes& changes) {
    removed_.clear();
    if (Device* device = known(devpath)) make_ready(*device, now, changes);
    settle_lenient(now, changes);
}

void DeviceTable::make_ready(Device& device, Time now, Changes& changes) {
    if (device.ready_) return;
    set_ready(device, true);
    changed(device, device.block_, now, changes);
}

// Who waits, and how many of them udev will surely say something of.
void DeviceTable::set_ready(Device& device, bool ready) {
    if (device.ready_ == ready) return;
    if (!ready) device.lenient_ = device.walked_ && !device.udev_keeps_record();
    device.ready_ = ready;
    if (ready) waiting_.erase({device.came_, device.devpath_});
    else waiting_.insert({device.came_, device.devpath_});
    if (!device.lenient_) strict_ += ready ? size_t(-1) : size_t(1);
}

// Without a record, and of a kind that need not have one: udev is done with it once it is done with all
// the others.
void DeviceTable::settle_lenient(Time now, Changes& changes) {
    if (strict_ != 0) return;
    while (!waiting_.empty()) make_ready(*known(waiting_.begin()->second), now, changes);
}

void DeviceTable::doubt_all() {
    all_in_doubt_ = true;
    for (auto& [devpath, device] : devices_) device->in_doubt_ = true;
}

}  // namespace devmux
