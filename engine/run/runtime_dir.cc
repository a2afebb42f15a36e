// See runtime_dir.h. The lock file holds "PID START\n": START, the start time in clock ticks, tells
// the daemon that wrote it from a later process with its number. The file is never removed: a lock
// on a name that somebody else can create anew is no lock.
#include "engine/run/runtime_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include <cstdio>
#include <optional>

#include "engine/run/process_stat.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

std::string octal(mode_t mode) {
    char text[8];
    snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode & 07777));
    return text;
}

// The directory `name` below `at`, made if missing; ours, and nobody else's to write into.
Result<Descriptor> own_directory(int at, const char* name, const std::string& path) {
    // umask(2) is the process's; it must not decide who can read the units' output.
    bool made = mkdirat(at, name, 0755) == 0;
    if (!made && errno != EEXIST)
        return errno_error(path, "the runtime directory cannot be created", errno);
    Descriptor fd(openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && (errno == ELOOP || errno == ENOTDIR))
        return Error{Mark{path},
                     "is a symbolic link or no directory; the runtime directory must be "
                     "a directory itself",
                     "", -1, "name a directory of devmux's own with --runtime-dir"};
    struct stat status {};
    if (!fd || fstat(fd.get(), &status) != 0)
        return errno_error(path, "the runtime directory cannot be opened", errno);
    if (made) {
        fchmod(fd.get(), 0755);
        return fd;
    }
    if (status.st_uid != geteuid())
        return Error{Mark{path},
                     "belongs to user " + std::to_string(status.st_uid) + ", expected " +
                         std::to_string(geteuid()),
                     "", -1, "name a directory of devmux's own with --runtime-dir"};
    if (status.st_mode & 022)
        return Error{Mark{path},
                     "may be written by others (mode " + octal(status.st_mode) +
                         "); its content decides what is started",
                     "", -1,
                     // One that everybody uses is not to be taken from them.
                     status.st_mode & S_ISVTX ? "name a directory of devmux's own with --runtime-dir: " + path + "/devmux"
                                              : "chmod go-w " + path};
    return fd;
}

// Who the lock file names, if that process still lives.
std::optional<int> live_owner(int lock, const std::string& proc) {
    char text[64] = {};
    int pid = 0;
    unsigned long long start = 0;
    if (pread(lock, text, sizeof text - 1, 0) <= 0) return std::nullopt;
    if (sscanf(text, "%d %llu", &pid, &start) != 2 || pid <= 0) return std::nullopt;
    std::optional<ProcessStat> stat = process_stat(proc, pid);
    if (!stat || stat->dead() || stat->start_ticks != start) return std::nullopt;
    return pid;
}

std::optional<Error> take_lock(int lock, const std::string& path, const std::string& proc,
                               Duration patience) {
    // No way to wait for a lock with a time limit but a signal: short steps instead. It is a way
    // that is taken once in a daemon's life, if ever.
    constexpr Duration kStep = std::chrono::milliseconds(20);
    for (Duration waited{};; waited += kStep) {
        if (flock(lock, LOCK_EX | LOCK_NB) == 0) return std::nullopt;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return errno_error(path + "/lock", "cannot be locked", errno);
        // Asked each time: who just took the lock has not written its number yet.
        if (std::optional<int> pid = live_owner(lock, proc))
            return Error{Mark{}, "already running as pid " + std::to_string(*pid) + " on " + path,
                         "", -1, "stop that one, or choose another --runtime-dir"};
        if (waited >= patience) break;
        timespec step{.tv_sec = 0, .tv_nsec = kStep.count()};
        nanosleep(&step, nullptr);
    }
    return Error{Mark{path + "/lock"},
                 "still held, after " + to_string(patience) +
                     ", by a child of a former devmuxd that has not started its program",
                 "", -1, "`fuser " + path + "/lock` names it"};
}

}  // namespace

Result<RuntimeDir> RuntimeDir::open(const std::string& path, const std::string& proc,
                                    Duration patience) {
    RuntimeDir out;
    out.path_ = path;
    Result<Descriptor> directory = own_directory(AT_FDCWD, path.c_str(), path);
    if (!directory) return std::move(directory.error());
    out.directory_ = std::move(*directory);
    Result<Descriptor> log = own_directory(out.directory_.get(), "log", out.log_path());
    if (!log) return std::move(log.error());
    out.lock_.reset(
        openat(out.directory_.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!out.lock_) return errno_error(path + "/lock", "cannot be opened", errno);
    if (auto error = take_lock(out.lock_.get(), path, proc, patience)) return std::move(*error);

    std::optional<ProcessStat> self = process_stat(proc, getpid());
    std::string text =
        std::to_string(getpid()) + " " + std::to_string(self ? self->start_ticks : 0) + "\n";
    // The new text is in place before the old one's rest is cut off: there is always a number.
    if (pwrite(out.lock_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ftruncate(out.lock_.get(), static_cast<off_t>(text.size())) != 0)
        return errno_error(path + "/lock", "cannot be written", errno);
    return out;
}

}  // namespace devmux
