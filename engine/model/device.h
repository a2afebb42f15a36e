// One device as the table knows it. Its variables are kept as the kernel sent them, in one block:
// comparing a repeated event with what is known is one memcmp, and 10,000 devices are 10,000 strings.
#pragma once

#include <string>
#include <vector>

#include "conditions/facts.h"
#include "engine/intake/event.h"

namespace devmux {

class Device final : public DeviceFacts {
  public:
    std::string_view devpath() const override { return devpath_; }
    std::string_view name() const override { return name_; }
    std::string_view subsystem() const override { return subsystem_; }
    std::string_view driver() const override { return driver_; }
    bool ready() const override { return ready_; }
    Generation generation() const override { return generation_; }
    Time since() const override { return since_; }
    std::optional<std::string_view> property(std::string_view key) const override;
    AttributeValue attribute(std::string_view name) const override;
    const DeviceFacts* parent() const override { return parent_; }

    // "KEY=VALUE\0…" without ACTION, SEQNUM and what a synthetic event adds: what the kernel says, and
    // behind it what only udev says. Of a repeated key the first counts.
    const std::string& block() const { return block_; }
    const std::vector<Attribute>& attributes() const { return attributes_; }
    bool awaits_attributes() const;
    bool misses_attributes() const;
    Time expected() const { return expected_; }  // since when attributes may still come: it came, or was bound
    // Not verified since events were lost, or since it came without its parents, or since a walk found other
    // attributes than those that are known.
    bool in_doubt() const { return in_doubt_ || rereading_; }

    // A class that it belongs to; `unsure` while an attribute that decides was not read.
    struct Membership {
        ClassId id;
        bool unsure;
        bool operator==(const Membership&) const = default;
    };
    const std::vector<Membership>& classes() const { return classes_; }

  private:
    friend class DeviceTable;  // the only writer
    void set_devpath(std::string devpath);

    bool udev_keeps_record() const;
    Block kernel_block() const { return std::string_view(block_).substr(0, kernel_bytes_); }

    std::string devpath_, name_, subsystem_, driver_, block_;
    size_t kernel_bytes_ = 0;  // of block_
    std::vector<Attribute> attributes_;
    std::vector<Membership> classes_;
    std::vector<Device*> children_;
    Device* parent_ = nullptr;
    Generation generation_;
    uint64_t seqnum_ = 0;        // of the last event taken in; a snapshot's own for what it found
    uint64_t event_seqnum_ = 0;  // of the last event taken in
    uint64_t told_ = 0;          // of the last event whose variables were taken, synthetic ones included
    uint64_t here_ = 0;          // of the event, or the look, since which it has this path
    uint64_t born_ = 0;          // of the event that announced it; a snapshot's own for what it found
    uint64_t ready_seqnum_ = 0;  // of udev's last
    Time since_{};
    Time came_{};
    Time expected_{};
    bool ready_ = true;
    bool lenient_ = false;       // while it waits for udev: udev need not say anything of it
    bool walked_ = false;        // a walk found it, and no event has announced it since
    bool in_doubt_ = false;
    bool rereading_ = false;     // its attributes are
    bool succeeds_ = false;      // a walk found it in another's place: what is said before its `add` is of that one
};

// The last component of a devpath as people name the device: '!' stands for '/' in sysfs
// (Documentation/ABI/stable/sysfs-devices: kobject names cannot hold a slash, "cciss!c0d0").
std::string sysname_of(std::string_view devpath);

}  // namespace devmux
