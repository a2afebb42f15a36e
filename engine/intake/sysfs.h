// One look at sysfs: is there a device at this path, which one is it, and what do its files say?
// Everything is opened below one directory without following symbolic links, so that a devpath
// can name a device by its own path alone, and no text from outside leads anywhere else.
//
// May block: drivers answer for attributes, and from 6.10 to 6.14 (and 6.1.95, 6.6.35 …) `uevent`
// took the device's lock, which a slow probe holds for minutes (c0a40097f0bc, reverted by
// dc1771f71854). Only standing() is safe on the loop.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/intake/attributes.h"
#include "engine/intake/event.h"
#include "engine/system/descriptor.h"

namespace devmux {

inline constexpr size_t kAttributeMaxBytes = 4096;  // a page: sysfs has no longer text

// Told of each file of a device that is about to be read, for who watches over reads: it is there
// that a driver may take its time. Null: nobody does.
using BeforeRead = std::function<void(std::string_view devpath, std::string_view file)>;

class Sysfs {
  public:
    // Where sysfs is mounted. A root that cannot be opened is one without any devices; root_fd()
    // is -1 then.
    explicit Sysfs(const std::string& root);

    int root_fd() const { return root_.get(); }

    // A directory below devices/ with a `uevent` file. (Modules and drivers have one as well, and
    // are no devices.)
    bool is_device(std::string_view devpath) const;

    // Whether devices may be of it. (The queues of a network interface are announced as well, and are
    // directories below it; their "subsystem" is the name of a kset, lib/kobject_uevent.c.)
    bool is_subsystem(std::string_view name) const;

    // Who stands there when an event is taken in: no driver and no attributes, whose files may block.
    // `block`: the event's own variables, which carry ifindex and diskseq. With a devpath that is not
    // below devices/, only `exists` and the inode.
    Standing standing(std::string_view devpath, Block block = {}) const;

    // All of a device; nothing when there is none, or it went away meanwhile. Without a
    // `subsystem` link (the root of a PCI bus, cpu0/cache) the subsystem is empty: such a device
    // is somebody's parent, but the kernel never announces it.
    std::optional<FoundDevice> read(std::string_view devpath, const AttributeNeeds& needs,
                                    const BeforeRead& before = {}) const;

    // These attributes of a device, and the inode of the directory that they are from; nothing when
    // there is none, or it went away meanwhile.
    std::optional<AttributesRead> attributes(std::string_view devpath,
                                             std::span<const std::string> names,
                                             const BeforeRead& before = {}) const;

  private:
    Descriptor open_directory(std::string_view devpath) const;

    Descriptor root_;
};

// The device whose directory is open as `fd`; nothing without a `uevent` file. The block begins
// with DEVPATH and SUBSYSTEM, so that a line that a device smuggles into its file comes later.
std::optional<FoundDevice> read_device(int fd, std::string devpath, const AttributeNeeds& needs,
                                       const BeforeRead& before = {});

// A file below an open directory: a regular one, at most kAttributeMaxBytes of it, without one
// newline at its end. Nothing if there is none, if its name climbs out, or if reading fails: what
// a driver will not tell (EIO, EAGAIN, EACCES, EINVAL of a link that is down) is as good as not
// there, and is asked for again like an attribute that is not there yet.
std::optional<std::string> read_attribute(int fd, const std::string& name);

}  // namespace devmux
