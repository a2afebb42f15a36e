// See systemd_bus.h. The interface is org.freedesktop.systemd1(5); that a connection to the private socket
// is sent every signal, without matches and Subscribe(), is bus_foreach_bus() of systemd's src/core/dbus.c.
#include "engine/run/systemd_bus.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string_view>

#include "engine/system/descriptor.h"

namespace devmux {
namespace {

constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kUnitPath = "/org/freedesktop/systemd1/unit";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr uint64_t kPatienceUs = 30'000'000;  // with the answer to a call
// A stop script of a service that hangs must not hold up the machine's end: as of scripts that systemd
// starts itself (its sysv-generator).
constexpr uint64_t kStopUs = 300'000'000;

struct Message {
    sd_bus_message* message = nullptr;
    ~Message() { sd_bus_message_unref(message); }
};

Refusal refusal_of(sd_bus_message* answer) {
    const sd_bus_error* error = sd_bus_message_get_error(answer);
    std::string_view name = error && error->name ? error->name : "";
    std::string text = error && error->message ? error->message : "no answer";
    // Made by sd-bus itself, where the connection or its patience ended.
    bool nobody = name == SD_BUS_ERROR_NO_REPLY || name == SD_BUS_ERROR_TIMEOUT || name == SD_BUS_ERROR_DISCONNECTED ||
                  name == "System.Error.ECONNRESET" || name == "System.Error.ETIMEDOUT";
    return {text, !nobody};
}

// The name of the unit that an object stands for; empty: none.
std::string unit_of(const char* path) {
    char* name = nullptr;
    if (!path || sd_bus_path_decode(path, kUnitPath, &name) <= 0 || !name) return "";
    std::string out = name;
    free(name);
    return out;
}

std::string text_in(sd_bus_message* m) {
    const char* text = "";
    return sd_bus_message_read(m, "v", "s", &text) >= 0 ? text : "";
}

template <class T>
T number_in(sd_bus_message* m, const char* type) {
    T number{};
    (void)sd_bus_message_read(m, "v", type, &number);
    return number;
}

Time time_in(sd_bus_message* m) { return std::chrono::microseconds(number_in<uint64_t>(m, "t")); }

int read_property(sd_bus_message* m, std::string_view name, SystemdUnit& out) {
    if (name == "Id") out.id = text_in(m);
    else if (name == "LoadState") out.load = text_in(m);
    else if (name == "ActiveState") out.active = text_in(m);
    else if (name == "SubState") out.sub = text_in(m);
    else if (name == "Result") out.result = text_in(m);
    else if (name == "ControlGroup") out.cgroup = text_in(m);
    else if (name == "InactiveExitTimestampMonotonic") out.left = time_in(m);
    else if (name == "ConditionTimestampMonotonic") out.asked = time_in(m);
    else if (name == "ConditionResult") out.condition = number_in<int>(m, "b") != 0;
    else if (name == "StateChangeTimestampMonotonic") out.changed = time_in(m);
    else if (name == "CanReload") out.can_reload = number_in<int>(m, "b") != 0;
    else if (name == "MainPID") out.main_pid = static_cast<int>(number_in<uint32_t>(m, "u"));
    else if (name == "ControlPID") out.control_pid = static_cast<int>(number_in<uint32_t>(m, "u"));
    else if (name == "Job") {
        const char* path = nullptr;
        return sd_bus_message_read(m, "v", "(uo)", &out.job, &path);
    } else if (name == "LoadError") {
        const char *error = nullptr, *text = nullptr;
        int r = sd_bus_message_read(m, "v", "(ss)", &error, &text);
        if (r >= 0 && text) out.trouble = text;
        return r;
    } else return sd_bus_message_skip(m, "v");
    return 0;
}

int read_unit(sd_bus_message* m, SystemdUnit& out) {
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        const char* name = nullptr;
        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0) r = read_property(m, name, out);
        if (r >= 0) r = sd_bus_message_exit_container(m);
    }
    return r;
}

// "/org/freedesktop/systemd1/job/123"
uint32_t job_of(const char* path) {
    const char* slash = path ? strrchr(path, '/') : nullptr;
    return slash ? static_cast<uint32_t>(strtoul(slash + 1, nullptr, 10)) : 0;
}

int append_command(sd_bus_message* m, const char* property, const std::string& script, const char* verb) {
    return sd_bus_message_append(m, "(sv)", property, "a(sasb)", 1, script.c_str(), 2, script.c_str(), verb, 0);
}

