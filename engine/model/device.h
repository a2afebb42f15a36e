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

    // "KEY=VALUE\0…" without ACTION, SEQNUM and what a synthetic event adds.
    const std::string& block() const { return block_; }
    const std::vector<Attribute>& attributes() const { return attributes_; }
    uint64_t seqnum() const { return seqnum_; }

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

    std::string devpath_, name_, subsystem_, driver_, block_;
    std::vector<Attribute> attributes_;
    std::vector<Membership> classes_;
    std::vector<Device*> children_;
    Device* parent_ = nullptr;
    Generation generation_;
    uint64_t seqnum_ = 0;  // of the last event taken in; a snapshot's own for what it found
    Time since_{};
    bool ready_ = true;
};

// The last component of a devpath as people name the device: '!' stands for '/' in sysfs
// (Documentation/ABI/stable/sysfs-devices: kobject names cannot hold a slash, "cciss!c0d0").
std::string sysname_of(std::string_view devpath);

}  // namespace devmux
