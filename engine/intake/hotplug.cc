// See hotplug.h. One datagram for each recvmsg(2): somebody forked and executed a program to send
// it, so a system call more is not what it costs.
//
// How much waits here is decided by net.unix.max_dgram_qlen alone, as it was when the socket was
// made (unix_create1 and unix_recvq_full in net/unix/af_unix.c): with the kernel's default of 10
// eleven datagrams, with the 512 that systemd sets at boot 513. SO_RCVBUF is never looked at: a
// queued datagram counts against the sender's SO_SNDBUF, and each sender has a socket of its own
// and sends one. So nothing is set here. A full queue loses no event: the kernel keeps the senders
// in line.
#include "engine/intake/hotplug.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "engine/system/errno_error.h"

namespace devmux {
namespace {

Error failure(const std::string& path, std::string what, std::string hint = "") {
    return {.where = {path, 0, 0},
            .what = std::move(what),
            .source = "",
            .caret = -1,
            .hint = std::move(hint)};
}

// Room for the sender's credentials and nothing else: descriptors that somebody attaches are closed
// by the kernel (scm_detach_fds in net/core/scm.c), and MSG_CTRUNC says so.
struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(sizeof(ucred))> bytes;
};

std::optional<ucred> credentials_of(msghdr& header) {
    const cmsghdr* part = CMSG_FIRSTHDR(&header);
    if (!part || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_CREDENTIALS ||
        part->cmsg_len != CMSG_LEN(sizeof(ucred)))
        return std::nullopt;
    ucred found;
    std::memcpy(&found, CMSG_DATA(part), sizeof found);
    return found;
}

// Why we do not listen to this sender; empty when we do. The kernel vouches for the uid: only who
// has CAP_SETUID may write another one than its own (scm_check_creds), and a user namespace's root
// is here the user that it is outside. A process that our pid namespace does not know has pid 0.
std::string refusal(const std::optional<ucred>& sender, int flags, uid_t ours) {
    if (!sender) return "without credentials";
    std::string who =
        "uid " + std::to_string(sender->uid) + " (process " + std::to_string(sender->pid) + ")";
    if (sender->uid != 0 && sender->uid != ours)
        return who + " may not tell us of events: only root" +
               (ours == 0 ? std::string() : " and uid " + std::to_string(ours)) + " may";
    if ((flags & MSG_CTRUNC) != 0)
        return who + " attached more than its credentials: expected nothing else";
    return "";
}

}  // namespace

Result<HotplugSocket> HotplugSocket::open(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return failure(path, "the path of a socket has 1 to " +
                                 std::to_string(sizeof address.sun_path - 1) +
                                 " bytes: choose a shorter --runtime-dir");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);

    struct stat old {};
    if (lstat(path.c_str(), &old) == 0) {
        if (!S_ISSOCK(old.st_mode))
            return failure(path, "is there already and is no socket",
                           "remove it, if it is not needed");
        if (::unlink(path.c_str()) != 0)
            return errno_error(path, "the old socket cannot be removed", errno);
    }
    Descriptor fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return errno_error(path, "cannot make a socket", errno);
    // On Linux the file gets the mode of the socket: there is no moment in which it is wider.
    if (fchmod(fd.get(), 0600) != 0)
        return errno_error(path, "cannot restrict the socket", errno);
    // Before there is anybody to send: what was queued without it has nobody's credentials for
    // ever.
    int on = 1;
    if (setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)
        return errno_error(path, "cannot ask for the senders' credentials", errno);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return errno_error(path, "cannot be bound", errno,
                       "is the runtime directory there, and writable?");
    return HotplugSocket(std::move(fd), path);
}

HotplugSocket::HotplugSocket(Descriptor fd, std::string path)
    : fd_(std::move(fd)), path_(std::move(path)), buffer_(new char[kHotplugMaxBytes]) {}

// Each keeps the path of its own socket, so that the right file goes.
HotplugSocket& HotplugSocket::operator=(HotplugSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    path_.swap(other.path_);
    buffer_.swap(other.buffer_);
    return *this;
}

HotplugSocket::~HotplugSocket() {
    if (fd_) ::unlink(path_.c_str());
}

bool HotplugSocket::next(Received& received) {
    received.message = {};
    received.why.clear();
    Control control;
    iovec vector{buffer_.get(), kHotplugMaxBytes};
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes.data();
    header.msg_controllen = control.bytes.size();
    ssize_t size = 0;
    do {
        size = recvmsg(fd_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0) {
        // Without memory for it the datagram stays where it is.
        bool later = errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS;
        received.kind = later ? Received::Kind::Empty : Received::Kind::Failed;
        if (!later) received.why = "reading " + path_ + ": " + errno_text(errno);
        return false;
    }
    received.why = refusal(credentials_of(header), header.msg_flags, geteuid());
    if (!received.why.empty()) {
        received.kind = Received::Kind::Refused;
    } else if ((header.msg_flags & MSG_TRUNC) != 0) {
        received.kind = Received::Kind::Truncated;
        received.why = "longer than " + std::to_string(kHotplugMaxBytes) + " bytes";
    } else {
        received.kind = Received::Kind::Message;
        received.message = {buffer_.get(), static_cast<size_t>(size)};
    }
    return true;
}

}  // namespace devmux