int append_script(sd_bus_message* m, const TransientScript& s) {
    int r = sd_bus_message_append(m, "ss", s.unit.c_str(), "fail");
    if (r >= 0) r = sd_bus_message_open_container(m, 'a', "(sv)");
    // As systemd's own units for init scripts, without their limit: nobody is killed for a slow start.
    std::string about = s.script + ", started by devmux";
    if (r >= 0)
        r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s", about.c_str(), "Type", "s",
                                  "forking", "RemainAfterExit", "b", 1, "GuessMainPID", "b", 0, "KillMode", "s", "process",
                                  "IgnoreSIGPIPE", "b", 0, "TimeoutStartUSec", "t", UINT64_MAX, "TimeoutStopUSec", "t", kStopUs);
    if (r >= 0) r = append_command(m, "ExecStart", s.script, "start");
    if (r >= 0) r = append_command(m, "ExecStop", s.script, "stop");
    if (r >= 0) r = sd_bus_message_open_container(m, 'r', "sv");
    if (r >= 0) r = sd_bus_message_append(m, "s", "Environment");
    if (r >= 0) r = sd_bus_message_open_container(m, 'v', "as");
    if (r >= 0) r = sd_bus_message_open_container(m, 'a', "s");
    for (const std::string& variable : s.environment)
        if (r >= 0) r = sd_bus_message_append(m, "s", variable.c_str());
    for (int i = 0; i < 4 && r >= 0; ++i) r = sd_bus_message_close_container(m);
    return r >= 0 ? sd_bus_message_append(m, "a(sa(sv))", 0) : r;
}

}  // namespace

struct SystemdBus::Call {
    SystemdBus* bus;
    OnAnswer answer;
    std::list<std::unique_ptr<Call>>::iterator place;
    sd_bus_slot* slot = nullptr;
    ~Call() { sd_bus_slot_unref(slot); }
};

SystemdBus::SystemdBus(std::string socket, sd_event* event) : socket_(std::move(socket)), event_(event) {}

SystemdBus::~SystemdBus() { close(); }

void SystemdBus::close() {
    calls_.clear();
    if (!bus_) return;
    (void)sd_bus_detach_event(bus_);
    sd_bus_close_unref(bus_);
    bus_ = nullptr;
}

bool SystemdBus::connect(SystemdListener& listener) {
    listener_ = &listener;
    close();
    if (open() && begin()) return true;
    close();
    return false;
}

bool SystemdBus::open() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_.size() >= sizeof(address.sun_path)) return false;
    memcpy(address.sun_path, socket_.c_str(), socket_.size() + 1);
    Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return false;
    if (sd_bus_new(&bus_) < 0 || sd_bus_set_fd(bus_, fd.get(), fd.get()) < 0) return false;
    fd.release();
    return sd_bus_start(bus_) >= 0 && sd_bus_attach_event(bus_, event_, SD_EVENT_PRIORITY_NORMAL) >= 0;
}

// The matches are ours: on this connection nobody is asked for them. The first answer tells that it stands.
bool SystemdBus::begin() {
    auto match = [this](const char* rule, sd_bus_message_handler_t handler) {
        return sd_bus_add_match(bus_, nullptr, rule, handler, this) >= 0;
    };
    auto on_removed = [](sd_bus_message* m, void* self, sd_bus_error*) {
        static_cast<SystemdBus*>(self)->removed(m);
        return 0;
    };
    auto on_changed = [](sd_bus_message* m, void* self, sd_bus_error*) {
        std::string unit = unit_of(sd_bus_message_get_path(m));
        if (!unit.empty()) static_cast<SystemdBus*>(self)->listener_->systemd_unit_changed(unit);
        return 0;
    };
    auto on_end = [](sd_bus_message*, void* self, sd_bus_error*) {
        static_cast<SystemdBus*>(self)->lost();
        return 0;
    };
    bool good = match("type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'", on_removed) &&
                match("type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
                      "arg0='org.freedesktop.systemd1.Unit'", on_changed) &&
                match("type='signal',path='/org/freedesktop/DBus/Local',interface='org.freedesktop.DBus.Local',"
                      "member='Disconnected'", on_end);
    Message m;
    if (!good || sd_bus_message_new_method_call(bus_, &m.message, nullptr, kManagerPath, kManager, "Subscribe") < 0)
        return false;
    return send(m.message, [this](sd_bus_message* answer) {
        // "Already subscribed" will do; that nobody answers is told by the end of the connection.
        if (!sd_bus_message_is_method_error(answer, nullptr) || refusal_of(answer).answered) listener_->systemd_there();
        else if (bus_ && sd_bus_is_open(bus_) > 0) lost();
    });
}

