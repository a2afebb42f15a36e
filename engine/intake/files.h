// Does this file exist? For a bounded set of paths, answered as it changes, and never on the
// caller's time: a worker thread looks, since a path may lead into a server that does not answer.
// The caller polls one descriptor. Nothing wakes anyone while nothing changes.
//
// inotify(7) tells of changes made through this kernel. Not seen are: those that other hosts make
// on a network file system, and those in sysfs and procfs (use a device's attribute for these).
#pragma once

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/intake/event.h"

namespace devmux {

inline constexpr size_t kWatchedFilesMax = 256;

class FileWatch {
  public:
    // Paths are looked up below `root`, as if by chroot(2). `mountinfo`: this process's
    // /proc/…/mountinfo, which tells of mounts that cover a path or lay it bare; "" does without.
    explicit FileWatch(std::string root, std::string mountinfo = "");
    ~FileWatch();
    FileWatch(const FileWatch&) = delete;
    FileWatch& operator=(const FileWatch&) = delete;

    int fd() const;  // readable when take() has something

    // Replaces the whole set. Each path is answered at least once, also when it was watched
    // before. Existence is that of the file a link leads to. Unknown: not absolute, beyond the
    // first 256, behind an automount that is not mounted (looking would mount it), not readable,
    // or the system's inotify watches are used up. No thread is started for an empty set.
    void watch(std::set<std::string> paths);

    // What changed since the last call; of each path the latest answer only.
    std::vector<FileSeen> take();

    struct Shared;  // with the worker; outlives this object if the worker hangs in a dead mount

  private:
    std::shared_ptr<Shared> shared_;
    std::thread worker_;
};

}  // namespace devmux
