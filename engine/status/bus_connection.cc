// See bus_connection.h. Nothing here is destroyed under sd-bus's feet: a connection ends when
// sd-bus says Disconnected, and a client that must go is shut down at its socket, which leads
// there.
#include "engine/status/bus_connection.h"

#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>

#include "conditions/text.h"
#include "engine/status/no_such_unit.h"
#include "engine/status/status_json.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

constexpr const char* kPath = "/org/devmux1";
constexpr const char* kInterface = "org.devmux1.Manager";
constexpr const char* kNoSuchUnit = "org.devmux1.Error.NoSuchUnit";
constexpr const char* kNoSuchClass = "org.devmux1.Error.NoSuchClass";
constexpr const char* kBadCondition = "org.devmux1.Error.BadCondition";
constexpr const char* kRefused = "org.devmux1.Error.Refused";
constexpr const char* kTooMany = "too many calls of this client wait for their answers";

// From sd-bus to the method; no exception may pass through a C library.
template <int (BusConnection::*kMethod)(sd_bus_message*)>
int call_method(sd_bus_message* message, void* connection, sd_bus_error* error) {
    try {
        return (static_cast<BusConnection*>(connection)->*kMethod)(message);
    } catch (const std::exception& e) {
        return sd_bus_error_set(error, SD_BUS_ERROR_FAILED, e.what());
    }
}

// UNPRIVILEGED: who the peer is was asked of the kernel before sd-bus saw the socket.
#define DEVMUX_METHOD(name, in, method) \
    SD_BUS_METHOD(name, in, "s", call_method<&BusConnection::method>, SD_BUS_VTABLE_UNPRIVILEGED)

const std::array<sd_bus_vtable, 21> kMethods{{
    SD_BUS_VTABLE_START(0),
    DEVMUX_METHOD("Status", "", status),
    DEVMUX_METHOD("List", "", list),
    DEVMUX_METHOD("Unit", "s", unit),
    DEVMUX_METHOD("Devices", "s", devices),
    DEVMUX_METHOD("Classes", "", classes),
    DEVMUX_METHOD("Eval", "s", eval),
    DEVMUX_METHOD("Start", "sb", start),
    DEVMUX_METHOD("Stop", "sb", stop),
    DEVMUX_METHOD("Restart", "sb", restart),
    DEVMUX_METHOD("ForceStop", "sb", force_stop),
    DEVMUX_METHOD("ForceRestart", "sb", force_restart),
    DEVMUX_METHOD("Refresh", "sb", refresh),
    DEVMUX_METHOD("Reset", "sb", reset),
    DEVMUX_METHOD("Reload", "", reload),
    DEVMUX_METHOD("Wait", "s", wait),
    DEVMUX_METHOD("Source", "sb", source),
    DEVMUX_METHOD("Mode", "s", mode),
    DEVMUX_METHOD("Shutdown", "bb", shut_down),
    SD_BUS_METHOD("Record", "b", "h", call_method<&BusConnection::record>, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
}};

// A text and maybe a flag. Nothing: refused already, and `result` is what to return to sd-bus.
struct Arguments {
    std::string text;
    bool flag = false;
};
std::optional<Arguments> arguments(sd_bus_message* call, bool with_flag, int& result) {
    const char* text = nullptr;
    int flag = 0;
    result = sd_bus_message_read(call, "s", &text);
    if (result >= 0 && with_flag) result = sd_bus_message_read(call, "b", &flag);
    if (result < 0) return std::nullopt;
    if (strlen(text) <= kLongestArgument) return Arguments{text, flag != 0};
    result = sd_bus_reply_method_errorf(call, SD_BUS_ERROR_INVALID_ARGS,
                                        "an argument has at most %zu bytes", kLongestArgument);
    return std::nullopt;
}

}  // namespace

void BusConnection::BusDeleter::operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
void BusConnection::MessageDeleter::operator()(sd_bus_message* m) const { sd_bus_message_unref(m); }

