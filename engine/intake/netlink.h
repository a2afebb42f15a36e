// The kernel's own announcements: netlink, NETLINK_KOBJECT_UEVENT, group 1 (netlink(7)). Messages
// are read in batches and handed out one by one, so that a storm costs a fraction of a system call
// per event and no allocation. Only the kernel is believed; who else spoke is told to the caller.
#pragma once

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "conditions/result.h"
#include "engine/intake/received.h"
#include "engine/system/descriptor.h"

namespace devmux {

// Why a message with this sender is not the kernel's; nothing when it is. `flags` are those of
// recvmsg: MSG_CTRUNC means that the credentials were cut off. `credentials` null: none came.
std::optional<std::string> refuse_sender(const sockaddr_nl& address, const ucred* credentials,
                                         unsigned flags);

// After an overrun the kernel throws away everything until the socket has been read empty, and
// says so only once (netlink_overrun, netlink_rcv_wake in net/netlink/af_netlink.c); it also says
// so before the older messages that are still queued. Therefore: read on until Empty, and only
// then look at sysfs again.
class NetlinkSource {
  public:
    // A socket bound to the kernel's group, not blocking, with a receive buffer of that many bytes
    // (as root; as much as net.core.rmem_max allows otherwise) and the senders' credentials.
    static Result<int> open_uevent_socket(int receive_buffer_bytes);

    // Takes over `fd` and closes it in the end. A longer message than `buffer_bytes` is Truncated.
    explicit NetlinkSource(int fd, size_t buffer_bytes = 8192);
    NetlinkSource(NetlinkSource&&) noexcept;
    NetlinkSource& operator=(NetlinkSource&&) noexcept;
    ~NetlinkSource();

    int fd() const { return fd_.get(); }

    // False when there is nothing more to read for now: Empty or Failed.
    bool next(Received& received);

  private:
    struct Batch;
    bool fill(Received& received);

    Descriptor fd_;
    std::unique_ptr<Batch> batch_;
};

}  // namespace devmux
