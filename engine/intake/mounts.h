// Where paths lie in the tree of mounts, told as it changes. A thread reads the table beside the loop: it
// may have 10,000 lines, and /etc/fstab may lie on a server that does not answer. The caller polls one
// descriptor. Nothing wakes anyone while nothing is mounted.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "conditions/result.h"
#include "engine/intake/event.h"

namespace devmux {

class MountWatch {
  public:
    // Paths are below `root`, as if by chroot(2), and so is etc/fstab. `mountinfo`: of this process, and
    // so of the mount namespace that it is in.
    MountWatch(std::string root, std::string mountinfo);
    ~MountWatch();
    MountWatch(const MountWatch&) = delete;
    MountWatch& operator=(const MountWatch&) = delete;

    int fd() const;  // readable when take() has something

    // Replaces the whole set, of paths and of the facilities $local_fs and $remote_fs. Each path is answered at least once, also when it was watched before, and
    // fstab is read anew. No thread is started for an empty set.
    void watch(std::set<std::string> paths);

    // What changed since the last call: of each path what the last reading found.
    MountsSeen take();
    // A table could not be read: told once, until it could.
    std::optional<Error> take_trouble();

    struct Shared;  // with the worker; outlives this object if the worker hangs

  private:
    std::shared_ptr<Shared> shared_;
    bool running_ = false;
};

}  // namespace devmux
