// What the private bus answers: every method, every error, and the calls that are answered later,
// to clients that are still there and to clients that are not.
#include "engine/status/bus.h"

#include <doctest/doctest.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "engine/status/bus_connection.h"
#include "engine/status/status_json.h"
#include "tests/status/bus_fixture.h"

using namespace devmux;

TEST_SUITE_BEGIN("status/bus");

TEST_CASE("every method answers with the JSON of its snapshot") {
    BusDaemon d;
    d.control.engine_value.version = "0.1";
    d.control.engine_value.devices = 5;
    BusClient c(d);
    CHECK(c.call("Status").text == to_json(d.control.engine()));
    CHECK(c.call("List").text == to_json(d.control.units()));
    CHECK(c.call("Unit", "s", "gdm").text == to_json(*d.control.unit("gdm")));
    CHECK(c.call("Devices", "s", "mouse").text == to_json(*d.control.devices("mouse")));
    CHECK(c.call("Devices", "s", "").text == to_json(*d.control.devices("")));
    CHECK(c.call("Classes").text == to_json(d.control.classes()));
    CHECK(c.call("Eval", "s", "mouse present").text == to_json(*d.control.eval("mouse present")));
    CHECK(c.call("Reload").text ==
          to_json(ReloadSnapshot{.added = {"gdm"}, .errors = {"a.yaml:1:1: no"}}));
    const std::string gdm = to_json(*d.control.unit("gdm"));
    CHECK(c.call("Start", "sb", "gdm", 0).text == gdm);
    CHECK(c.call("Stop", "sb", "gdm", 0).text == gdm);
    CHECK(c.call("Reset", "sb", "gdm", 0).text == gdm);
    CHECK(c.call("Reset", "sb", "gdm", 1).text == gdm);
    CHECK(d.control.asked == std::vector<std::string>{"reload", "start gdm", "stop gdm",
                                                      "reset gdm", "reset gdm latch"});
    CHECK(d.control.waiting.empty());
    CHECK(d.reports.empty());
}

TEST_CASE("errors have a name for programs and a text for people") {
    BusDaemon d;
    BusClient c(d);
    for (const char* method : {"Start", "Stop", "Reset"}) {
        BusAnswer a = c.call(method, "sb", "gdn", 1);
        CHECK(a.error == "org.devmux1.Error.NoSuchUnit");
        CHECK(a.message == "there is no unit \"gdn\"\n    did you mean gdm?");
    }
    CHECK(d.control.asked.empty());
    CHECK(c.call("Unit", "s", "").error == "org.devmux1.Error.NoSuchUnit");
    BusAnswer a = c.call("Devices", "s", "mosue");
    CHECK(a.error == "org.devmux1.Error.NoSuchClass");
    CHECK(a.message == "there is no class \"mosue\"");
    for (const char* method : {"Eval", "Wait"}) {
        a = c.call(method, "s", "bad");
        CHECK(a.error == "org.devmux1.Error.BadCondition");
        CHECK(a.message == "expected a condition, found \"bad\"");
    }
    d.control.refusal = fake_error("gdm is masked\xff\x1b");  // no UTF-8: still an answer
    for (const char* method : {"Start", "Stop", "Reset"}) {
        a = c.call(method, "sb", "gdm", 1);
        CHECK(a.error == "org.devmux1.Error.Refused");
        CHECK(a.message == "gdm is masked\\xff\\x1b");
    }
    CHECK(c.call("Wait", "s", "mouse").error == "org.devmux1.Error.Refused");
    CHECK(d.control.waiting.empty());
}

TEST_CASE("calls that nobody meant") {
    BusDaemon d;
    BusClient c(d);
    CHECK(c.call("Explode").error == SD_BUS_ERROR_UNKNOWN_METHOD);
    CHECK(c.call("Unit", "i", 7).error == SD_BUS_ERROR_INVALID_ARGS);
    CHECK(c.call("Start", "s", "gdm").error == SD_BUS_ERROR_INVALID_ARGS);
    std::string fits(kLongestArgument, 'x'), longer(kLongestArgument + 1, 'x');
    CHECK(c.call("Eval", "s", fits.c_str()).error.empty());
    CHECK(c.call("Eval", "s", longer.c_str()).error == SD_BUS_ERROR_INVALID_ARGS);
    CHECK(c.call("Start", "sb", longer.c_str(), 0).error == SD_BUS_ERROR_INVALID_ARGS);
    d.control.throws = true;
    CHECK(c.call("Status").message == "out of luck");
    d.control.throws = false;
    CHECK(c.call("Status").error.empty());  // and the connection lives on
}

