// See path_walk.h. O_PATH without O_DIRECTORY on a single component triggers no automount
// (follow_automount in fs/namei.c). One that is not mounted shows as autofs itself, or by its statx
// attribute (NFS, AFS). Directories of an indirect autofs map are autofs too, but what is mounted
// in them is not: so only autofs inside of autofs is in the way, and a name missing in autofs.
#include "engine/intake/path_walk.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <array>
#include <cerrno>
#include <climits>
#include <utility>

namespace devmux {
namespace {

bool is_autofs(int fd) {
    struct statfs status {};
    return fstatfs(fd, &status) == 0 && status.f_type == AUTOFS_SUPER_MAGIC;
}

Truth missing(int error, int parent) {
    if (error == ENOTDIR || error == ENOENT)
        return is_autofs(parent) ? Truth::Unknown : Truth::False;
    return error == ENAMETOOLONG ? Truth::False : Truth::Unknown;
}

}  // namespace

PathWalk::PathWalk(int inotify, const std::string& root) : inotify_(inotify) {
    way_.push_back({Descriptor(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), root});
}

PathAnswer PathWalk::resolve(std::string path) {
    Truth exists = way_.front().fd ? walk(std::move(path)) : Truth::Unknown;
    return {exists, std::move(steps_), std::move(found_)};
}

Truth PathWalk::walk(std::string rest) {
    while (true) {
        rest.erase(0, rest.find_first_not_of('/'));
        if (rest.empty()) return found_ = way_.back().path, Truth::True;
        std::string name = rest.substr(0, rest.find('/'));
        rest.erase(0, name.size());
        bool last = rest.find_first_not_of('/') == std::string::npos;
        if (name == ".." && way_.size() > 1) way_.pop_back();
        if (name == "." || name == "..") continue;
        if (!listen(name)) return Truth::Unknown;

        int parent = way_.back().fd.get();
        Descriptor fd(openat(parent, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (!fd) return missing(errno, parent);
        struct statx status {};
        if (statx(fd.get(), "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_TYPE, &status) != 0)
            return Truth::Unknown;
        if (S_ISLNK(status.stx_mode)) {
            std::optional<std::string> target = follow(fd.get());
            if (!target) return Truth::False;
            rest.insert(0, *target);
            continue;
        }
        if (last) return found_ = way_.back().path + '/' + name, Truth::True;
        if (!S_ISDIR(status.stx_mode)) return Truth::False;
        if ((status.stx_attributes & STATX_ATTR_AUTOMOUNT) != 0) return Truth::Unknown;
        if (is_autofs(fd.get()) && is_autofs(parent)) return Truth::Unknown;
        way_.push_back({std::move(fd), way_.back().path + '/' + name});
    }
}

bool PathWalk::listen(const std::string& name) {
    constexpr uint32_t kNames = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
    // The root may be given as a link; what is below it was found not to be one.
    uint32_t follow = way_.size() > 1 ? IN_DONT_FOLLOW : 0;
    int watch = inotify_add_watch(inotify_, way_.back().path.c_str(),
                                  kNames | IN_DELETE_SELF | IN_MOVE_SELF | follow);
    // Gone meanwhile: the watch above it has noticed.
    if (watch < 0 && errno != ENOENT && errno != ENOTDIR) return false;
    steps_.push_back({watch, name});
    return true;
}

// Where a link leads, and the way back to the root if need be; nothing after too many of them.
std::optional<std::string> PathWalk::follow(int link) {
    constexpr int kMaxLinks = 40;  // as the kernel: path_resolution(7)
    std::array<char, PATH_MAX> target;
    ssize_t length = readlinkat(link, "", target.data(), target.size());
    if (++links_ > kMaxLinks || length <= 0) return std::nullopt;
    if (target[0] == '/') way_.resize(1);
    return std::string(target.data(), static_cast<size_t>(length));
}

}  // namespace devmux
