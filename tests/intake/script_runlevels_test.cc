// Where an init script belongs: links of rc?.d, and headers of scripts.
#include "engine/intake/script_runlevels.h"

#include <doctest/doctest.h>

#include "tests/intake/temp_tree.h"

using namespace devmux;

namespace {

std::string header(const std::string& starts, const std::string& stops) {
    return "#!/bin/sh\n# Default-Start: 9\n### BEGIN INIT INFO\n# Provides: x\n# Default-Start:" + starts +
           "\n# Default-Stop:" + stops + "\n### END INIT INFO\n# Default-Start: 7\n";
}

std::string where(const ScriptRunlevels& r) {
    std::string out = r.by_links ? "links" : "header";
    for (std::string level : {"", "S", "1", "2", "3", "6"})
        if (r.allows(level)) out += " " + (level.empty() ? "boot" : level);
    return out;
}

}  // namespace

TEST_SUITE("intake/script_runlevels") {
    TEST_CASE("of a header") {
        TempTree dir;
        dir.directory("rc2.d");
        struct Row {
            const char *starts, *stops, *allowed;
        };
        for (const Row& row : {Row{" 2 3 4 5", " 0 1 6", "header 2 3"}, Row{"\tS", "\t0 1 6", "header boot S 2 3"},
                               Row{" S", "", "header boot S 1 2 3 6"}, Row{" s 2", " 6", "header boot S 1 2 3"},
                               // Nobody says where it starts: everywhere but where it stops.
                               Row{"", " 0 1 6", "header boot S 2 3"}, Row{" 23 x", "", "header boot S 1 2 3 6"}}) {
            CAPTURE(row.starts);
            dir.file("init.d/x", header(row.starts, row.stops));
            CHECK(where(ScriptRunlevelsReader(dir.path()).of("x")) == row.allowed);
        }
        dir.file("init.d/none", "#!/bin/sh\n");
        CHECK(ScriptRunlevelsReader(dir.path()).of("none") == ScriptRunlevels{});
        CHECK(ScriptRunlevelsReader(dir.path()).of("nowhere") == ScriptRunlevels{});
        CHECK(ScriptRunlevelsReader(dir.path()).of("../init.d/x") == ScriptRunlevels{});
    }

    TEST_CASE("links count, where there are any, and the header does not") {
        TempTree dir;
        dir.file("init.d/x", header(" 2 3 4 5", " 0 1 6"));
        dir.link("rc2.d/K01x", "../init.d/x");
        dir.link("rc3.d/S20x", "../init.d/x");
        dir.link("rc6.d/K01x", "../init.d/x");
        dir.link("rc2.d/S01other", "../init.d/other");
        ScriptRunlevels x = ScriptRunlevelsReader(dir.path()).of("x");
        CHECK(where(x) == "links 3");
        CHECK(x.text() == "3");
        CHECK(x.init_stops_in("2"));
        CHECK(x.init_stops_in("6"));
        CHECK_FALSE(x.init_stops_in("3"));
        CHECK_FALSE(x.init_stops_in(""));
        // update-rc.d x disable: links that stop it, and no other.
        dir.remove("rc3.d/S20x");
        CHECK(where(ScriptRunlevelsReader(dir.path()).of("x")) == "links");
        CHECK(ScriptRunlevelsReader(dir.path()).of("x").text().empty());
        dir.remove("rc2.d/K01x");
        dir.remove("rc6.d/K01x");
        CHECK(where(ScriptRunlevelsReader(dir.path()).of("x")) == "header 2 3");
        for (const char* no_link : {"rc2.d/README", "rc2.d/S1x", "rc2.d/x", "rc2.d/s20x", "rcX.d/K20x"}) dir.file(no_link);
        CHECK(where(ScriptRunlevelsReader(dir.path()).of("x")) == "header 2 3");
    }

    TEST_CASE("an init without folders of links: nothing is said of any script") {
        TempTree dir;
        dir.file("init.d/x", header(" 2 3 4 5", " 0 1 6"));
        CHECK(ScriptRunlevelsReader(dir.path()).of("x") == ScriptRunlevels{});
        CHECK(where({}) == "header boot S 1 2 3 6");
    }
}
