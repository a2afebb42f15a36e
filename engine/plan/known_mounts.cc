// See known_mounts.h.
#include "engine/plan/known_mounts.h"

#include "conditions/text.h"
#include "engine/plan/kernel_arguments.h"

namespace devmux {
namespace {

constexpr std::string_view kAutomount = "autofs";

// The file system that the kernel itself, or an initramfs, is going to mount as root; "" where the line
// does not say. Documentation/admin-guide/nfs/nfsroot.rst: root=/dev/nfs, nfsroot=SERVER:/PATH;
// initramfs-tools(7): boot=nfs; dracut.cmdline(7): root=nfs:…, root=nfs4:…, root=dhcp.
Mount root_of_command_line(std::string_view line) {
    std::string root, nfsroot, type;
    bool boots_from_nfs = false, has_nfsroot = false;
    for (const std::string& word : kernel_arguments(line)) {
        if (word.starts_with("root=")) root = word.substr(5);
        if (word.starts_with("rootfstype=")) type = word.substr(11);
        if (word == "boot=nfs") boots_from_nfs = true;
        if (word.starts_with("nfsroot=")) has_nfsroot = true, nfsroot = word.substr(8);
    }
    bool open = root.empty() || root.starts_with("dhcp");  // nfsroot= decides; root=/dev/sda1 makes it idle
    bool nfs4 = root.starts_with("nfs4:");
    bool nfs = nfs4 || root.starts_with("nfs:") || root == "/dev/nfs" || boots_from_nfs || (open && has_nfsroot);
    if (!nfs) return {type.empty() ? "" : "/", type, root};
    std::string source = nfsroot.empty() && root.starts_with("nfs") ? root.substr(root.find(':') + 1) : nfsroot;
    return {"/", nfs4 ? "nfs4" : "nfs", source};
}

bool is_deeper(const Mount& a, const Mount& b) { return a.point.size() > b.point.size(); }

// What it will lie on: the mount that is there, unless boot is going to put another one over it. All
// of these points lead to one path, so the longer is the deeper one.
Mount expected(const MountSeen& seen, std::string_view kernel_command_line) {
    const Mount& now = seen.now;
    if (now.point.empty()) return now;
    if (is_deeper(seen.listed, now)) return seen.listed;
    if (now.type == kAutomount && seen.listed.point == now.point) return seen.listed;
    // Still the kernel's first, empty root (Documentation/filesystems/ramfs-rootfs-initramfs.rst).
    if (now.type != "rootfs") return now;
    Mount root = root_of_command_line(kernel_command_line);
    if (!root.point.empty()) return root;
    return seen.listed.point.empty() ? now : seen.listed;
}

const MountSeen* find(const KnownMounts& mounts, const FactKey& key) {
    auto it = mounts.find(std::string(mount_path(key)));
    return it == mounts.end() || it->second.now.point.empty() ? nullptr : &it->second;
}

bool is_of_type(std::string_view asked, std::string_view type) {
    return lower(type) == asked || (asked == "nfs" && type == "nfs4");
}

std::string described(const Mount& mount) {
    if (mount.type.empty()) return "a file system that cannot be seen from here";
    return printable(mount.type) + (mount.source.empty() ? "" : " (" + printable(mount.source) + ")");
}

}  // namespace

bool take_in(const MountSeen& seen, KnownMounts& mounts) {
    auto it = mounts.find(seen.path);
    bool known = !seen.now.point.empty();
    if (it == mounts.end() ? !known : it->second == seen) return false;
    if (known) mounts[seen.path] = seen;
    else mounts.erase(it);
    return true;
}

Truth is_mounted(const KnownMounts& mounts, const FactKey& key) {
    const MountSeen* seen = find(mounts, key);
    if (!seen) return Truth::Unknown;
    return truth_of(seen->now.point == seen->path && seen->now.type != kAutomount);
}

Truth is_on_type(const KnownMounts& mounts, const FactKey& key, std::string_view kernel_command_line) {
    const MountSeen* seen = find(mounts, key);
    if (!seen) return Truth::Unknown;
    Mount on = key.expected ? expected(*seen, kernel_command_line) : seen->now;
    return on.type.empty() ? Truth::Unknown : truth_of(is_of_type(mount_type(key), on.type));
}

std::string seen_of_mounts(const KnownMounts& mounts, const FactKey& key, std::string_view kernel_command_line) {
    const MountSeen* seen = find(mounts, key);
    if (!seen) return "";
    const Mount& now = seen->now;
    bool there = now.point == seen->path;
    std::string at = there ? "" : ", mounted at " + printable(now.point);
    if (key.expected) {
        Mount will = expected(*seen, kernel_command_line);
        if (will != now)
            return "not mounted yet; " + std::string(will == seen->listed ? "/etc/fstab" : "the kernel's command line") +
                   " says " + described(will);
    }
    if (now.type == kAutomount) return "not mounted: an automount that nobody has used yet" + at;
    if (key.kind == FactKind::Mounted && !there) return "not mounted; it lies on " + described(now) + at;
    return "on " + described(now) + at;
}

std::string seen_of_facility(const KnownMounts& mounts, std::string_view facility) {
    auto it = mounts.find(std::string(facility));
    if (it == mounts.end() || it->second.now.point.empty()) return ": what is mounted is not known yet";
    const Mount& missing = it->second.now;
    return ": " + described(missing) + " of /etc/fstab is not mounted at " + printable(missing.point);
}

}  // namespace devmux
