// What the private bus withstands: other users, too many clients, clients that never read, bytes
// that are no D-Bus, and whatever stands where its socket should be.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "engine/status/bus.h"
#include "engine/status/bus_connection.h"
#include "tests/status/bus_fixture.h"

using namespace devmux;

namespace {

// A socket that speaks whatever it likes.
int connect_raw(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path.c_str(), path.size() + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool at_end(int fd) {
    char c = 0;
    return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

}  // namespace

TEST_SUITE_BEGIN("status/bus");

TEST_CASE("what one client may have waiting is bounded") {
    BusDaemon d;
    BusClient c(d);
    std::vector<BusAnswer> waits(kMostWaits);
    for (BusAnswer& a : waits) c.send(a, "Wait", "s", "mouse");
    CHECK(d.run_until([&] { return d.control.waiting.size() == kMostWaits; }));
    CHECK(c.call("Wait", "s", "mouse").error == SD_BUS_ERROR_LIMITS_EXCEEDED);
    CHECK(c.call("Start", "sb", "gdm", 1).error == SD_BUS_ERROR_LIMITS_EXCEEDED);
    CHECK(d.control.asked.empty());
    d.control.fire();
    CHECK(d.run_until([&] { return waits.back().here; }));
    d.control.at_once = true;
    CHECK(c.call("Wait", "s", "mouse").error.empty());
}

TEST_CASE("a client that asks and never reads is cut off") {
    BusDaemon d;
    d.control.engine_value.version = std::string(20'000, 'v');
    sd_bus* mute = nullptr;
    REQUIRE(sd_bus_new(&mute) >= 0);
    REQUIRE(sd_bus_set_address(mute, ("unix:path=" + d.path).c_str()) >= 0);
    REQUIRE(sd_bus_start(mute) >= 0);
    d.run_dry();
    // Until its own half of the handshake is through, it has to read.
    while (sd_bus_is_ready(mute) == 0) {
        REQUIRE(sd_bus_process(mute, nullptr) >= 0);
        d.run_dry();
    }
    CHECK(d.bus->connections() == 1);
    unsigned asked = 0;
    for (; asked < 2000 && d.bus->connections() == 1; ++asked) {
        sd_bus_message* m = nullptr;
        REQUIRE(sd_bus_message_new_method_call(mute, &m, nullptr, "/org/devmux1",
                                               "org.devmux1.Manager", "Status") >= 0);
        uint64_t cookie = 0;  // asking for it is what asks for a reply
        int sent = sd_bus_send(mute, m, &cookie);
        sd_bus_message_unref(m);
        d.run_dry();
        if (sent < 0) break;
    }
    CHECK(asked > kMostUnread);
    CHECK(d.run_until([&] { return d.bus->connections() == 0; }));
    sd_bus_close_unref(mute);
    CHECK(BusClient(d).call("List").error.empty());
}

TEST_CASE("who may speak") {
    CHECK(peer_trouble({.pid = 7, .uid = 0, .gid = 0}, 0).empty());
    CHECK(peer_trouble({.pid = 7, .uid = 0, .gid = 0}, 1000).empty());
    CHECK(peer_trouble({.pid = 7, .uid = 1000, .gid = 0}, 1000).empty());
    CHECK(peer_trouble({.pid = 7, .uid = 1000, .gid = 0}, 0) ==
          "uid 1000 (process 7) may not speak to us: only root may");
    CHECK(peer_trouble({.pid = 7, .uid = 1001, .gid = 0}, 1000) ==
          "uid 1001 (process 7) may not speak to us: only root and uid 1000 may");
    CHECK_FALSE(peer_trouble({.pid = 0, .uid = static_cast<uid_t>(-1), .gid = 0}, 0).empty());
}

TEST_CASE("another user is turned away even where the file's mode lets him in" *
          doctest::skip(geteuid() != 0)) {
    BusDaemon d;
    REQUIRE(chmod(d.dir.c_str(), 0755) == 0);
    REQUIRE(chmod(d.path.c_str(), 0666) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(2);
        int fd = connect_raw(d.path);
        char c = 0;
        _exit(fd >= 0 && read(fd, &c, 1) == 0 ? 0 : 1);
    }
    CHECK(d.run_until([&] { return !d.reports.empty(); }));
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(d.bus->connections() == 0);
    CHECK(d.reports.at(0).find("uid 65534") != std::string::npos);
}

TEST_CASE("the number of connections is bounded, and a place that is free again is given again") {
    BusDaemon d;
    std::vector<int> raw;
    for (size_t i = 0; i < kMostConnections; ++i) {
        raw.push_back(connect_raw(d.path));
        REQUIRE(raw.back() >= 0);
        CHECK(d.run_until([&] { return d.bus->connections() == i + 1; }));
    }
    CHECK(d.reports.empty());
    int extra = connect_raw(d.path);
    CHECK(d.run_until([&] { return !d.reports.empty(); }));
    CHECK(d.reports.at(0).find("turned away") != std::string::npos);
    CHECK(at_end(extra));
    CHECK_FALSE(at_end(raw[0]));
    close(raw[0]);
    CHECK(d.run_until([&] { return d.bus->connections() == kMostConnections - 1; }));
    CHECK(BusClient(d).call("List").error.empty());
    for (size_t i = 1; i < raw.size(); ++i) close(raw[i]);
    close(extra);
    CHECK(d.run_until([&] { return d.bus->connections() == 0; }));
}

TEST_CASE("garbage ends its connection and nothing else") {
    BusDaemon d;
    BusClient good(d);
    CHECK(good.call("List").error.empty());
    std::string hello("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n", 30);
    std::string noise;
    for (int i = 0; i < 4096; ++i) noise += static_cast<char>(i * 37 + 11);
    for (const std::string& bytes : {std::string("GET / HTTP/1.0\r\n\r\n"), noise, hello + noise}) {
        int fd = connect_raw(d.path);
        REQUIRE(fd >= 0);
        CHECK(d.run_until([&] { return d.bus->connections() == 2; }));
        CHECK(write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
        CHECK(d.run_until([&] { return d.bus->connections() == 1; }));
        close(fd);
        CHECK(good.call("List").error.empty());
    }
    int silent = connect_raw(d.path);  // neither speaks nor leaves: it costs a place, not the loop
    CHECK(d.run_until([&] { return d.bus->connections() == 2; }));
    CHECK(good.call("List").error.empty());
    close(silent);
}

TEST_CASE("the socket: its mode, a stale one, and what is not ours to remove") {
    BusDaemon d;
    struct stat st {};
    REQUIRE(lstat(d.path.c_str(), &st) == 0);
    CHECK(S_ISSOCK(st.st_mode));
    CHECK((st.st_mode & 0777) == 0600);

    // As a daemon leaves it that was killed: a file that nobody listens on.
    d.bus.reset();
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, d.path.c_str(), d.path.size() + 1);
    REQUIRE(bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    close(dead);
    d.listen();
    CHECK(BusClient(d).call("List").error.empty());

    d.bus.reset();
    std::ofstream(d.path) << "precious";
    auto refused = Bus::open(d.path, d.control, d.event, [](const Error&) {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().to_string() == d.path + ": is there already and is no socket");
    CHECK(access(d.path.c_str(), F_OK) == 0);
    auto too_long =
        Bus::open("/tmp/" + std::string(200, 'x'), d.control, d.event, [](const Error&) {});
    REQUIRE_FALSE(too_long);
    CHECK(too_long.error().what.find("shorter --runtime-dir") != std::string::npos);
    auto nowhere = Bus::open(d.dir + "/none/bus", d.control, d.event, [](const Error&) {});
    REQUIRE_FALSE(nowhere);
    CHECK(nowhere.error().what.find("No such file") != std::string::npos);
}

TEST_SUITE_END();
