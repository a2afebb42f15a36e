// Who a unit's program runs as: from the files, as numbers, and in front of the program's arguments.
#include "engine/run/user.h"

#include <doctest/doctest.h>

#include "tests/run/shop.h"

using namespace devmux;

namespace {

void write_users(const TempDir& dir) {
    mkdir((dir / "etc").c_str(), 0755);
    dir.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n# no line\nbroken\n"
                            "mpd:x:107:29:Music,,,:/var/lib/mpd:/usr/sbin/nologin\n");
    dir.write("etc/group", "root:x:0:\naudio:x:29:pulse,mpd\nvideo:x:44:mpdx,xmpd\nplugdev:x:46:mpd\n");
}

}  // namespace

TEST_SUITE("run/user") {
    TEST_CASE("from passwd and group: numbers, folder, every group once") {
        TempDir dir;
        write_users(dir);
        auto user = user_of(dir / "etc", "mpd");
        REQUIRE_MESSAGE(user, (user ? std::string() : user.error().to_string()));
        CHECK(user->uid == 107);
        CHECK(user->gid == 29);
        CHECK(user->home == "/var/lib/mpd");
        CHECK(user->groups == std::vector<gid_t>{29, 46});
        CHECK(arguments_to_become(*user, "/p") ==
              std::vector<std::string>{"/p", "--reuid=107", "--regid=29", "--groups=29,46", "--"});
    }

    TEST_CASE("nobody of that name, and no file") {
        TempDir dir;
        write_users(dir);
        for (const char* name : {"mp", "mpdd", "", "broken"}) {
            auto user = user_of(dir / "etc", name);
            REQUIRE_FALSE(user);
            CHECK(user.error().what.find("there is no user") != std::string::npos);
        }
        auto none = user_of(dir / "nowhere", "root");
        REQUIRE_FALSE(none);
        CHECK(none.error().what.find("No such file") != std::string::npos);
        unlink((dir / "etc/group").c_str());
        CHECK(user_of(dir / "etc", "mpd")->groups == std::vector<gid_t>{29});
    }

    TEST_CASE("a job of a user: by setpriv, with a home; of a user that is not there: an error") {
        Shop shop;
        write_users(shop.dir);
        std::string setpriv = shop.dir.write("setpriv", "#!/bin/sh\n", 0755);
        Runner runner({.root = shop.dir.path(), .setpriv = setpriv}, shop.spawner, shop.log, shop.watch);
        std::string program = shop.dir.write("prog", "#!/bin/sh\n", 0755);
        RunJob job = command_job({program, "x"}, {program}, Verb::Start);
        Unit unit = *job.unit;
        unit.user = "mpd";
        unit.environment = {"USER=other"};
        job.unit = std::make_shared<Unit>(unit);
        Started started = runner.start(job);
        REQUIRE_MESSAGE(!started.ended, started.ended->error);
        const Command& command = shop.spawner.commands.at(0);
        CHECK(command.argv == std::vector<std::string>{setpriv, "--reuid=107", "--regid=29", "--groups=29,46", "--",
                                                       program, "x"});
        auto has = [&](const char* variable) {
            return std::find(command.environment.begin(), command.environment.end(), variable) != command.environment.end();
        };
        CHECK(has("HOME=/var/lib/mpd"));
        CHECK(has("LOGNAME=mpd"));
        CHECK(has("USER=other"));
        unit.user = "nobody-there";
        job.unit = std::make_shared<Unit>(unit);
        job.job = 2;
        CHECK(runner.start(job).ended->error.find("there is no user \"nobody-there\"") != std::string::npos);
        CHECK(shop.spawner.commands.size() == 1);
    }
}