TEST_CASE("a start that waits is answered when the unit is at rest") {
    BusDaemon d;
    BusClient c(d);
    for (const char* method : {"Start", "Stop"}) {
        BusAnswer later;
        c.send(later, method, "sb", "gdm", 1);
        CHECK(d.run_until([&] { return d.control.waiting.size() == 1; }));
        CHECK(
            c.call("Status").error.empty());  // others are served meanwhile, on the same connection
        CHECK_FALSE(later.here);
        d.control.unit_values["gdm"].state = method;
        d.control.fire();
        CHECK(d.run_until([&] { return later.here; }));
        CHECK(later.text == to_json(*d.control.unit("gdm")));
    }
    CHECK(d.control.cancelled.empty());
}

TEST_CASE("a wait is answered when the condition holds, or at once when it does") {
    BusDaemon d;
    BusClient c(d);
    BusAnswer later;
    c.send(later, "Wait", "s", "mouse");
    CHECK(d.run_until([&] { return d.control.waiting.size() == 1; }));
    CHECK_FALSE(later.here);
    d.control.fire();
    CHECK(d.run_until([&] { return later.here; }));
    CHECK(later.text.starts_with(R"({"condition":"mouse","truth":"true",)"));
    d.control.at_once = true;  // Control tells before it returns the ticket
    CHECK(c.call("Wait", "s", "mouse").text == later.text);
    CHECK(c.call("Start", "sb", "gdm", 1).text == to_json(*d.control.unit("gdm")));
    c.leave();
    CHECK(d.run_until([&] { return d.bus->connections() == 0; }));
    CHECK(d.control.cancelled.empty());  // what was answered is not cancelled
}

TEST_CASE("a client that goes away takes its waits with it, and only its own") {
    BusDaemon d;
    BusClient stays(d);
    BusClient goes(d);
    BusAnswer kept, lost, lost_too;
    goes.send(lost, "Wait", "s", "mouse");
    goes.send(lost_too, "Start", "sb", "gdm", 1);
    CHECK(d.run_until([&] { return d.control.waiting.size() == 2; }));
    stays.send(kept, "Wait", "s", "mouse");
    CHECK(d.run_until([&] { return d.control.waiting.size() == 3; }));
    CHECK(d.bus->connections() == 2);
    goes.leave();
    CHECK(d.run_until([&] { return d.bus->connections() == 1; }));
    CHECK(d.control.cancelled == std::vector<Control::Ticket>{1, 2});
    d.control.fire();
    CHECK(d.run_until([&] { return kept.here; }));
    CHECK_FALSE(lost.here);
    CHECK_FALSE(lost_too.here);
}

TEST_CASE("a client that left unnoticed is told nothing and breaks nothing") {
    BusDaemon d;
    BusClient c(d);
    BusAnswer lost;
    c.send(lost, "Wait", "s", "mouse");
    CHECK(d.run_until([&] { return d.control.waiting.size() == 1; }));
    c.leave();
    d.control.fire();  // before the loop has seen the end of the connection
    CHECK(d.control.waiting.empty());
    CHECK(d.run_until([&] { return d.bus->connections() == 0; }));
    CHECK(d.control.cancelled.empty());
}

TEST_CASE("the bus goes: waits are taken back, clients hear it, the socket is removed") {
    BusDaemon d;
    BusClient c(d);
    BusAnswer lost;
    c.send(lost, "Wait", "s", "mouse");
    CHECK(d.run_until([&] { return d.control.waiting.size() == 1; }));
    d.bus.reset();
    CHECK(d.control.waiting.empty());
    CHECK(d.control.cancelled == std::vector<Control::Ticket>{1});
    CHECK(access(d.path.c_str(), F_OK) != 0);
    CHECK(d.run_until([&] { return lost.here; }));
    CHECK_FALSE(lost.error.empty());
}

TEST_SUITE_END();
