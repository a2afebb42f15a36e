// The runlevel that init says the machine is in: the RUN_LVL record of utmp(5), which init(8) writes when
// it leaves the boot sequence and at each change, and under systemd systemd-update-utmp(8), for its
// targets (runlevel(8)). Read on a thread of its own, again at each change of the file: where
// /var is mounted from a server, a path into it may not answer. Nothing wakes anyone while nothing changes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/intake/event.h"

namespace devmux {

// 0 to 9, S. Empty: there is no record (yet: the boot sequence makes the file anew).
std::string runlevel_in(const std::string& utmp);

class RunlevelWatch {
  public:
    // `utmp` is looked up below `root`, as if by chroot(2). `mountinfo`: as for FileWatch (files.h).
    RunlevelWatch(std::string root, std::string utmp, std::string mountinfo);
    ~RunlevelWatch();
    RunlevelWatch(const RunlevelWatch&) = delete;
    RunlevelWatch& operator=(const RunlevelWatch&) = delete;

    int fd() const;  // readable when take() has something
    // The latest, where it is another one than at the last call. The first answer comes in any case, unless
    // the file system does not answer.
    std::optional<RunlevelSeen> take();

    struct Shared;  // with the thread; outlives this object if that hangs in a dead mount

  private:
    std::shared_ptr<Shared> shared_;
};

}  // namespace devmux
