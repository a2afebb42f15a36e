// udev's side of a device, by libudev(3): what it broadcasts when it has processed an event, what
// its database remembers of it, and whether udevd is there at all. The only user of libudev.
//
// Facts about libudev and udevd are systemd 252's (src/libudev, src/libsystemd/sd-device,
// src/udev), and hold for eudev 3.2 unless it is named. Neither writes to our stderr: all that they
// log is debugging, which no environment variable turns on (in eudev, udev_log of udev.conf does).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "conditions/result.h"
#include "engine/intake/event.h"
#include "engine/intake/received.h"

namespace devmux {

// The events that udevd has processed: netlink, NETLINK_KOBJECT_UEVENT, group 2. They come in the
// order in which udevd finished them, which is that of their SEQNUM for one device alone.
class UdevMonitor {
  public:
    // With a receive buffer of that many bytes (as root; as much as net.core.rmem_max allows
    // otherwise).
    static Result<UdevMonitor> open(int receive_buffer_bytes);
    UdevMonitor(UdevMonitor&&) noexcept;
    UdevMonitor& operator=(UdevMonitor&&) noexcept;
    ~UdevMonitor();

    int fd() const;

    // False: no event will ever come, open it again once udevd runs. Where <run>/control does not
    // exist, libudev takes the machine for a container that must not listen to its host, and joins
    // no group (device_monitor_new_full); systemd's does so only where /dev is no devtmpfs.
    bool hears() const;

    // As NetlinkSource::next(). `message` has the kernel's form, "ACTION@DEVPATH\0KEY=VALUE\0…",
    // for parse_uevent(); its variables are all that udev knows of the device (ID_…, DEVLINKS,
    // TAGS), and SEQNUM is the kernel's number of the event that was processed. What differs from
    // the kernel's own: DEVNAME begins with /dev/, and DEVPATH is the new one where udev renamed an
    // interface (then with INTERFACE_OLD and ID_RENAMING; the kernel's event of the move follows).
    // An event that udevd failed to process comes as well, with UDEV_WORKER_FAILED.
    //
    // libudev believes root, our own uid, and who is outside of our user namespace. Refused:
    // somebody else, or no event. Truncated: from one of those, but libudev does not understand it.
    bool next(Received& received);

  private:
    struct Context;
    explicit UdevMonitor(std::unique_ptr<Context> context);
    std::unique_ptr<Context> context_;
};

// udev's database. Opens files, and the device's `uevent` file among them, which may block
// (sysfs.h): for a thread of its own. One object belongs to one thread.
class UdevDatabase {
  public:
    // Where sysfs is mounted. libudev knows one place only: of any other nothing has a record.
    explicit UdevDatabase(std::string sysfs_root);
    ~UdevDatabase();
    UdevDatabase(const UdevDatabase&) = delete;
    UdevDatabase& operator=(const UdevDatabase&) = delete;

    // The properties of a device that udev has processed, "KEY=VALUE\0…"; nothing where it has no
    // record of it, which for a device without number and without ifindex may only mean that there
    // was nothing to record (device_update_db). A record belongs to a number: while udevd does not
    // run, a new device inherits that of an old one with the same number.
    std::optional<std::string> record(std::string_view devpath) const;

  private:
    struct Context;
    std::unique_ptr<Context> context_;
};

struct UdevPaths {
    std::string root;  // "" = the machine's own: below it the program is looked for
    std::string run;   // of udevd: <run>/control and <run>/queue
    std::string
        net_unix;  // /proc/net/unix: who listens on a socket whose file may have outlived him
};

// Is udevd installed (systemd's and eudev's places), does somebody listen on its control socket
// (under systemd that is systemd itself, which starts it on demand), and is its queue empty? Cheap,
// and disturbs nobody: the socket is not connected to. The queue is what udevd has read from the
// kernel already: an event that was just sent may not be in it yet, and of a udevd that was killed
// it remains.
UdevSeen look_at_udev(const UdevPaths& paths);

}  // namespace devmux
