// See netlink.h. recvmmsg(2) with buffers that are set up once. A kernel message is at most
// UEVENT_BUFFER_SIZE (2048) bytes of variables after a header that repeats two of them; buffers of
// 8 KiB leave room for kernels that raised it, and only the pages written to take memory.
//
// A short batch does not prove the socket empty: an error that follows messages is kept for the
// next call (sys_recvmmsg in net/socket.c). So Empty is said only after an EAGAIN.
#include "engine/intake/netlink.h"

#include <array>
#include <cerrno>
#include <cstring>

#include "engine/system/errno_error.h"

namespace devmux {
namespace {

constexpr size_t kBatch = 16;
constexpr unsigned kKernelGroup = 1;

std::string failure(const char* what, int error) {
    return std::string(what) + ": " + errno_text(error);
}

Error socket_error(const char* what, int error) {
    return Error{.what = failure(what, error),
                 .hint =
                     "without this socket no kernel events are heard; is CONFIG_NET there, and "
                     "may this process open netlink sockets?"};
}

// The sender's credentials, which SO_PASSCRED attaches (unix(7); scm_recv in include/net/scm.h).
std::optional<ucred> credentials_of(msghdr& header) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_CREDENTIALS ||
            part->cmsg_len != CMSG_LEN(sizeof(ucred)))
            continue;
        ucred found;
        std::memcpy(&found, CMSG_DATA(part), sizeof found);
        return found;
    }
    return std::nullopt;
}

}  // namespace

struct NetlinkSource::Batch {
    explicit Batch(size_t bytes) : buffer_bytes(bytes), buffers(new char[kBatch * bytes]) {
        for (size_t i = 0; i < kBatch; ++i) prepare(i);
    }

    struct alignas(cmsghdr) Control {
        std::array<char, CMSG_SPACE(sizeof(ucred))> bytes;
    };
    std::array<mmsghdr, kBatch> headers;
    std::array<iovec, kBatch> vectors;
    std::array<sockaddr_nl, kBatch> addresses;
    std::array<Control, kBatch> controls;
    size_t count = 0, at = 0;
    size_t buffer_bytes;
    std::unique_ptr<char[]> buffers;  // not initialised: a page that no message reached costs none

    char* buffer(size_t i) { return buffers.get() + i * buffer_bytes; }

    void prepare(size_t i) {
        vectors[i] = {buffer(i), buffer_bytes};
        addresses[i] = {};  // a sender of another family may leave it alone
        headers[i] = {};
        msghdr& header = headers[i].msg_hdr;
        header.msg_name = &addresses[i];
        header.msg_namelen = sizeof(sockaddr_nl);
        header.msg_iov = &vectors[i];
        header.msg_iovlen = 1;
        header.msg_control = controls[i].bytes.data();
        header.msg_controllen = controls[i].bytes.size();
    }
};

std::optional<std::string> refuse_sender(const sockaddr_nl& address, const ucred* credentials,
                                         unsigned flags) {
    if (address.nl_family != AF_NETLINK) return "not from a netlink socket";
    if (address.nl_pid != 0)
        return "from the netlink port " + std::to_string(address.nl_pid) +
               ": expected port 0, the kernel";
    if (address.nl_groups != kKernelGroup)
        return "to the netlink groups " + std::to_string(address.nl_groups) +
               ": expected group 1, the kernel's broadcast";
    if ((flags & MSG_CTRUNC) != 0) return "with credentials that were cut off";
    if (!credentials) return "without credentials";
    // 0 is the kernel in any user namespace (uevent_net_broadcast_tagged maps it to its root).
    if (credentials->uid != 0)
        return "with the credentials of uid " + std::to_string(credentials->uid) +
               ": expected 0, the kernel";
    return std::nullopt;
}

Result<int> NetlinkSource::open_uevent_socket(int receive_buffer_bytes) {
    Descriptor fd(
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
    if (!fd) return socket_error("opening the kernel's uevent socket", errno);
    // FORCE needs CAP_NET_ADMIN. The size is a limit: memory is taken as messages queue up.
    int size = receive_buffer_bytes;
    if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0 &&
        setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0)
        return socket_error("setting the receive buffer of the uevent socket", errno);
    int on = 1;
    if (setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)
        return socket_error("asking for credentials on the uevent socket", errno);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = kKernelGroup;
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return socket_error("binding the uevent socket to the kernel's group", errno);
    return fd.release();
}

NetlinkSource::NetlinkSource(int fd, size_t buffer_bytes)
    : fd_(fd), batch_(new Batch(buffer_bytes)) {}

NetlinkSource::NetlinkSource(NetlinkSource&&) noexcept = default;
NetlinkSource& NetlinkSource::operator=(NetlinkSource&&) noexcept = default;
NetlinkSource::~NetlinkSource() = default;

bool NetlinkSource::fill(Received& received) {
    Batch& batch = *batch_;
    for (size_t i = 0; i < batch.count; ++i) batch.prepare(i);
    batch.count = batch.at = 0;
    int count = 0;
    do {
        count = recvmmsg(fd_.get(), batch.headers.data(), kBatch, MSG_DONTWAIT, nullptr);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        batch.count = static_cast<size_t>(count);
        return true;
    }
    int error = errno;
    if (count == 0 || error == EAGAIN) received.kind = Received::Kind::Empty;
    else if (error == ENOBUFS || error == ENOMEM) received.kind = Received::Kind::Overrun;
    else {
        received.kind = Received::Kind::Failed;
        received.why = failure("reading the uevent socket", error);
    }
    return false;
}

bool NetlinkSource::next(Received& received) {
    received.message = {};
    received.why.clear();
    Batch& batch = *batch_;
    if (batch.at == batch.count && !fill(received)) return received.kind == Received::Kind::Overrun;

    size_t i = batch.at++;
    msghdr& header = batch.headers[i].msg_hdr;
    auto flags = static_cast<unsigned>(header.msg_flags);
    std::optional<ucred> credentials = credentials_of(header);
    if (std::optional<std::string> why =
            refuse_sender(batch.addresses[i], credentials ? &*credentials : nullptr, flags)) {
        received.kind = Received::Kind::Refused;
        received.why = std::move(*why);
    } else if ((flags & MSG_TRUNC) != 0) {
        received.kind = Received::Kind::Truncated;
        received.why = "longer than " + std::to_string(batch.buffer_bytes) + " bytes";
    } else {
        received.kind = Received::Kind::Message;
        received.message = {batch.buffer(i), batch.headers[i].msg_len};
    }
    return true;
}

}  // namespace devmux
