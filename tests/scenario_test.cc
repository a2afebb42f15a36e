// Each folder of tests/scenarios is a trace, units, and the decisions that were expected and read.
// The same as `devmux simulate --units FOLDER/units.d FOLDER/trace.txt`. To accept a change:
// tests/accept_scenarios.sh, and read the difference.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tools/trace_text.h"

using namespace devmux;
namespace fs = std::filesystem;

namespace {

std::string contents(const fs::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

TEST_SUITE("scenarios") {
    TEST_CASE("every scenario decides what was expected") {
        fs::path folder = fs::path(DEVMUX_SOURCE_DIR) / "tests/scenarios";
        size_t count = 0;
        for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
            if (!entry.is_directory()) continue;
            ++count;
            CAPTURE(entry.path().filename().string());
            auto load = [&](const std::string& dir) {
                Configuration c = load_configuration({{entry.path() / (dir.empty() ? "units.d" : dir)}}, Trust::Waive);
                for (const Error& error : c.errors) FAIL_CHECK(error.to_string());
                for (const auto& [name, errors] : c.broken) FAIL_CHECK(errors[0].to_string());
                return std::make_shared<const Configuration>(std::move(c));
            };
            auto lines = play(contents(entry.path() / "trace.txt"), "trace.txt", load);
            if (!lines) {
                FAIL_CHECK(lines.error().to_string());
                continue;
            }
            std::string got;
            for (const std::string& line : lines->lines) got += line + "\n";
            CHECK(got == contents(entry.path() / "expected.txt"));
        }
        CHECK(count >= 20);
    }

    TEST_CASE("what is wrong in a trace is named with its line") {
        auto load = [](const std::string&) { return std::make_shared<const Configuration>(); };
        for (auto [text, what] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"", "expected \"devmux-trace 1\""},
                 {"devmux-trace 2\n", "t:1: expected \"devmux-trace 1\""},
                 {"devmux-trace 1\nplug x\n", "t:2: expected an event"},
                 {"devmux-trace 1\n  A=1\n", "t:2: an indented line"},
                 {"devmux-trace 1\nsnapshot\ncmdline x\n", "t:3: \"cmdline\" must come before"},
                 {"devmux-trace 1\nadd /devices/x\n  seqnum=x\n", "t:3: expected a number"},
                 {"devmux-trace 1\nadd /devices/x\n  what\n", "t:3: expected KEY=VALUE"},
                 {"devmux-trace 1\n+5\n", "t:2: expected a time"},
                 {"devmux-trace 1\nfile /x maybe\n", "t:2: expected \"file PATH yes\""},
                 {"devmux-trace 1\nfile x yes\n", "t:2: expected \"file PATH yes\""},
                 {"devmux-trace 1\ncrash\nstart nobody\n", "t:3: the engine was killed"},
                 {"devmux-trace 1\nmodules foo\n", "t:2: expected \"modules loading\""},
                 {"devmux-trace 1\nstart nobody\n", "t:2: there is no unit \"nobody\""},
                 {"devmux-trace 1\njob u ok\n", "t:2: no job of \"u\" runs now"},
                 {"devmux-trace 1\ndoubt myself\n", "t:2: expected \"doubt overrun\""},
                 {"devmux-trace 1\ncomplete now\n", "t:2:10: expected nothing behind \"complete\", found \"now\"\n    complete now\n             ^"},
                 {"devmux-trace 1\nsnapshot now\n", "t:2:10: expected nothing or \"behind\" behind \"snapshot\""},
                 {"devmux-trace 1\nlost and found\n", "t:2:6: expected nothing behind \"lost\""},
                 {"devmux-trace 1\n+5 s\n", "t:2: expected a time like +500ms, found \"+5 s\""},
                 {"devmux-trace 1\nadd mouse\n  SUBSYSTEM=input\n", "t:2:5: expected a devpath, found \"mouse\""},
                 {"devmux-trace 1\nadd\n", "t:2:4: expected a devpath, found the end"},
                 {"devmux-trace 1\nudev add mouse\n", "t:2:10: expected a devpath"},
                 {"devmux-trace 1\ndevice mouse\n", "t:2:8: expected a devpath, found \"mouse\""},
                 {"devmux-trace 1\nsysfs gone\n", "t:2:7: expected a devpath"},
                 {"devmux-trace 1\ncrash nobody\n", "t:2:7: there is no unit \"nobody\""},
                 {"devmux-trace 1\nstart\n", "t:2:6: expected the name of a unit behind \"start\""},
                 {"devmux-trace 1\njob u maybe\n", "t:2: expected \"job UNIT ok\", ready, exit N"},
                 {"devmux-trace 1\njob u exit\n", "t:2: expected \"job UNIT ok\", ready, exit N"},
                 {"devmux-trace 1\nroute default yes 3\n", "t:2:7: expected default4, default6 or an IP address behind \"route\", found \"default\"\n    route default yes 3\n          ^\n    IPv4 and IPv6"},
                 {"devmux-trace 1\nroute defalt4 yes 3\n", "t:2:7: expected default4, default6 or an IP address"},
                 {"devmux-trace 1\nroute 192.0.2.0/24 yes 3\n", "t:2:7: expected default4, default6 or an IP address"},
                 {"devmux-trace 1\nroute default4 up 3\n", "t:2:16: expected yes or no"},
                 {"devmux-trace 1\nroute default4 yes eth0\n", "t:2:20: expected the number of a link, found \"eth0\""},
                 {"devmux-trace 1\nroute default4 yes\n", "t:2:19: expected the number of the link that the route leads over"},
                 {"devmux-trace 1\nroute default4\n", "t:2:15: expected \"route TO yes IFINDEX\""},
                 {"devmux-trace 1\nroute\n", "t:2:6: expected \"route TO yes IFINDEX\""},
                 {"devmux-trace 1\nlink eth0 up\n", "t:2:6: expected the number of a link (IFINDEX of the interface), found \"eth0\""},
                 {"devmux-trace 1\nlink 3 eth0 online\n", "t:2:13: expected down, up or running, found \"online\""},
                 {"devmux-trace 1\nlink 3 eth0 running usabel\n", "t:2:21: expected none, local, tentative or usable for an address"},
                 {"devmux-trace 1\nlink 3 eth0 running usable none slave=4\n", "t:2:33: expected master=IFINDEX, lower=IFINDEX or the end"},
                 {"devmux-trace 1\nlink 3 eth0\n", "t:2:12: expected \"link IFINDEX NAME down\""},
                 {"devmux-trace 1\nlinks gone\n", "t:2:7: expected \"links lost\""},
                 {"devmux-trace 1\njobs soon\n", "t:2: expected \"jobs by-hand\""}}) {
            const auto& text_shown = text;
            CAPTURE(text_shown);
            auto lines = play(text, "t", load);
            REQUIRE_FALSE(lines);
            CHECK_MESSAGE(lines.error().to_string().starts_with(what[0] == 't' ? what : ""), lines.error().to_string());
            CHECK_MESSAGE(lines.error().to_string().find(what) != std::string::npos, lines.error().to_string());
        }
    }
}