void SystemdBus::removed(sd_bus_message* m) {
    uint32_t job = 0;
    const char *path = nullptr, *unit = nullptr, *result = nullptr;
    if (sd_bus_message_read(m, "uoss", &job, &path, &unit, &result) >= 0)
        listener_->systemd_job_removed(job, unit, result);
}

void SystemdBus::lost() {
    close();
    listener_->systemd_lost();
}

bool SystemdBus::send(sd_bus_message* message, OnAnswer answer) {
    if (!bus_) return false;
    calls_.push_back(std::make_unique<Call>(Call{this, std::move(answer), {}, nullptr}));
    Call& call = *calls_.back();
    call.place = std::prev(calls_.end());
    auto on_answer = [](sd_bus_message* m, void* data, sd_bus_error*) {
        answered(m, *static_cast<Call*>(data));
        return 0;
    };
    if (sd_bus_call_async(bus_, &call.slot, message, on_answer, &call, kPatienceUs) >= 0) return true;
    calls_.erase(call.place);
    return false;
}

void SystemdBus::answered(sd_bus_message* message, Call& call) {
    OnAnswer answer = std::move(call.answer);
    call.bus->calls_.erase(call.place);
    answer(message);
}

// The object of a unit is there for every name: to ask it loads the unit.
bool SystemdBus::look(const std::string& unit, SystemdReply<SystemdUnit> reply) {
    char* path = nullptr;
    if (sd_bus_path_encode(kUnitPath, unit.c_str(), &path) < 0) return false;
    Message m;
    int r = !bus_ ? -ENOTCONN : sd_bus_message_new_method_call(bus_, &m.message, nullptr, path,
                                                               "org.freedesktop.DBus.Properties", "GetAll");
    free(path);
    if (r >= 0) r = sd_bus_message_append(m.message, "s", "");  // of all its interfaces
    return r >= 0 && send(m.message, [reply = std::move(reply)](sd_bus_message* answer) {
        SystemdUnit seen;
        if (sd_bus_message_is_method_error(answer, nullptr)) reply(refusal_of(answer));
        else if (read_unit(answer, seen) < 0) reply(Refusal{"its answer makes no sense", true});
        else reply(seen);
    });
}

namespace {

auto job_reply(SystemdReply<uint32_t> reply) {
    return [reply = std::move(reply)](sd_bus_message* answer) {
        const char* path = nullptr;
        if (sd_bus_message_is_method_error(answer, nullptr)) reply(refusal_of(answer));
        else if (sd_bus_message_read(answer, "o", &path) < 0) reply(Refusal{"its answer makes no sense", true});
        else reply(job_of(path));
    };
}

}  // namespace

// "replace", as systemctl does: another job of the unit that this one contradicts is canceled. When the
// machine goes down systemd refuses it, for those jobs cannot be replaced.
bool SystemdBus::job(const char* method, const std::string& unit, SystemdReply<uint32_t> reply) {
    Message m;
    if (!bus_ || sd_bus_message_new_method_call(bus_, &m.message, nullptr, kManagerPath, kManager, method) < 0 ||
        sd_bus_message_append(m.message, "ss", unit.c_str(), "replace") < 0)
        return false;
    return send(m.message, job_reply(std::move(reply)));
}

bool SystemdBus::start(const std::string& unit, SystemdReply<uint32_t> reply) {
    return job("StartUnit", unit, std::move(reply));
}

bool SystemdBus::stop(const std::string& unit, SystemdReply<uint32_t> reply) {
    return job("StopUnit", unit, std::move(reply));
}

bool SystemdBus::reload(const std::string& unit, SystemdReply<uint32_t> reply) {
    return job("ReloadUnit", unit, std::move(reply));
}

bool SystemdBus::reset_failed(const std::string& unit, SystemdReply<uint32_t> reply) {
    Message m;
    if (!bus_ || sd_bus_message_new_method_call(bus_, &m.message, nullptr, kManagerPath, kManager, "ResetFailedUnit") < 0 ||
        sd_bus_message_append(m.message, "s", unit.c_str()) < 0)
        return false;
    return send(m.message, [reply = std::move(reply)](sd_bus_message* answer) {
        if (sd_bus_message_is_method_error(answer, nullptr)) reply(refusal_of(answer));
        else reply(uint32_t{0});
    });
}

bool SystemdBus::start_script(const TransientScript& script, SystemdReply<uint32_t> reply) {
    Message m;
    if (!bus_ || sd_bus_message_new_method_call(bus_, &m.message, nullptr, kManagerPath, kManager, "StartTransientUnit") < 0 ||
        append_script(m.message, script) < 0)
        return false;
    return send(m.message, job_reply(std::move(reply)));
}

}  // namespace devmux
