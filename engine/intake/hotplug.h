// Events by datagram: devmux-hotplug, which a device manager executes for each event (the kernel's
// hotplug helper interface, mdev), sends one and is gone. A unix(7) socket in the runtime directory,
// 0600; each sender's credentials are checked all the same, since a descriptor can be handed on.
#pragma once

#include <memory>
#include <string>

#include "conditions/result.h"
#include "engine/intake/received.h"
#include "engine/system/descriptor.h"

namespace devmux {

// The longest datagram: far above what the kernel gives a helper (UEVENT_BUFFER_SIZE 2048).
inline constexpr size_t kHotplugMaxBytes = 8192;
// How long a helper tries to deliver its event while nobody listens, or the queue is full.
inline constexpr int kHotplugRetrySeconds = 30;

class HotplugSocket {
  public:
    // Binds `path`. A socket that stands there already is replaced: the caller holds the lock of the
    // runtime directory. The kernel queues net.unix.max_dgram_qlen datagrams; who comes then waits.
    static Result<HotplugSocket> open(const std::string& path);
    HotplugSocket(HotplugSocket&&) noexcept = default;
    HotplugSocket& operator=(HotplugSocket&& other) noexcept;
    ~HotplugSocket();  // removes the socket

    int fd() const { return fd_.get(); }

    // As NetlinkSource::next(). `message` is as the kernel would have sent it, for parse_uevent().
    // Refused: a sender who is neither root nor our own uid. Truncated: longer than kHotplugMaxBytes.
    bool next(Received& received);

  private:
    HotplugSocket(Descriptor fd, std::string path);
    Descriptor fd_;
    std::string path_;
    std::unique_ptr<char[]> buffer_;
};

}  // namespace devmux
