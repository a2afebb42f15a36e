// A bus and its clients for tests: real sockets and a real sd_event loop, server and client in one
// thread. What a client asks is answered by the loop, so no test waits for time to pass;
// run_until() gives up in the end so that a failure is a failed check and not a hang.
#pragma once

#include <doctest/doctest.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "engine/status/bus.h"
#include "tests/status/fake_control.h"

namespace devmux {

inline constexpr uint64_t kPatience =
    10'000'000;  // µs without any event: the thing will not happen

struct BusDaemon {
    FakeControl control;
    std::vector<std::string> reports;
    std::string dir, path;
    sd_event* event = nullptr;
    std::unique_ptr<Bus> bus;

    BusDaemon() {
        std::string name = "/tmp/devmux-bus-XXXXXX";
        REQUIRE(mkdtemp(name.data()));
        dir = name;
        path = dir + "/bus";
        REQUIRE(sd_event_new(&event) >= 0);
        control.unit_values["gdm"] = {.name = "gdm", .state = "waiting"};
        listen();
    }
    ~BusDaemon() {
        bus.reset();
        sd_event_unref(event);
        ::unlink(path.c_str());
        ::rmdir(dir.c_str());
    }
    void listen() {
        auto opened = Bus::open(path, control, event,
                                [this](const Error& e) { reports.push_back(e.to_string()); });
        REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().to_string()));
        bus = std::move(*opened);
    }
    template <class Done>
    bool run_until(Done done) {
        while (!done())
            if (sd_event_run(event, kPatience) <= 0) return done();
        return true;
    }
    // Everything that can happen without anybody doing more.
    void run_dry() {
        while (sd_event_run(event, 0) > 0) {}
    }
};

struct BusAnswer {
    bool here = false;
    std::string text, error, message;
};

// A client on the daemon's own loop.
struct BusClient {
    BusDaemon& daemon;
    sd_bus* bus = nullptr;

    explicit BusClient(BusDaemon& d) : daemon(d) {
        REQUIRE(sd_bus_new(&bus) >= 0);
        REQUIRE(sd_bus_set_address(bus, ("unix:path=" + d.path).c_str()) >= 0);
        REQUIRE(sd_bus_start(bus) >= 0);
        REQUIRE(sd_bus_attach_event(bus, d.event, 0) >= 0);
    }
    ~BusClient() { leave(); }
    BusClient(const BusClient&) = delete;
    BusClient& operator=(const BusClient&) = delete;
    void leave() { bus = sd_bus_close_unref(bus); }

    static int take(sd_bus_message* m, void* into, sd_bus_error*) {
        auto& answer = *static_cast<BusAnswer*>(into);
        answer.here = true;
        if (const sd_bus_error* e = sd_bus_message_get_error(m)) {
            answer.error = e->name;
            answer.message = e->message ? e->message : "";
        } else {
            const char* text = nullptr;
            if (sd_bus_message_read(m, "s", &text) >= 0) answer.text = text;
        }
        return 0;
    }
    template <class... Args>
    void send(BusAnswer& into, const char* method, const char* types = "", Args... args) {
        REQUIRE(sd_bus_call_method_async(bus, nullptr, nullptr, "/org/devmux1",
                                         "org.devmux1.Manager", method, take, &into, types,
                                         args...) >= 0);
    }
    template <class... Args>
    BusAnswer call(const char* method, const char* types = "", Args... args) {
        BusAnswer answer;
        send(answer, method, types, args...);
        CHECK(daemon.run_until([&] { return answer.here; }));
        return answer;
    }
};

}  // namespace devmux
