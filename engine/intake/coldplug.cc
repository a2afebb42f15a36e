// See coldplug.h. Half of the directories below devices/ are groups of attributes ("power",
// "statistics"). They are told from devices without a list of names: a directory of kernfs with a
// link count of two has no directory in it (kernfs_refresh_inode, fs/kernfs/inode.c), so unless it
// has a `uevent` file itself, nothing in it needs to be read. File systems that count otherwise
// (btrfs, overlayfs: always one) are simply walked in full.
#include "engine/intake/coldplug.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <string>

#include "engine/system/errno_error.h"

namespace devmux {
namespace {

class Walk {
  public:
    Walk(const AttributeNeeds& needs, const BeforeRead& before, std::vector<FoundDevice>& devices)
        : needs_(needs), before_(before), devices_(devices), path_("/devices") {}

    std::optional<Error> start(int root) { return enter(root, "devices", 0); }

  private:
    // What a listing says of a directory; the names of its directories lie in names_.
    struct Listing {
        bool uevent = false;
        std::optional<Error> error;
    };

    static bool vanished(int error) {
        // ELOOP, ENOTDIR: its place was taken by something else.
        return error == ENOENT || error == ENODEV || error == ENOTDIR || error == ELOOP;
    }

    Error failure(const char* what, int error) const {
        return errno_error(path_, what, error, "a walk that leaves devices out would take them for gone");
    }

    std::optional<Error> enter(int parent, const char* name, size_t depth) {
        Descriptor directory(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!directory) {
            if (depth > 0 && vanished(errno)) return std::nullopt;
            return failure("opening this directory", errno);
        }
        size_t first = names_.size();
        Listing listing = list(directory.get());
        if (listing.error) return listing.error;
        if (listing.uevent && depth > 0)
            if (auto device = read_device(directory.get(), path_, needs_, before_)) {
                if (devices_.size() == kWalkMaxDevices)
                    return Error{.where = {.file = path_}, .what = "more than 1,000,000 devices"};
                devices_.push_back(std::move(*device));
            }
        std::optional<Error> error = descend(directory.get(), first, depth);
        names_.resize(first);
        return error;
    }

    std::optional<Error> descend(int directory, size_t first, size_t depth) {
        // names_ may move while a deeper level adds to it: copy the name out of it.
        for (size_t at = first; at < names_.size();) {
            std::string name(names_.data() + at);
            at += name.size() + 1;
            if (is_plain_leaf(directory, name)) continue;
            if (depth == kWalkMaxDepth)
                return Error{.where = {.file = path_}, .what = "more than 64 directories deep"};
            size_t length = path_.size();
            path_.append("/").append(name);
            std::optional<Error> error = enter(directory, name.c_str(), depth + 1);
            if (error) return error;
            path_.resize(length);
        }
        return std::nullopt;
    }

    static bool is_plain_leaf(int directory, const std::string& name) {
        struct stat status {};
        if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
            return vanished(errno);
        return status.st_nlink == 2 &&
               faccessat(directory, (name + "/uevent").c_str(), F_OK, 0) != 0 && errno == ENOENT;
    }

    Listing list(int directory) {
        Listing out;
        while (true) {
            ssize_t length = getdents64(directory, entries_.get(), kEntriesBytes);
            if (length < 0 && !vanished(errno))
                out.error = failure("listing this directory", errno);
            if (length <= 0) return out;
            for (ssize_t at = 0; at < length;) {
                // The kernel aligns its records to eight bytes, and new[] the buffer to more.
                const auto* entry = reinterpret_cast<const dirent64*>(entries_.get() + at);
                at += entry->d_reclen;
                take(directory, *entry, out);
            }
        }
    }

    void take(int directory, const dirent64& entry, Listing& out) {
        unsigned char type = entry.d_type;
        std::string_view name(entry.d_name);
        if (type == DT_UNKNOWN) {
            struct stat status {};
            if (fstatat(directory, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) return;
            type = S_ISDIR(status.st_mode) ? DT_DIR : S_ISREG(status.st_mode) ? DT_REG : DT_LNK;
        }
        if (type == DT_REG && name == "uevent") out.uevent = true;
        if (type == DT_DIR && name != "." && name != "..") names_.append(name).push_back('\0');
    }

    static constexpr size_t kEntriesBytes = 32768;
    const AttributeNeeds& needs_;
    const BeforeRead& before_;
    std::vector<FoundDevice>& devices_;
    std::string path_;
    std::string names_;  // directories still to enter, of all levels: "a\0b\0"
    std::unique_ptr<char[]> entries_{new char[kEntriesBytes]};
};

// The paths that `devpath` may have its ancestors at, the shortest first, until one of them
// `is_it`.
template <class Question>
bool any_prefix(std::string_view devpath, const Question& is_it) {
    constexpr std::string_view kDevices = "/devices/";
    if (!devpath.starts_with(kDevices)) return false;
    for (size_t end = devpath.find('/', kDevices.size()); end != std::string_view::npos;
         end = devpath.find('/', end + 1))
        if (is_it(devpath.substr(0, end))) return true;
    return false;
}

}  // namespace

// Without the file (a made-up tree, a kernel that has none) every event is younger than the walk.
uint64_t newest_event(const Sysfs& sysfs) {
    std::optional<std::string> text = read_attribute(sysfs.root_fd(), "kernel/uevent_seqnum");
    std::string_view digits = text ? std::string_view(*text) : std::string_view();
    uint64_t seqnum = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), seqnum);
    return seqnum;
}

Result<Snapshot> walk_sysfs(const Sysfs& sysfs, const AttributeNeeds& needs,
                            const BeforeRead& before) {
    Snapshot snapshot;
    snapshot.seqnum = newest_event(sysfs);
    if (std::optional<Error> error = Walk(needs, before, snapshot.devices).start(sysfs.root_fd()))
        return std::move(*error);
    return snapshot;
}

std::vector<FoundDevice> unknown_ancestors(const Sysfs& sysfs, const AttributeNeeds& needs,
                                           std::string_view devpath,
                                           const std::function<bool(std::string_view)>& known,
                                           const BeforeRead& before) {
    std::vector<FoundDevice> out;
    any_prefix(devpath, [&](std::string_view prefix) {
        if (known(prefix)) return false;
        if (std::optional<FoundDevice> device = sysfs.read(prefix, needs, before))
            out.push_back(std::move(*device));
        return false;
    });
    return out;
}

bool has_unknown_ancestor(const Sysfs& sysfs, std::string_view devpath,
                          const std::function<bool(std::string_view)>& known) {
    return any_prefix(devpath, [&](std::string_view prefix) {
        return !known(prefix) && sysfs.is_device(prefix);
    });
}

}  // namespace devmux