Result<std::unique_ptr<BusConnection>> BusConnection::open(Descriptor peer, Control& control,
                                                           sd_event* event, Gone gone) {
    std::unique_ptr<BusConnection> self(new BusConnection(control, std::move(gone)));
    sd_bus* bus = nullptr;
    sd_id128_t id{};
    int r = sd_bus_new(&bus);
    self->bus_.reset(bus);
    if (r >= 0) r = sd_bus_set_description(bus, "devmux-private");
    if (r >= 0) r = sd_bus_set_fd(bus, peer.get(), peer.get());
    if (r >= 0) (void)peer.release();  // the bus closes it from here on
    if (r >= 0) r = sd_id128_randomize(&id);
    if (r >= 0) r = sd_bus_set_server(bus, 1, id);
    if (r >= 0) r = sd_bus_negotiate_fds(bus, 1);  // Record answers with a socket
    // At exit sd-bus would wait until the client has read everything; nobody may hold us up so.
    if (r >= 0) r = sd_bus_set_close_on_exit(bus, 0);
    if (r >= 0) r = sd_bus_start(bus);
    if (r >= 0)
        r = sd_bus_add_object_vtable(bus, nullptr, kPath, kInterface, kMethods.data(), self.get());
    if (r >= 0)
        r = sd_bus_match_signal(bus, nullptr, "org.freedesktop.DBus.Local",
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Disconnected", call_method<&BusConnection::disconnected>,
                                self.get());
    if (r >= 0) r = sd_bus_attach_event(bus, event, static_cast<int>(kBusPriority));
    if (r >= 0) return self;
    return Error{.what = "a connection cannot be served: " + errno_text(-r)};
}

BusConnection::~BusConnection() {
    for (const auto& [number, kept] : kept_)
        if (kept.ticket != 0) control_.cancel(kept.ticket);
}

int BusConnection::disconnected(sd_bus_message*) {
    Gone gone = std::move(gone_);
    gone(*this);  // ends `this`; sd-bus keeps the bus itself until it has left the callback
    return 0;
}

// ---- Answers ----

int BusConnection::answer(sd_bus_message* call, const std::string& text) {
    int r = sd_bus_reply_method_return(call, "s", text.c_str());
    uint64_t unread = 0;
    // Whoever asks and never reads would have us keep all the answers.
    if (r >= 0 && sd_bus_get_n_queued_write(bus_.get(), &unread) >= 0 && unread > kMostUnread)
        (void)shutdown(sd_bus_get_fd(bus_.get()), SHUT_RDWR);
    return r;
}

int BusConnection::refuse(sd_bus_message* call, const char* name, const Error& error) {
    return sd_bus_reply_method_errorf(call, name, "%s", printable_lines(error.to_string()).c_str());
}

int BusConnection::no_such_unit(sd_bus_message* call, const std::string& name) {
    return refuse(call, kNoSuchUnit, devmux::no_such_unit(name, control_.units()));
}

int BusConnection::answer_unit(sd_bus_message* call, const std::string& name) {
    auto unit = control_.unit(name);
    return unit ? answer(call, to_json(*unit)) : no_such_unit(call, name);
}

// The last that was to be done for an instance whose device has gone may have been this.
int BusConnection::answer_acted(sd_bus_message* call, const std::string& name) {
    return answer(call, to_json(control_.unit(name).value_or(gone_unit(name))));
}

// ---- Calls that wait ----
// Control may call back before it returns the ticket: the call is kept first, and a ticket that
// comes for a call already answered is of no use any more.

uint64_t BusConnection::keep(sd_bus_message* call) {
    kept_[++last_kept_].call.reset(sd_bus_message_ref(call));
    return last_kept_;
}

void BusConnection::ticket_for(uint64_t kept, Control::Ticket ticket) {
    if (auto it = kept_.find(kept); it != kept_.end()) it->second.ticket = ticket;
}

void BusConnection::answer_kept(uint64_t kept, const std::string& text) {
    auto node = kept_.extract(kept);
    // A failure to send shows as Disconnected in a moment; nobody is left to be told.
    if (node) (void)answer(node.mapped().call.get(), text);
}

// ---- Methods ----

int BusConnection::status(sd_bus_message* call) { return answer(call, to_json(control_.engine())); }
int BusConnection::list(sd_bus_message* call) { return answer(call, to_json(control_.units())); }
int BusConnection::classes(sd_bus_message* call) {
    return answer(call, to_json(control_.classes()));
}
int BusConnection::reload(sd_bus_message* call) { return answer(call, to_json(control_.reload())); }
int BusConnection::start(sd_bus_message* call) { return by_hand(call, &Control::start); }
int BusConnection::stop(sd_bus_message* call) { return by_hand(call, &Control::stop); }
int BusConnection::restart(sd_bus_message* call) { return by_hand(call, &Control::restart); }
int BusConnection::force_stop(sd_bus_message* call) { return by_hand(call, &Control::force_stop); }
int BusConnection::force_restart(sd_bus_message* call) { return by_hand(call, &Control::force_restart); }
int BusConnection::refresh(sd_bus_message* call) { return by_hand(call, &Control::refresh); }

