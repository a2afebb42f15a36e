// The socket at which daemons say that they are ready: "READY=1" of sd_notify(3), in a datagram.
//
// It has a path in the runtime directory: an abstract name would be heard in this network namespace alone,
// and could be taken by anybody before us. Everybody may write to it, for a daemon may run as another user;
// the kernel says who has written (SO_PASSCRED, unix(7)), and only a job's main process is believed.
#pragma once

#include <string>
#include <vector>

#include "conditions/result.h"
#include "engine/system/descriptor.h"

namespace devmux {

class NotifySocket {
  public:
    // Whatever stands at `path` is replaced.
    static Result<NotifySocket> open(const std::string& path);

    int fd() const { return fd_.get(); }
    const std::string& path() const { return path_; }

    // Who has said READY=1 since the last time: process numbers. At most so many messages are read that the
    // loop can go on; the socket stays readable.
    std::vector<int> take();

  private:
    std::string path_;
    Descriptor fd_;
};

}  // namespace devmux
