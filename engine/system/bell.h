// How one thread wakes another that waits in poll(2): an eventfd(2). Rung any number of times before anybody
// looks, it wakes once; silenced, it waits for the next ring.
#pragma once

#include <sys/eventfd.h>

#include "engine/system/descriptor.h"

namespace devmux {

class Bell {
  public:
    int fd() const { return fd_.get(); }  // readable since it was rung
    void ring() const { (void)eventfd_write(fd_.get(), 1); }
    void silence() const {
        eventfd_t count = 0;
        (void)eventfd_read(fd_.get(), &count);
    }

  private:
    Descriptor fd_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

}  // namespace devmux
