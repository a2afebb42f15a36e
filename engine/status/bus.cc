// See bus.h. The order at a connection is that of systemd's own private socket: accept, ask the
// kernel who it is, and only then give the descriptor to sd-bus, whose authentication proves
// nothing.
#include "engine/status/bus.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/status/bus_connection.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

constexpr int kBacklog = 64;
// Out of descriptors, accept(2) fails and the socket stays readable: without a bound the loop would
// spin. It also keeps a client that connects in a circle from starving the devices.
constexpr uint64_t kAcceptInterval = 1'000'000;  // µs
constexpr unsigned kAcceptBurst = 200;
constexpr unsigned kAcceptsAtOnce = 16;

Error failure(const std::string& path, std::string what) {
    return {.where = {path, 0, 0}, .what = std::move(what), .source = "", .caret = -1, .hint = ""};
}

}  // namespace

std::string peer_trouble(const ucred& peer, uid_t ours) {
    if (peer.uid == 0 || peer.uid == ours) return "";
    return "uid " + std::to_string(peer.uid) + " (process " + std::to_string(peer.pid) +
           ") may not speak to us: only root" +
           (ours == 0 ? std::string() : " and uid " + std::to_string(ours)) + " may";
}

Bus::Bus(std::string path, Control& control, sd_event* event, Report report)
    : path_(std::move(path)),
      control_(control),
      event_(sd_event_ref(event)),
      report_(std::move(report)) {}

Bus::~Bus() {
    sd_event_source_disable_unref(source_);
    connections_.clear();
    if (bound_) ::unlink(path_.c_str());
    sd_event_unref(event_);
}

Result<std::unique_ptr<Bus>> Bus::open(const std::string& path, Control& control, sd_event* event,
                                       Report report) {
    std::unique_ptr<Bus> bus(new Bus(path, control, event, std::move(report)));
    if (auto error = bus->listen()) return std::move(*error);
    return bus;
}

std::optional<Error> Bus::listen() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof(address.sun_path))
        return failure(path_, "the path of a socket has at most " +
                                  std::to_string(sizeof(address.sun_path) - 1) +
                                  " bytes: choose a shorter --runtime-dir");
    memcpy(address.sun_path, path_.c_str(), path_.size() + 1);

    struct stat st {};
    if (lstat(path_.c_str(), &st) == 0) {
        if (!S_ISSOCK(st.st_mode)) return failure(path_, "is there already and is no socket");
        if (::unlink(path_.c_str()) != 0)
            return errno_error(path_, "the old socket cannot be removed", errno);
    }
    listener_ = Descriptor(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener_) return errno_error(path_, "cannot make a socket", errno);
    // On Linux the file gets the mode of the socket: there is no moment in which it is wider.
    if (fchmod(listener_.get(), 0600) != 0)
        return errno_error(path_, "cannot restrict the socket", errno);
    if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return errno_error(path_, "cannot be bound", errno,
                       "is the runtime directory there, and writable?");
    bound_ = true;
    if (::listen(listener_.get(), kBacklog) != 0) return errno_error(path_, "cannot listen", errno);

    int r = sd_event_add_io(event_, &source_, listener_.get(), EPOLLIN, on_readable, this);
    if (r >= 0) r = sd_event_source_set_priority(source_, kBusPriority);
    if (r >= 0) r = sd_event_source_set_ratelimit(source_, kAcceptInterval, kAcceptBurst);
    if (r < 0) return errno_error(path_, "cannot be watched", -r);
    (void)sd_event_source_set_description(source_, "bus-listener");
    return std::nullopt;
}

int Bus::on_readable(sd_event_source*, int, uint32_t, void* bus) {
    static_cast<Bus*>(bus)->accept_all();
    return 0;
}

void Bus::accept_all() {
    for (unsigned i = 0; i < kAcceptsAtOnce; ++i) {
        Descriptor peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (peer) {
            accept_one(std::move(peer));
            continue;
        }
        // A client that left before we came to it is no error of the socket; the rest waits its
        // turn.
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno != EAGAIN) report_(errno_error(path_, "a connection cannot be accepted", errno));
        return;
    }
}

void Bus::accept_one(Descriptor peer) {
    ucred who{};
    socklen_t size = sizeof(who);
    if (getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
        return report_(errno_error(path_, "the kernel does not tell who connects", errno));
    if (std::string why = peer_trouble(who, geteuid()); !why.empty())
        return report_(failure(path_, why));
    if (connections_.size() >= kMostConnections)
        return report_(failure(path_, "process " + std::to_string(who.pid) +
                                          " was turned away: " + std::to_string(kMostConnections) +
                                          " connections are open already"));
    auto gone = [this](const BusConnection& connection) { connections_.erase(&connection); };
    auto connection = BusConnection::open(std::move(peer), control_, event_, std::move(gone));
    if (!connection) return report_(connection.error());
    const BusConnection* key = connection->get();
    connections_.emplace(key, std::move(*connection));
}

}  // namespace devmux
