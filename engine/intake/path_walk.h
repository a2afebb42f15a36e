// Does a path lead to a file, and whose changes could alter that? Resolved here instead of by the
// kernel, component by component, because every directory on the way has to be watched *before* a
// name is looked up in it, and because no automount may be triggered by looking (files.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conditions/truth.h"
#include "engine/system/descriptor.h"

namespace devmux {

// A name that was looked up in a directory; `watch` is the inotify watch of that directory, or -1
// where it was gone already.
struct PathStep {
    int watch = -1;
    std::string name;
};

struct PathAnswer {
    Truth exists = Truth::Unknown;
    std::vector<PathStep> steps;
    std::string path = {};  // of True: the same without links, with the root in front
};

class PathWalk {
  public:
    // Below `root`, as if by chroot(2): absolute links and ".." do not leave it.
    PathWalk(int inotify, const std::string& root);

    // Once per object. Unknown: an automount that is not mounted is in the way, a directory may
    // not be read, or there are no more inotify watches (a guess could go stale unnoticed).
    PathAnswer resolve(std::string path);

  private:
    struct Place {
        Descriptor fd;
        std::string path;
    };

    Truth walk(std::string rest);
    bool listen(const std::string& name);
    std::optional<std::string> follow(int link);

    int inotify_;
    int links_ = 0;
    std::vector<Place> way_;  // the directories from the root to here
    std::vector<PathStep> steps_;
    std::string found_;
};

}  // namespace devmux
