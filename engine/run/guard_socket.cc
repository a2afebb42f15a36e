// See guard_socket.h.
#include "engine/run/guard_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "conditions/text.h"
#include "engine/model/unit_file.h"
#include "engine/system/descriptor.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

constexpr std::string_view kFirst = "1 start ", kAgain = "1 again ", kStop = "1 stop ";
// Scripts that boot starts at one time; who comes while the line is full waits for its turn (connect(2)).
constexpr int kLine = 256;

}  // namespace

std::optional<GuardQuestion> guard_question(std::string_view packet) {
    GuardQuestion out{.unit = "", .again = packet.starts_with(kAgain), .stop = packet.starts_with(kStop)};
    if (packet.size() > kGuardQuestionMax || (!out.again && !out.stop && !packet.starts_with(kFirst))) return std::nullopt;
    packet.remove_prefix(out.stop ? kStop.size() : kFirst.size());
    if (!is_unit_name(packet)) return std::nullopt;
    out.unit = packet;
    return out;
}

Result<GuardSocket> GuardSocket::open(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return Error{Mark{path}, "the path is too long for a socket", "", -1, "choose a shorter --runtime-dir"};
    path.copy(address.sun_path, path.size());
    Descriptor fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return errno_error(path, "no socket for init scripts that ask", errno);
    unlink(path.c_str());
    // On Linux the file gets the mode of the socket: there is no moment in which it is wider.
    if (fchmod(fd.get(), 0600) != 0 ||
        bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(fd.get(), kLine) != 0)
        return errno_error(path, "no socket for init scripts that ask", errno);
    return GuardSocket(std::move(fd), path);
}

GuardSocket::~GuardSocket() {
    if (fd_) unlink(path_.c_str());
}

std::optional<GuardClient> GuardSocket::accept() {
    int fd = -1;
    do fd = accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0) return std::nullopt;
    GuardClient client{Descriptor(fd)};
    ucred peer{};
    socklen_t size = sizeof peer;
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0;
    client.pid = peer.pid;
    if (!known || (peer.uid != 0 && peer.uid != geteuid())) client.fd = Descriptor();
    return client;
}

GuardHeard hear_guard(const Descriptor& client) {
    std::array<char, kGuardQuestionMax + 1> packet;
    ssize_t size = 0;
    do size = recv(client.get(), packet.data(), packet.size(), MSG_DONTWAIT);
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN) return {};
    auto question = size > 0 ? guard_question({packet.data(), static_cast<size_t>(size)}) : std::nullopt;
    if (!question) return {.kind = GuardHeard::Kind::Gone};
    return {.kind = GuardHeard::Kind::Question, .question = *question};
}

bool guard_waits(const Descriptor& client) {
    pollfd at{.fd = client.get(), .events = POLLRDHUP, .revents = 0};
    return poll(&at, 1, 0) == 0;
}

bool answer_guard(const Descriptor& client, GuardWord word, std::string_view text) {
    std::string packet(1, static_cast<char>(word));
    packet += printable(text);
    packet.resize(std::min(packet.size(), kGuardAnswerMax - 1));
    return send(client.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
           static_cast<ssize_t>(packet.size());
}

}  // namespace devmux
