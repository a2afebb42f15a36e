// One client on the private socket: the object /org/devmux1 with the interface
// org.devmux1.Manager, whose methods ask Control and answer with one text, the JSON of
// status_json.h. A method that waits keeps its call and answers it later; a client that goes away
// takes its waits with it, so that nothing is ever told to a connection that is gone.
//
//   Status() List() Unit(s name) Devices(s class) Classes() Eval(s condition)
//   Start(s name, b wait) Stop(s name, b wait) Reset(s name, b latch) Reload() Wait(s condition)
//   Source(s name, b on)
//   Record(b checkpoint_alone) -> h: a socket that a recording comes out of
//
// Errors: org.devmux1.Error.NoSuchUnit, NoSuchClass, BadCondition, Refused; the text is the
// Error's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "conditions/result.h"
#include "engine/status/control.h"
#include "engine/system/descriptor.h"

struct sd_bus;
struct sd_bus_message;
struct sd_event;

namespace devmux {

// Behind the devices: who asks may wait, a netlink socket that is not read loses events.
inline constexpr int64_t kBusPriority = 10;

inline constexpr size_t kLongestArgument = 4096;  // bytes of a name or a condition
inline constexpr size_t kMostWaits = 64;          // calls of one client that wait for their answer
inline constexpr uint64_t kMostUnread = 64;  // answers that a client leaves unread before it is cut

class BusConnection {
  public:
    using Gone = std::function<void(const BusConnection&)>;  // may destroy the connection

    // Serves a peer whose uid was checked already.
    static Result<std::unique_ptr<BusConnection>> open(Descriptor peer, Control& control,
                                                       sd_event* event, Gone gone);
    ~BusConnection();
    BusConnection(const BusConnection&) = delete;
    BusConnection& operator=(const BusConnection&) = delete;

    // The methods. Each answers or keeps the call; negative is an errno that ends the connection.
    int status(sd_bus_message* call);
    int list(sd_bus_message* call);
    int unit(sd_bus_message* call);
    int devices(sd_bus_message* call);
    int classes(sd_bus_message* call);
    int eval(sd_bus_message* call);
    int start(sd_bus_message* call);
    int stop(sd_bus_message* call);
    int restart(sd_bus_message* call);
    int force_stop(sd_bus_message* call);
    int force_restart(sd_bus_message* call);
    int refresh(sd_bus_message* call);
    int reset(sd_bus_message* call);
    int reload(sd_bus_message* call);
    int wait(sd_bus_message* call);
    int source(sd_bus_message* call);
    int mode(sd_bus_message* call);
    int shut_down(sd_bus_message* call);
    int record(sd_bus_message* call);
    int disconnected(sd_bus_message* signal);

  private:
    struct BusDeleter {
        void operator()(sd_bus* bus) const;
    };
    struct MessageDeleter {
        void operator()(sd_bus_message* message) const;
    };
    using Message = std::unique_ptr<sd_bus_message, MessageDeleter>;
    struct Kept {
        Message call;
        Control::Ticket ticket = 0;  // 0 while Control is still being asked
    };

    BusConnection(Control& control, Gone gone) : control_(control), gone_(std::move(gone)) {}
    int answer(sd_bus_message* call, const std::string& text);
    int answer_unit(sd_bus_message* call, const std::string& name);
    int answer_acted(sd_bus_message* call, const std::string& name);
    int refuse(sd_bus_message* call, const char* name, const Error& error);
    int no_such_unit(sd_bus_message* call, const std::string& name);
    using Act = std::optional<Error> (Control::*)(const std::string&);
    int by_hand(sd_bus_message* call, Act act);
    uint64_t keep(sd_bus_message* call);
    void ticket_for(uint64_t kept, Control::Ticket ticket);
    void answer_kept(uint64_t kept, const std::string& text);

    Control& control_;
    Gone gone_;
    std::map<uint64_t, Kept> kept_;
    uint64_t last_kept_ = 0;
    std::unique_ptr<sd_bus, BusDeleter> bus_;
};

}  // namespace devmux
