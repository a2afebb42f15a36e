// The runtime directory: the saved state, the units' output, and the lock that says whose it is.
//
// The lock is flock(2) on a descriptor that is closed on exec. A child that has not become its
// program yet holds it too, even when the daemon was killed: whoever gets the lock knows that every
// start of the former daemon has either left its mark or will never run.
#pragma once

#include <string>

#include "conditions/duration.h"
#include "conditions/result.h"
#include "engine/system/descriptor.h"

namespace devmux {

class RuntimeDir {
  public:
    // Creates the directory (not its parents) and `log` in it where they are missing, and takes the
    // lock; `proc` is where procfs is mounted. Waits at most `patience` for children of a daemon
    // that was killed; another daemon that is alive is an error at once.
    static Result<RuntimeDir> open(const std::string& path, const std::string& proc,
                                   Duration patience = std::chrono::seconds(10));

    const std::string& path() const { return path_; }
    std::string log_path() const { return path_ + "/log"; }
    int fd() const { return directory_.get(); }

  private:
    RuntimeDir() = default;

    std::string path_;
    Descriptor directory_;
    Descriptor lock_;
};

}  // namespace devmux
