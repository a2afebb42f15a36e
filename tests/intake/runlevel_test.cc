// The runlevel, from utmp files that are written as init(8) writes them. Nothing sleeps.
#include "engine/intake/runlevel.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <utmpx.h>

#include <array>

#include "tests/intake/temp_tree.h"

using namespace devmux;

namespace {

std::string records_of(char level) {
    std::array<utmpx, 2> records{};
    records[0].ut_type = BOOT_TIME;
    records[1].ut_type = RUN_LVL;
    records[1].ut_pid = level + 256 * 'N';
    return {reinterpret_cast<const char*>(records.data()), sizeof records};
}

struct Watched : TempTree {
    // Debian's: /var/run is a link to /run, absolute.
    Watched() {
        directory("run");
        link("var/run", "/run");
    }
    std::optional<RunlevelWatch> watch;
    void begin() { watch.emplace(path(), "/var/run/utmp", ""); }
    std::string next() {
        pollfd fd{watch->fd(), POLLIN, 0};
        REQUIRE(poll(&fd, 1, 20'000) == 1);
        auto seen = watch->take();
        REQUIRE(seen);
        return seen->level;
    }
    // As pututxline(3) does: over what is there.
    void write_over(char level) const {
        int fd = open(at("run/utmp").c_str(), O_WRONLY | O_CLOEXEC);
        std::string text = records_of(level);
        CHECK(pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
        close(fd);
    }
};

}  // namespace

TEST_SUITE("intake/runlevel") {
    TEST_CASE("one look: the record's level; unknown without a record, or with another one") {
        TempTree dir;
        CHECK(runlevel_in(dir.at("nowhere")).empty());
        dir.file("utmp", "cut off");
        CHECK(runlevel_in(dir.at("utmp")).empty());
        for (char level : {'0', '1', '5', '6', 'S'}) {
            dir.file("utmp", records_of(level));
            CHECK(runlevel_in(dir.at("utmp")) == std::string(1, level));
        }
        dir.file("utmp", records_of('s'));
        CHECK(runlevel_in(dir.at("utmp")) == "S");
        for (char none : {'\0', 'x', '\n'}) {
            dir.file("utmp", records_of(none));
            CHECK(runlevel_in(dir.at("utmp")).empty());
        }
    }

    TEST_CASE("a boot: no file, an empty one, a record, another over it, a new file, none") {
        Watched w;
        w.begin();
        CHECK(w.next().empty());
        w.file("run/utmp");
        w.write_over('2');
        CHECK(w.next() == "2");
        w.write_over('6');
        CHECK(w.next() == "6");
        w.file("run/new", records_of('S'));
        w.rename("run/new", "run/utmp");
        CHECK(w.next() == "S");
        w.write_over('3');
        CHECK(w.next() == "3");
        w.remove("run/utmp");
        CHECK(w.next().empty());
        CHECK_FALSE(w.watch->take());
    }

    TEST_CASE("what is there is told at once, and what changes nothing is not told") {
        Watched w;
        w.file("run/utmp", records_of('4'));
        w.begin();
        CHECK(w.next() == "4");
        w.write_over('4');
        w.file("run/other");
        w.write_over('5');
        CHECK(w.next() == "5");
        CHECK_FALSE(w.watch->take());
    }
}
