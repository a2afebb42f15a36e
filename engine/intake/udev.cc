// See udev.h. libudev's answer to "receive" is a device or errno, and one errno, EAGAIN, stands for
// an empty socket as well as for a message that it refused; eudev's libudev sets none at all for
// that. Who reads until Empty would stop at the first message of a stranger. A level-triggered poll
// would bring him back, but he would have taken "all was read" from it meanwhile, which ends an
// overrun. So the socket is asked first, with a look that takes nothing away: whatever libudev then
// answers is about the message that was there.
#include "engine/intake/udev.h"

#include <libudev.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <new>

#include "engine/intake/uevent.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

template <auto unref>
struct Unref {
    template <class T>
    void operator()(T* object) const {
        unref(object);
    }
};
using Library = std::unique_ptr<udev, Unref<udev_unref>>;
using Monitor = std::unique_ptr<udev_monitor, Unref<udev_monitor_unref>>;
using Device = std::unique_ptr<udev_device, Unref<udev_device_unref>>;

Library open_library() {
    Library library(udev_new());
    if (!library) throw std::bad_alloc();  // the only way for it to fail
    return library;
}

std::string failure(const char* what, int error) {
    return std::string(what) + ": " + errno_text(error);
}

Error monitor_error(const char* what, int error) {
    return Error{.what = failure(what, error),
                 .hint =
                     "without this socket nobody tells when udev has processed a device; is "
                     "CONFIG_NET there, and may this process open netlink sockets?"};
}

// What the engine itself reads of an event, and what tells one device from its successor. They come
// first, so that nothing which a rule adds can push them out.
constexpr std::array kEssential{"ACTION",     "DEVPATH", "SEQNUM", "SUBSYSTEM", "DEVPATH_OLD",
                                "SYNTH_UUID", "DRIVER",  "MAJOR",  "MINOR",     "DEVNAME",
                                "IFINDEX",    "DISKSEQ", "DEVTYPE"};

bool is_essential(std::string_view key) {
    return std::find(kEssential.begin(), kEssential.end(), key) != kEssential.end();
}

// A list of properties as "KEY=VALUE\0…" behind what `out` holds, within the bounds of a message:
// what does not fit is left out. libudev's lists name each key once; an empty key is possible
// ("=value" in a message of root's), and no parser would take it.
void append_properties(std::string& out, udev_list_entry* list) {
    size_t count = 0;
    auto append = [&](udev_list_entry* entry) {
        const char* key = udev_list_entry_get_name(entry);
        const char* value = udev_list_entry_get_value(entry);
        if (!key || !*key || !value || count == kUeventMaxVariables) return;
        size_t key_bytes = std::strlen(key), value_bytes = std::strlen(value);
        if (out.size() + key_bytes + value_bytes + 2 > kUeventMaxBytes) return;
        out.append(key, key_bytes).append(1, '=').append(value, value_bytes).append(1, '\0');
        ++count;
    };
    for (const char* key : kEssential)
        if (udev_list_entry* entry = udev_list_entry_get_by_name(list, key)) append(entry);
    for (udev_list_entry* entry = list; entry; entry = udev_list_entry_get_next(entry)) {
        const char* key = udev_list_entry_get_name(entry);
        if (key && !is_essential(key)) append(entry);
    }
}

// The event in the kernel's form; false where it has no action or no devpath that could be one.
bool write_message(udev_device* device, std::string& out) {
    out.clear();
    const char* action = udev_device_get_action(device);
    const char* devpath = udev_device_get_devpath(device);
    if (!action || !devpath || devpath_fault(devpath)) return false;
    out.append(action).append(1, '@').append(devpath).append(1, '\0');
    append_properties(out, udev_device_get_properties_list_entry(device));
    return true;
}

// ENOMEM: of the kernel or of libudev. The message may be lost, and others as well.
bool is_overrun(int error) { return error == ENOBUFS || error == ENOMEM; }

}  // namespace

struct UdevMonitor::Context {
    Library library = open_library();
    Monitor monitor;
    std::string message;  // kept for its capacity
};

