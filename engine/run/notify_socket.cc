// See notify_socket.h.
#include "engine/run/notify_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <optional>
#include <string_view>

#include "engine/system/errno_error.h"

namespace devmux {
namespace {

constexpr int kAtOnce = 64;
// systemd's manager takes no longer ones either (NOTIFY_BUFFER_MAX).
constexpr size_t kMessageMax = 4096;

bool says_ready(std::string_view text) {
    while (!text.empty()) {
        size_t end = std::min(text.find('\n'), text.size());
        if (text.substr(0, end) == "READY=1") return true;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return false;
}

// 0: it is not said.
int sender_of(const msghdr& message) {
    ucred sender{};
    for (const cmsghdr* part = CMSG_FIRSTHDR(&message); part;
         part = CMSG_NXTHDR(const_cast<msghdr*>(&message), const_cast<cmsghdr*>(part)))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_CREDENTIALS)
            memcpy(&sender, CMSG_DATA(part), sizeof sender);
    return sender.pid;
}

}  // namespace

Result<NotifySocket> NotifySocket::open(const std::string& path) {
    NotifySocket out;
    out.path_ = path;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return Error{Mark{path}, "the path is too long for a socket", "", -1, "choose a shorter --runtime-dir"};
    path.copy(address.sun_path, path.size());
    out.fd_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!out.fd_) return errno_error(path, "no socket for daemons that become ready", errno);
    int on = 1;
    unlink(path.c_str());
    if (setsockopt(out.fd_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
        bind(out.fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        chmod(path.c_str(), 0666) != 0)
        return errno_error(path, "no socket for daemons that become ready", errno);
    return out;
}

std::vector<int> NotifySocket::take() {
    std::vector<int> ready;
    std::array<char, kMessageMax + 1> text;
    for (int i = 0; i < kAtOnce; ++i) {
        // Room for the credentials alone, which come first: descriptors that somebody sends along do not fit,
        // and are closed by the kernel (scm_detach_fds, net/core/scm.c).
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
        iovec part{.iov_base = text.data(), .iov_len = text.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        ssize_t size = recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) break;
        if (message.msg_flags & MSG_TRUNC) continue;
        int sender = sender_of(message);
        if (sender > 0 && says_ready({text.data(), static_cast<size_t>(size)})) ready.push_back(sender);
    }
    return ready;
}

}  // namespace devmux
