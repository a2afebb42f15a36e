// What the daemon cannot be asked: what has no meaning for one that runs is refused with its reason.
#include "tools/whatif.h"

#include <doctest/doctest.h>

#include "tests/recording/world.h"
#include "tools/trace_text.h"

using namespace devmux;

TEST_SUITE("tools/whatif") {
    TEST_CASE("words of a trace that are none of a machine that runs") {
        std::string text;
        Simulation s(configuration_of({{"u", "{when: file /go exists, command: {start: [/a]}}"}}, {"{class: c, match: 'name ~ \"*\"'}"}), "");
        s.start();
        s.snapshot({});
        s.coldplug_complete();
        s.record_into(text);
        auto head = read_head(text, "t");
        REQUIRE_MESSAGE(head, head.error().to_string());
        for (const char* event : {"reload x", "reload", "crash", "crash u", "restart", "snapshot", "snapshot behind", "caught-up", "device /devices/x",
                                  "cmdline quiet", "jobs by-hand", "+1s\nreload x"}) {
            CAPTURE(event);
            for (const char* next : {"+1s", "stop u", "add /devices/c SUBSYSTEM=x"}) {
                auto lines = what_if(*head, {event, next});
                REQUIRE_FALSE(lines);
                CHECK(lines.error().what.find("cannot be asked") != std::string::npos);
            }
        }
        auto lines = what_if(*head, {"file /go yes", "lost", "modules loading", "udevd busy", "complete"});
        REQUIRE_MESSAGE(lines, lines.error().to_string());
        CHECK(lines->front().find("starting") != std::string::npos);
    }

    TEST_CASE("mounts: what is known of them is the table to begin with") {
        std::string text;
        Simulation s(configuration_of({{"u", "{while: /srv on nfs, command: {start: [/a], stop: [/b]}}"},
                                       {"v", "{while: /srv/x mounted and root on ext4, command: {start: [/a], stop: [/b]}}"}},
                                      {"{class: c, match: 'name ~ \"*\"'}"}), "");
        s.start();
        s.snapshot({});
        s.coldplug_complete();
        s.mounted({"/", "ext4", "/dev/vda2"});
        s.mounted({"/srv", "nfs4", "s:/srv"});
        s.record_into(text);
        auto head = read_head(text, "t");
        REQUIRE_MESSAGE(head, head.error().to_string());
        auto lines = what_if(*head, {"mounted /srv/x xfs /dev/vdb"});
        REQUIRE_MESSAGE(lines, lines.error().to_string());
        REQUIRE_FALSE(lines->empty());
        CHECK(lines->front().find("v: starting") != std::string::npos);
        lines = what_if(*head, {"unmounted /srv"});
        REQUIRE_MESSAGE(lines, lines.error().to_string());
        REQUIRE_FALSE(lines->empty());
        CHECK(lines->front().find("u: stopping") != std::string::npos);
        CHECK_FALSE(what_if(*head, {"unmounted /home"}));
        CHECK_FALSE(what_if(*head, {"mounted /home"}));
        CHECK_FALSE(what_if(*head, {"mounted home xfs"}));
    }
}