Result<UdevMonitor> UdevMonitor::open(int receive_buffer_bytes) {
    auto context = std::make_unique<Context>();
    context->monitor.reset(udev_monitor_new_from_netlink(context->library.get(), "udev"));
    udev_monitor* monitor = context->monitor.get();
    if (!monitor) return monitor_error("opening udev's socket", errno);
    // libudev has tried 128 MiB already. As root it passes over the limit of the machine
    // (SO_RCVBUFFORCE); what others are allowed is for us to take.
    int size = receive_buffer_bytes;
    if (udev_monitor_set_receive_buffer_size(monitor, size) < 0 &&
        setsockopt(udev_monitor_get_fd(monitor), SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0)
        return monitor_error("setting the receive buffer of udev's socket", errno);
    if (int error = udev_monitor_enable_receiving(monitor); error < 0)
        return monitor_error("binding udev's socket to its group", -error);
    return UdevMonitor(std::move(context));
}

UdevMonitor::UdevMonitor(std::unique_ptr<Context> context) : context_(std::move(context)) {}
UdevMonitor::UdevMonitor(UdevMonitor&&) noexcept = default;
UdevMonitor& UdevMonitor::operator=(UdevMonitor&&) noexcept = default;
UdevMonitor::~UdevMonitor() = default;

int UdevMonitor::fd() const { return udev_monitor_get_fd(context_->monitor.get()); }

bool UdevMonitor::hears() const {
    sockaddr_nl address{};
    socklen_t size = sizeof address;
    return getsockname(fd(), reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
           address.nl_groups != 0;
}

bool UdevMonitor::next(Received& received) {
    received.message = {};
    received.why.clear();
    char none = 0;
    ssize_t waiting = 0;
    do {
        waiting = recv(fd(), &none, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    } while (waiting < 0 && errno == EINTR);
    if (waiting < 0 && is_overrun(errno)) {
        received.kind = Received::Kind::Overrun;
        return true;
    }
    if (waiting < 0) {
        received.kind = errno == EAGAIN ? Received::Kind::Empty : Received::Kind::Failed;
        if (errno != EAGAIN) received.why = failure("reading udev's socket", errno);
        return false;
    }
    if (waiting == 0) {
        // libudev would leave an empty message where it is (next_datagram_size_fd asks for its size
        // by an ioctl that netlink does not know), for ever. Kernels before 5.16 carry them.
        recv(fd(), &none, 0, MSG_DONTWAIT);
        received.kind = Received::Kind::Refused;
        received.why = "not from udev: empty";
        return true;
    }

    errno = 0;
    Device device(udev_monitor_receive_device(context_->monitor.get()));
    int error = errno;
    if (device && write_message(device.get(), context_->message)) {
        received.kind = Received::Kind::Message;
        received.message = context_->message;
    } else if (!device && is_overrun(error)) {
        received.kind = Received::Kind::Overrun;
    } else if (!device && error == EAGAIN) {
        received.kind = Received::Kind::Refused;
        received.why = "not from udev, as libudev finds";
    } else {
        // EINVAL and others, of device_new_from_nulstr: a udevd that is newer than our libudev, or
        // noise. To make noise takes CAP_NET_ADMIN (netlink_sendmsg), and who has that can overrun
        // us as well: it does no harm that eudev's refusals, which have no errno, end here.
        received.kind = Received::Kind::Truncated;
        received.why = "an event of " + std::to_string(waiting) +
                       " bytes from udev that libudev does not understand";
        if (!device && error != 0) received.why += ": " + errno_text(error);
    }
    return true;
}

struct UdevDatabase::Context {
    Library library = open_library();
    std::string sysfs_root;
};

UdevDatabase::UdevDatabase(std::string sysfs_root) : context_(std::make_unique<Context>()) {
    context_->sysfs_root = std::move(sysfs_root);
}
UdevDatabase::~UdevDatabase() = default;

std::optional<std::string> UdevDatabase::record(std::string_view devpath) const {
    if (devpath_fault(devpath)) return std::nullopt;
    std::string path = context_->sysfs_root + std::string(devpath);
    Device device(udev_device_new_from_syspath(context_->library.get(), path.c_str()));
    if (!device) return std::nullopt;
    // libudev follows symbolic links: DEVPATH/device would have the record of another device.
    const char* found = udev_device_get_devpath(device.get());
    if (!found || devpath != found) return std::nullopt;
    if (udev_device_get_is_initialized(device.get()) <= 0) return std::nullopt;
    std::string out;
    append_properties(out, udev_device_get_properties_list_entry(device.get()));
    if (out.empty()) return std::nullopt;  // went away meanwhile
    return out;
}

namespace {

// Debian and its kin, Gentoo's systemd-utils; eudev of Alpine, Devuan, Gentoo and Void, and where
// /sbin and /bin are links or one; the private directory of old and of ALT's.
constexpr std::array kPrograms{
    "/usr/lib/systemd/systemd-udevd",
    "/lib/systemd/systemd-udevd",
    "/usr/sbin/udevd",
    "/sbin/udevd",
    "/usr/bin/udevd",
    "/bin/udevd",
    "/usr/lib/udev/udevd",
    "/lib/udev/udevd",
};

bool is_program(const std::string& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           (status.st_mode & 0111U) != 0;
}

// Whether this line of /proc/net/unix is a socket that accepts connections at `path`
// (unix_seq_show in net/unix/af_unix.c: Num RefCount Protocol Flags Type St Inode Path).
bool listens_at(std::string_view line, std::string_view path) {
    constexpr int kFlags = 3, kPath = 7;
    unsigned flags = 0;
    for (int field = 0; field < kPath; ++field) {
        line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
        size_t end = std::min(line.find(' '), line.size());
        if (field == kFlags) std::from_chars(line.data(), line.data() + end, flags, 16);
        line.remove_prefix(end);
    }
    return (flags & __SO_ACCEPTCON) != 0 && line.starts_with(' ') && line.substr(1) == path;
}

// The file alone proves nothing: udevd leaves it behind when it ends. Nor does a line alone: the
// name of anybody's abstract socket may hold a line break, and a line of the like behind it.
bool is_running(const UdevPaths& paths) {
    const std::string control = paths.run + "/control";
    struct stat status {};
    if (stat(control.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
    std::ifstream table(paths.net_unix);
    std::string line;  // at most some 170 bytes: a name has 108 (sockaddr_un)
    if (!std::getline(table, line)) return true;  // no table to ask: as libudev itself decides
    while (std::getline(table, line))
        if (listens_at(line, control)) return true;
    return false;
}

}  // namespace

UdevSeen look_at_udev(const UdevPaths& paths) {
    UdevSeen seen;
    if (is_running(paths)) {
        seen.presence = UdevPresence::Running;
    } else if (std::any_of(kPrograms.begin(), kPrograms.end(),
                           [&](const char* program) { return is_program(paths.root + program); })) {
        seen.presence = UdevPresence::Installed;
    }
    seen.idle = access((paths.run + "/queue").c_str(), F_OK) != 0;
    return seen;
}

}  // namespace devmux
