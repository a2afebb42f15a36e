// The private D-Bus socket, <runtime-dir>/bus: there from the first moment, long before a system
// bus is. Who may speak is decided here and twice: the socket's mode is 0600, and the peer's uid,
// as the kernel tells it, must be root's or our own.
//
// This class listens and keeps the connections; what each method answers is bus_connection.h.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "conditions/result.h"
#include "engine/status/control.h"
#include "engine/system/descriptor.h"

// <systemd/sd-event.h> names the type and no more is needed of it here: the loop owns the event,
// the bus adds its own sources to it and takes them away when it goes.
struct sd_event;
struct sd_event_source;

namespace devmux {

class BusConnection;

inline constexpr size_t kMostConnections = 64;

// Why this peer is not served; empty when it is. `ours` is the daemon's effective uid.
std::string peer_trouble(const ucred& peer, uid_t ours);

class Bus {
  public:
    using Report = std::function<void(const Error&)>;  // for the log: who was turned away, and why

    // Listens on `path`. A socket that stands there already is replaced: the caller must hold the
    // lock of the runtime directory, which proves that nobody listens on it any more. `control` and
    // `event` must outlive the bus. No reading, no writing, no waiting happens outside of `event`.
    static Result<std::unique_ptr<Bus>> open(const std::string& path, Control& control,
                                             sd_event* event, Report report);

    // Closes every connection, takes back what they wait for with control.cancel(), and removes the
    // socket. So `control` must still be whole: who is its own Control resets the bus before the
    // rest.
    ~Bus();
    Bus(const Bus&) = delete;
    Bus& operator=(const Bus&) = delete;

    size_t connections() const { return connections_.size(); }

  private:
    Bus(std::string path, Control& control, sd_event* event, Report report);
    std::optional<Error> listen();
    void accept_all();
    void accept_one(Descriptor peer);
    static int on_readable(sd_event_source* source, int fd, uint32_t events, void* bus);

    std::string path_;
    Control& control_;
    sd_event* event_;
    Report report_;
    Descriptor listener_;
    bool bound_ = false;
    sd_event_source* source_ = nullptr;
    std::map<const BusConnection*, std::unique_ptr<BusConnection>> connections_;
};

}  // namespace devmux