int BusConnection::unit(sd_bus_message* call) {
    int r = 0;
    auto a = arguments(call, false, r);
    return a ? answer_unit(call, a->text) : r;
}

int BusConnection::devices(sd_bus_message* call) {
    int r = 0;
    auto a = arguments(call, false, r);
    if (!a) return r;
    auto devices = control_.devices(a->text);
    return devices ? answer(call, to_json(*devices)) : refuse(call, kNoSuchClass, devices.error());
}

int BusConnection::eval(sd_bus_message* call) {
    int r = 0;
    auto a = arguments(call, false, r);
    if (!a) return r;
    auto eval = control_.eval(a->text);
    return eval ? answer(call, to_json(*eval)) : refuse(call, kBadCondition, eval.error());
}

int BusConnection::by_hand(sd_bus_message* call, Act act) {
    int r = 0;
    auto a = arguments(call, true, r);
    if (!a) return r;
    if (!control_.unit(a->text)) return no_such_unit(call, a->text);
    if (a->flag && kept_.size() >= kMostWaits)
        return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_LIMITS_EXCEEDED, kTooMany);
    if (auto error = (control_.*act)(a->text)) return refuse(call, kRefused, *error);
    if (!a->flag) return answer_acted(call, a->text);
    uint64_t kept = keep(call);
    ticket_for(kept, control_.when_at_rest(a->text, [this, kept](const UnitSnapshot& u) {
        answer_kept(kept, to_json(u));
    }));
    return 1;
}

int BusConnection::reset(sd_bus_message* call) {
    int r = 0;
    auto a = arguments(call, true, r);
    if (!a) return r;
    if (!control_.unit(a->text)) return no_such_unit(call, a->text);
    if (auto error = control_.reset(a->text, a->flag)) return refuse(call, kRefused, *error);
    return answer_acted(call, a->text);
}

int BusConnection::source(sd_bus_message* call) {
    int r = 0;
    auto a = arguments(call, true, r);
    if (!a) return r;
    if (auto error = control_.set_source(a->text, a->flag)) return refuse(call, kRefused, *error);
    return status(call);
}

int BusConnection::mode(sd_bus_message* call) {
    int r = 0;
    auto a = arguments(call, false, r);
    if (!a) return r;
    if (auto error = control_.set_mode(a->text)) return refuse(call, kRefused, *error);
    return status(call);
}

// Whether it goes down, and whether to answer only when everything has come to rest.
int BusConnection::shut_down(sd_bus_message* call) {
    int down = 0, wait = 0;
    int r = sd_bus_message_read(call, "bb", &down, &wait);
    if (r < 0) return r;
    if (wait != 0 && kept_.size() >= kMostWaits)
        return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_LIMITS_EXCEEDED, kTooMany);
    control_.shut_down(down != 0);
    if (wait == 0) return status(call);
    uint64_t kept = keep(call);
    ticket_for(kept, control_.when_at_rest("", [this, kept](const UnitSnapshot&) {
        answer_kept(kept, to_json(control_.engine()));
    }));
    return 1;
}

int BusConnection::record(sd_bus_message* call) {
    int alone = 0;
    int r = sd_bus_message_read(call, "b", &alone);
    if (r < 0) return r;
    auto socket = control_.record(alone != 0);
    if (!socket) return refuse(call, kRefused, socket.error());
    return sd_bus_reply_method_return(call, "h", socket->get());
}

int BusConnection::wait(sd_bus_message* call) {
    int r = 0;
    auto a = arguments(call, false, r);
    if (!a) return r;
    auto eval = control_.eval(a->text);
    if (!eval) return refuse(call, kBadCondition, eval.error());
    if (kept_.size() >= kMostWaits)
        return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_LIMITS_EXCEEDED, kTooMany);
    // What is told then is that it holds; the tree of that moment is not asked for from within.
    EvalSnapshot held{std::move(eval->condition), Truth::True, {}};
    held.explanation.truth = Truth::True;
    held.explanation.text = held.condition;
    uint64_t kept = keep(call);
    auto ticket = control_.when_true(
        a->text, [this, kept, text = to_json(held)] { answer_kept(kept, text); });
    if (ticket) {
        ticket_for(kept, *ticket);
        return 1;
    }
    kept_.erase(kept);
    return refuse(call, kRefused, ticket.error());
}

}  // namespace devmux
