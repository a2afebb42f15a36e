// See sysfs.h. The path is resolved once, by openat2(2) with RESOLVE_NO_SYMLINKS; everything else
// is relative to the directory that was found, so that a device which is replaced by another of
// the same name meanwhile cannot lend it half of its attributes.
#include "engine/intake/sysfs.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "conditions/text.h"
#include "engine/intake/uevent.h"

namespace devmux {
namespace {

constexpr std::string_view kDevices = "/devices/";

// Relative to the root of sysfs; empty for what is no devpath.
std::string relative(std::string_view devpath) {
    return devpath_fault(devpath) ? std::string() : std::string(devpath.substr(1));
}

std::string link_target_name(int fd, const char* link) {
    std::array<char, 4096> target;
    ssize_t length = readlinkat(fd, link, target.data(), target.size());
    if (length <= 0) return "";
    std::string_view text(target.data(), static_cast<size_t>(length));
    return std::string(text.substr(text.rfind('/') + 1));
}

// Nothing: no such file, or not a regular one. `error` as errno, for who needs to know.
std::optional<std::string> read_file(int fd, const char* name, int& error) {
    // O_NONBLOCK: a FIFO in the place of a file must not hold us; regular files ignore it.
    Descriptor file(openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    struct stat status {};
    if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        error = file ? ENOENT : errno;
        return std::nullopt;
    }
    std::array<char, kAttributeMaxBytes> buffer;
    ssize_t length = 0;
    do {
        length = ::read(file.get(), buffer.data(), buffer.size());
    } while (length < 0 && errno == EINTR);
    error = length < 0 ? errno : 0;
    if (length < 0) return std::nullopt;
    return std::string(buffer.data(), static_cast<size_t>(length));
}

bool climbs_out(std::string_view name) {
    if (name.find('\0') != std::string_view::npos) return true;
    return static_cast<bool>(devpath_fault('/' + std::string(name)));
}

std::vector<Attribute> read_attributes(int fd, std::string_view devpath,
                                       std::span<const std::string> names,
                                       const BeforeRead& before) {
    std::vector<Attribute> out;
    out.reserve(names.size());
    for (const std::string& name : names) {
        if (before) before(devpath, name);
        out.push_back({name, read_attribute(fd, name)});
    }
    return out;
}

uint64_t number(std::optional<std::string_view> text) {
    return text ? number_of(*text).value_or(0) : 0;
}

// Only from the subsystems whose kernel code writes them: elsewhere a value with a newline in it
// (a HID name from a USB string) could pose as one.
Generation generation_of(uint64_t inode, std::string_view subsystem, Block block) {
    return {.inode = inode,
            .ifindex = subsystem == "net" ? number(find_in(block, "IFINDEX")) : 0,
            .diskseq = subsystem == "block" ? number(find_in(block, "DISKSEQ")) : 0};
}

bool has_uevent_file(int fd) {
    struct stat status {};
    return fstatat(fd, "uevent", &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode);
}

// The lines of a uevent file as a block. Those that we know better are left out, and so is what
// is no variable: the rest of a value with a newline in it.
std::string block_of(std::string_view devpath, std::string_view subsystem, std::string_view file) {
    constexpr std::array<std::string_view, 4> kOurs{"DEVPATH=", "SUBSYSTEM=", "ACTION=", "SEQNUM="};
    std::string out;
    out.reserve(32 + devpath.size() + subsystem.size() + file.size());
    out.append("DEVPATH=").append(devpath).push_back('\0');
    if (!subsystem.empty()) out.append("SUBSYSTEM=").append(subsystem).push_back('\0');
    while (!file.empty()) {
        std::string_view line = file.substr(0, file.find('\n'));
        file.remove_prefix(std::min(line.size() + 1, file.size()));
        size_t equals = line.find('=');
        if (equals == 0 || equals == std::string_view::npos) continue;
        if (line.find('\0') != std::string_view::npos) continue;
        bool ours = false;
        for (std::string_view key : kOurs) ours |= line.starts_with(key);
        if (!ours) out.append(line).push_back('\0');
    }
    return out;
}

}  // namespace

std::optional<std::string> read_attribute(int fd, const std::string& name) {
    int error = 0;
    if (climbs_out(name)) return std::nullopt;
    std::optional<std::string> text = read_file(fd, name.c_str(), error);
    if (text && text->ends_with('\n')) text->pop_back();
    return text;
}

std::optional<FoundDevice> read_device(int fd, std::string devpath, const AttributeNeeds& needs,
                                       const BeforeRead& before) {
    int error = 0;
    if (before) before(devpath, "uevent");
    std::optional<std::string> file = read_file(fd, "uevent", error);
    // Any other failure is the driver's (its uevent callback): the device is there all the same.
    if (!file && (error == ENOENT || error == ENODEV)) return std::nullopt;
    struct stat status {};
    if (fstat(fd, &status) != 0) return std::nullopt;

    FoundDevice device;
    device.subsystem = link_target_name(fd, "subsystem");
    device.block = block_of(devpath, device.subsystem, file ? *file : std::string());
    device.devpath = std::move(devpath);
    device.standing = {.exists = true,
                       .device = true,
                       .generation = generation_of(status.st_ino, device.subsystem, device.block),
                       .driver = link_target_name(fd, "driver"),
                       .attributes = read_attributes(
                           fd, device.devpath, needs.for_subsystem(device.subsystem), before)};
    return device;
}

Sysfs::Sysfs(const std::string& root)
    : root_(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

Descriptor Sysfs::open_directory(std::string_view devpath) const {
    std::string path = relative(devpath);
    if (path.empty()) {
        errno = ENOENT;
        return {};
    }
    open_how how{};
    how.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    auto fd = static_cast<int>(syscall(SYS_openat2, root_.get(), path.c_str(), &how, sizeof how));
    // Before Linux 5.6, or below a seccomp filter that does not know it (containers): without the
    // check of the middle of the path, which the kernel's own devpaths do not need.
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = openat(root_.get(), path.c_str(), static_cast<int>(how.flags));
    return Descriptor(fd);
}

bool Sysfs::is_device(std::string_view devpath) const {
    if (!devpath.starts_with(kDevices)) return false;
    Descriptor directory = open_directory(devpath);
    return directory && has_uevent_file(directory.get());
}

bool Sysfs::is_subsystem(std::string_view name) const {
    for (const char* kind : {"class/", "bus/"})
        if (faccessat(root_.get(), (kind + std::string(name)).c_str(), F_OK, 0) == 0) return true;
    return false;
}

Standing Sysfs::standing(std::string_view devpath, Block block) const {
    Standing out;
    struct stat status {};
    Descriptor directory = open_directory(devpath);
    if (!directory) {
        // Out of descriptors is not "gone": a path can be asked for its status without one.
        bool exhausted = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
        std::string path = relative(devpath);
        out.exists =
            exhausted && fstatat(root_.get(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
        out.device = out.exists && devpath.starts_with(kDevices) &&
                     faccessat(root_.get(), (path + "/uevent").c_str(), F_OK, 0) == 0;
    } else if (fstat(directory.get(), &status) == 0) {
        out.exists = true;
        out.device = devpath.starts_with(kDevices) && has_uevent_file(directory.get());
    }
    out.generation = generation_of(status.st_ino, find_in(block, "SUBSYSTEM").value_or(""), block);
    return out;
}

std::optional<FoundDevice> Sysfs::read(std::string_view devpath, const AttributeNeeds& needs,
                                       const BeforeRead& before) const {
    if (!devpath.starts_with(kDevices)) return std::nullopt;
    Descriptor directory = open_directory(devpath);
    if (!directory) return std::nullopt;
    return read_device(directory.get(), std::string(devpath), needs, before);
}

std::optional<AttributesRead> Sysfs::attributes(std::string_view devpath,
                                                std::span<const std::string> names,
                                                const BeforeRead& before) const {
    if (!devpath.starts_with(kDevices)) return std::nullopt;
    Descriptor directory = open_directory(devpath);
    struct stat status {};
    if (!directory || fstat(directory.get(), &status) != 0) return std::nullopt;
    AttributesRead out{.devpath = std::string(devpath),
                       .generation = {.inode = status.st_ino},
                       .attributes = read_attributes(directory.get(), devpath, names, before)};
    // Asked last: a device that goes loses `uevent` before the attributes of its class and type
    // (device_del, drivers/base/core.c), so where it is left, none of them is missing for that.
    if (!has_uevent_file(directory.get())) return std::nullopt;
    return out;
}

}  // namespace devmux
