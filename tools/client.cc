// See client.h. There is no bus between the two ends: no Hello, no names, one peer.
#include "tools/client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include <cerrno>

#include "conditions/result.h"
#include "engine/run/process_stat.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

constexpr const char* kStart =
    "start it with `devmuxd --foreground`, or name the directory of one that runs with "
    "--runtime-dir DIR or DEVMUX_RUNTIME_DIR";

Reply trouble(Exit code, const std::string& path, std::string what, std::string hint = "") {
    Error error{Mark{path}, std::move(what), "", -1, std::move(hint)};
    return {.code = code, .trouble = error.to_string(), .value = {}};
}

Reply no_connection(const std::string& path, int error) {
    switch (error) {
        case ENOENT:
        case ENOTDIR:
        case ECONNREFUSED:
            return trouble(Exit::NoDaemon, path, "no daemon listens here: " + errno_text(error), kStart);
        case EACCES:
        case EPERM:
            return trouble(Exit::NoDaemon, path,
                           "only root, and whoever runs this daemon, may speak to it",
                           "try it again with sudo, or as root");
        case EAGAIN:
            return trouble(Exit::NoDaemon, path,
                           "the daemon does not take connections: it is busy or hangs");
        default:
            return trouble(Exit::NoDaemon, path, "the daemon cannot be reached: " + errno_text(error),
                           kStart);
    }
}

uint64_t microseconds(Duration timeout) {
    if (timeout == kNever) return UINT64_MAX;
    // 0 would mean sd-bus's own default.
    auto us = std::chrono::duration_cast<std::chrono::microseconds>(timeout).count();
    return us > 0 ? static_cast<uint64_t>(us) : 1;
}

struct Message {
    sd_bus_message* m = nullptr;
    ~Message() { sd_bus_message_unref(m); }
};

struct BusError {
    sd_bus_error e{};  // SD_BUS_ERROR_NULL is C
    ~BusError() { sd_bus_error_free(&e); }
};

// The process that listens, if it was stopped (SIGSTOP, a debugger): it takes a connection and never answers.
int stopped_peer(sd_bus* bus) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(sd_bus_get_fd(bus), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) return 0;
    std::optional<ProcessStat> stat = process_stat("/proc", peer.pid);
    return stat && (stat->state == 'T' || stat->state == 't') ? peer.pid : 0;
}

int append(sd_bus_message* m, const Client::Argument& argument) {
    if (const bool* flag = std::get_if<bool>(&argument))
        return sd_bus_message_append(m, "b", *flag ? 1 : 0);
    return sd_bus_message_append(m, "s", std::get<std::string>(argument).c_str());
}

}  // namespace

void Client::Deleter::operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }

Exit exit_for(std::string_view name) {
    if (name == "org.devmux1.Error.NoSuchUnit" || name == "org.devmux1.Error.NoSuchClass" ||
        name == "org.devmux1.Error.BadCondition")
        return Exit::NoSuchThing;
    if (name == "org.devmux1.Error.Refused" || name == SD_BUS_ERROR_LIMITS_EXCEEDED)
        return Exit::Refused;
    if (name == SD_BUS_ERROR_INVALID_ARGS) return Exit::Usage;
    return Exit::NoDaemon;
}

std::string bus_address(std::string_view path) {
    constexpr std::string_view kPlain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/.";
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string out = "unix:path=";
    for (char c : path) {
        auto byte = static_cast<unsigned char>(c);
        if (kPlain.find(c) != std::string_view::npos) out += c;
        else out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
    return out;
}

Reply Client::connect() {
    sd_bus* bus = nullptr;
    int r = sd_bus_new(&bus);
    bus_.reset(bus);
    if (r >= 0) r = sd_bus_set_address(bus, bus_address(path_).c_str());
    if (r >= 0) r = sd_bus_set_bus_client(bus, 0);
    if (r >= 0) r = sd_bus_negotiate_fds(bus, 1);
    if (r >= 0) r = sd_bus_start(bus);
    int stopped = r >= 0 ? stopped_peer(bus) : 0;
    if (r >= 0 && stopped == 0) return {};
    bus_.reset();
    if (stopped) {
        std::string pid = std::to_string(stopped);
        return trouble(Exit::NoDaemon, path_, "the daemon is stopped and cannot answer (process " + pid + ")",
                       "kill -CONT " + pid);
    }
    return no_connection(path_, -r);
}

Reply Client::call(const char* method, const std::vector<Argument>& arguments) {
    Reply reply = ask(method, arguments, kAnswerTime);
    if (reply.code != Exit::TimedOut) return reply;
    return trouble(Exit::NoDaemon, path_, "the daemon does not answer");
}

Reply Client::wait(const char* method, const std::vector<Argument>& arguments, Duration timeout) {
    return ask(method, arguments, timeout);
}

Reply Client::failed(int error, const char* method, const char* name, const char* said) {
    if (sd_bus_is_open(bus_.get()) <= 0) {
        bus_.reset();
        return trouble(Exit::NoDaemon, path_, "the daemon closed the connection: " + errno_text(error),
                       "it ended, or serves too many clients; its log says more");
    }
    Exit code = exit_for(name ? name : "");
    if (code == Exit::NoDaemon) return trouble(code, path_, std::string(method) + ": " + (said ? said : ""));
    return {.code = code, .trouble = said ? said : "", .value = {}};
}

Reply Client::record(bool checkpoint_alone, Descriptor& out) {
    if (!bus_)
        if (Reply reply = connect(); !reply) return reply;
    Message answer;
    BusError error;
    int fd = -1;
    int r = sd_bus_call_method(bus_.get(), nullptr, "/org/devmux1", "org.devmux1.Manager", "Record", &error.e,
                               &answer.m, "b", checkpoint_alone ? 1 : 0);
    if (r < 0) return failed(-r, "Record", error.e.name, error.e.message);
    r = sd_bus_message_read(answer.m, "h", &fd);
    if (r >= 0) out = Descriptor(fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (out) return {};
    return trouble(Exit::NoDaemon, path_, "the daemon's answer holds no socket: is it of another version?");
}

Reply Client::ask(const char* method, const std::vector<Argument>& arguments, Duration timeout) {
    if (!bus_)
        if (Reply reply = connect(); !reply) return reply;
    Message call, answer;
    BusError error;
    int r = sd_bus_message_new_method_call(bus_.get(), &call.m, nullptr, "/org/devmux1",
                                           "org.devmux1.Manager", method);
    for (const Argument& argument : arguments)
        if (r >= 0) r = append(call.m, argument);
    if (r == -EINVAL) return trouble(Exit::Usage, "", "an argument is not valid UTF-8");
    if (r >= 0) r = sd_bus_call(bus_.get(), call.m, microseconds(timeout), &error.e, &answer.m);
    if (r == -ETIMEDOUT) return {.code = Exit::TimedOut, .trouble = "", .value = {}};
    if (r < 0) return failed(-r, method, error.e.name, error.e.message);
    const char* text = nullptr;
    if (sd_bus_message_read(answer.m, "s", &text) < 0) text = "";
    Reply reply{.code = Exit::Ok, .trouble = "", .value = Json::parse(text, nullptr, false)};
    if (!reply.value.is_discarded()) return reply;
    return trouble(Exit::NoDaemon, path_,
                   "the daemon's answer is no JSON: is it of another version?");
}

}  // namespace devmux
