// From a job to its command and its end: with a spawner that starts nothing, and once for real.
#include "engine/run/runner.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <map>

#include "engine/model/unit.h"
#include "engine/run/process.h"
#include "engine/run/trust.h"
#include "tests/run/shop.h"

using namespace devmux;
using namespace std::string_literals;

TEST_SUITE("run/runner") {
    TEST_CASE("an init script is run below the root with its verb") {
        Shop shop;
        std::string path = shop.script("gdm3");
        const std::vector<std::pair<Verb, std::string>> verbs{
            {Verb::Start, "start"}, {Verb::Stop, "stop"}, {Verb::Run, "start"}};
        JobId id = 0;
        for (const auto& [verb, word] : verbs) {
            Started started = shop.runner.start(script_job("gdm3", verb, ++id));
            CHECK_FALSE(started.ended);
            CHECK(started.warnings.empty());
            const Command& command = shop.spawner.commands.back();
            CHECK(command.job == id);
            CHECK(command.argv == std::vector<std::string>{path, word});
            CHECK(command.output_fd >= 0);
        }
        CHECK(shop.runner.running() == 3);
        CHECK(shop.watch.watched.size() == 3);
        REQUIRE(shop.runner.find(2));
        CHECK(shop.runner.find(2)->verb == Verb::Stop);
        CHECK(shop.runner.find(2)->unit == "unit-of-2");
        CHECK(shop.runner.find(9) == nullptr);
        CHECK(shop.dir.has("log/unit-of-1"));
    }

    TEST_CASE("a command is its argument list; without a stop there is nothing to stop") {
        Shop shop;
        std::string program = shop.dir.write("prog", "#!/bin/sh\n", 0755);
        CHECK_FALSE(shop.runner.start(command_job({program, "a b", ""}, {}, Verb::Start)).ended);
        CHECK(shop.spawner.commands.back().argv == std::vector<std::string>{program, "a b", ""});
        Shop other;
        Started stopped = other.runner.start(command_job({program}, {}, Verb::Stop));
        REQUIRE(stopped.ended);
        CHECK(stopped.ended->ok());
        CHECK(other.spawner.commands.empty());
        CHECK_FALSE(other.runner.start(command_job({"/x"}, {program, "-k"}, Verb::Stop)).ended);
        CHECK(other.spawner.commands.back().argv == std::vector<std::string>{program, "-k"});
        Shop third;
        CHECK(third.refusal(command_job({}, {}, Verb::Start)) == "the unit has no start command");
        CHECK(third.refusal(command_job({"bin/x"}, {}, Verb::Run)) ==
              "bin/x: not an absolute path");
    }

    TEST_CASE("the environment is the script's, and what does not fit is told") {
        Shop shop;
        shop.script("s");
        RunJob job = script_job("s");
        job.action = "remove";
        job.block = "ACTION=add\0SUBSYSTEM=net\0LD_PRELOAD=x\0"s;
        for (int i = 0; i < 17; ++i)
            job.block += "X" + std::to_string(i) + "=" + std::string(4096, 'x') + '\0';
        Started started = shop.runner.start(job);
        CHECK(started.warnings.size() == 1);
        CHECK(started.warnings.at(0).find("X15, X16") != std::string::npos);
        const auto& environment = shop.spawner.commands.back().environment;
        for (const char* wanted : {"DEVMUX_UNIT=unit-of-1", "DEVMUX_REASON=mouse present",
                                   "ACTION=remove", "SUBSYSTEM=net", "HOME=/"})
            CHECK_MESSAGE(std::count(environment.begin(), environment.end(), wanted) == 1, wanted);
        CHECK(std::count(environment.begin(), environment.end(), "LD_PRELOAD=x") == 0);
    }

    TEST_CASE("names of init scripts that are none") {
        Shop shop;
        for (const char* name : {"", ".", "..", "a/b", "../x", ".hidden", "a b", "a;b", "a\nb"})
            CHECK(shop.refusal(script_job(name)).find("no name of an init script") !=
                  std::string::npos);
        shop.script("a.b_c+d-9");
        CHECK_FALSE(shop.runner.start(script_job("a.b_c+d-9")).ended);
    }

    TEST_CASE("what is not installed: skipped where the unit says so, at its start alone") {
        Shop shop;
        auto job = [&](const char* script, Verb verb, bool may) {
            RunJob run = script_job(script, verb);
            auto unit = std::make_shared<Unit>(*run.unit);
            unit->service.may_be_missing = may;
            run.unit = unit;
            return run;
        };
        auto end = [&](const RunJob& run) { return shop.runner.start(run).ended.value_or(JobEnded{}); };
        JobEnded skipped = end(job("gone", Verb::Start, true));
        CHECK(skipped.missing);
        CHECK(skipped.error == "not installed: " + shop.dir / "init.d/gone is missing");
        CHECK_FALSE(end(job("gone", Verb::Stop, true)).missing);
        CHECK_FALSE(end(job("gone", Verb::Start, false)).missing);
        // What is there and cannot be trusted has failed.
        shop.script("s", 0777);
        CHECK_FALSE(end(job("s", Verb::Start, true)).missing);
        CHECK(end(job("s", Verb::Start, true)).error.find("by everybody") != std::string::npos);
        CHECK_FALSE(end(job("../x", Verb::Start, true)).missing);
    }

    TEST_CASE("programs that somebody else could change are not run") {
        Shop shop;
        std::string path = shop.dir / "init.d/s";
        CHECK(shop.refusal(script_job("s")) == path + ": No such file or directory");
        shop.script("s", 0775);
        CHECK(shop.refusal(script_job("s")) == path +
                                                   ": may be written by its group (mode 0775), "
                                                   "expected its owner alone; try: chmod go-w " +
                                                   path);
        shop.script("s", 0757);
        CHECK(shop.refusal(script_job("s")).find("by everybody (mode 0757)") != std::string::npos);
        shop.script("s", 0755);
        mkdir((shop.dir / "init.d/d").c_str(), 0755);
        CHECK(shop.refusal(script_job("d")) ==
              shop.dir / "init.d/d: is a directory, expected a program or a script");
        mkfifo((shop.dir / "init.d/f").c_str(), 0600);
        CHECK(shop.refusal(script_job("f")).find("is a FIFO") != std::string::npos);
        // Of a link, the target counts.
        shop.dir.write("target", "#!/bin/sh\n", 0777);
        std::filesystem::create_symlink("../target", shop.dir / "init.d/l");
        CHECK(shop.refusal(script_job("l")).find("by everybody") != std::string::npos);
        chmod((shop.dir / "target").c_str(), 0755);
        CHECK_FALSE(distrust(shop.dir / "init.d/l"));
        chmod((shop.dir / "init.d").c_str(), 0777);
        CHECK(shop.refusal(script_job("s")).starts_with(shop.dir / "init.d: may be written"));
        chmod((shop.dir / "init.d").c_str(), 0755);
        if (geteuid() == 0) {
            REQUIRE(chown(path.c_str(), 65534, 0) == 0);
            CHECK(shop.refusal(script_job("s")) ==
                  path + ": belongs to user 65534, expected root; try: chown root " + path);
            REQUIRE(chown(path.c_str(), 0, 0) == 0);
        }
        CHECK_FALSE(shop.runner.start(script_job("s")).ended);
        CHECK_FALSE(distrust("/bin/sh"));
    }

    TEST_CASE("a program that cannot be executed ends at once") {
        Shop shop;
        std::string path = shop.script("s");
        shop.spawner.failing[path] = "Exec format error";
        CHECK(shop.refusal(script_job("s")) == path + ": Exec format error");
        CHECK(shop.runner.running() == 0);
    }

    TEST_CASE("a unit whose output cannot be kept is run all the same") {
        Shop shop;
        shop.script("s");
        RunJob job = script_job("s");
        auto unit = std::make_shared<Unit>(*job.unit);
        unit->name = "disk@a/b";
        job.unit = unit;
        Started started = shop.runner.start(job);
        CHECK_FALSE(started.ended);
        CHECK(started.warnings.at(0).find("its output is lost") != std::string::npos);
        CHECK(shop.spawner.commands.back().output_fd == -1);
    }

    TEST_CASE("ends: by status, by signal, not yet, and of nobody") {
        Shop shop;
        shop.script("s");
        for (JobId job : {1, 2, 3}) (void)shop.runner.start(script_job("s", Verb::Start, job));
        CHECK_FALSE(shop.runner.reap(1));
        CHECK_FALSE(shop.runner.reap(99));
        shop.spawner.end(1, 3);
        shop.spawner.end(2, 0);
        shop.spawner.end_by_signal(3, 9);
        auto first = shop.runner.reap(1), second = shop.runner.reap(2), third = shop.runner.reap(3);
        REQUIRE((first && second && third));
        CHECK(describe(*first) == "exited with status 3");
        CHECK(second->ok());
        CHECK(describe(*third) == "was killed by signal 9 (Killed)");
        CHECK(shop.watch.watched.empty());
        CHECK(shop.runner.running() == 0);
        CHECK_FALSE(shop.runner.reap(1));
    }

    TEST_CASE("adopted jobs: watched, or gone already; their status is nobody's") {
        Shop shop;
        shop.spawner.alive = {500};
        Started started =
            shop.runner.adopt({.job = 4, .unit = "gdm", .pid = 500, .marked_at = Time(9)});
        CHECK_FALSE(started.ended);
        CHECK(shop.spawner.adopted_at.at(500) == Time(9));
        REQUIRE(shop.runner.find(4));
        CHECK(shop.runner.find(4)->unit == "gdm");
        CHECK_FALSE(shop.runner.reap(4));
        shop.spawner.end_adopted(500);
        auto end = shop.runner.reap(4);
        REQUIRE(end);
        CHECK(end->job == 4);
        CHECK(end->unseen());
        started = shop.runner.adopt({.job = 5, .unit = "gdm", .pid = 501});
        REQUIRE(started.ended);
        CHECK(started.ended->job == 5);
        CHECK(started.ended->unseen());
        CHECK(shop.watch.watched.empty());
    }

    TEST_CASE("for real: an init script from its start to its last line") {
        Shop shop;
        shop.script("s");
        Descriptor journal(
            open((shop.dir / "journal").c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
        auto spawner = ProcessSpawner::create(journal.get(), "/dev/null", "/proc");
        REQUIRE(spawner);
        Runner runner({.root = shop.dir.path() + "/", .init_dir = "/init.d"}, **spawner, shop.log,
                      shop.watch);
        RunJob job = script_job("s");
        job.block = "SUBSYSTEM=input\0"s;
        Started started = runner.start(job);
        REQUIRE(!started.ended);
        pollfd dead{.fd = shop.watch.watched.at(1), .events = POLLIN, .revents = 0};
        REQUIRE(poll(&dead, 1, 60000) == 1);
        auto end = runner.reap(1);
        REQUIRE(end);
        CHECK(end->code == 4);
        auto lines = shop.log.flush("unit-of-1");
        REQUIRE(lines.size() == 1);
        CHECK(lines[0].text == "start input");
        CHECK(shop.dir.read("journal").find("mark\t1\t") != std::string::npos);
    }

    TEST_CASE("a start that ended and nobody saw how: the service says whether it runs") {
        struct Row { const char* script; int answers; bool down, asked; };
        for (const Row& row : {Row{"case $1 in\nstart|status) ;;\nesac", 0, false, true},
                               Row{"case $1 in\nstart|status) ;;\nesac", 3, true, true},
                               Row{"case $1 in\nstart|status) ;;\nesac", 9, false, true},
                               Row{"case $1 in\nstart) ;;\nesac", 0, false, false}})
            for (bool runs_on : {true, false}) {
                Shop shop;
                std::string path = shop.dir.write("init.d/a", "#!/bin/sh\n" + std::string(row.script) + "\n", 0755);
                RunJob job = script_job("a", Verb::Start, 7);
                if (runs_on) shop.spawner.alive.insert(55);
                Started adopted = shop.runner.adopt({7, "a", 55, Time(9), job.unit});
                std::optional<JobEnded> end = adopted.ended;
                if (runs_on) {
                    CHECK_FALSE(end);
                    shop.spawner.end_adopted(55);
                    end = shop.runner.reap(7);
                }
                CHECK(end.has_value() == !row.asked);
                if (row.asked) {
                    CHECK(shop.spawner.commands.back().argv == std::vector<std::string>{path, "status"});
                    CHECK_FALSE(shop.spawner.commands.back().marks);
                    shop.spawner.end(7, row.answers);
                    end = shop.runner.reap(7);
                }
                REQUIRE(end);
                CHECK(end->job == 7);
                CHECK(end->unseen() == !row.down);
                CHECK(end->found_down == row.down);
                CHECK_FALSE(end->ok());
                CHECK(shop.watch.watched.empty());
                CHECK(shop.runner.running() == 0);
            }
        // A task, and what is no start, is not asked about; a question that cannot be asked says nothing.
        Shop shop;
        shop.dir.write("init.d/a", "#!/bin/sh\ncase $1 in\nstart|status) ;;\nesac\n", 0755);
        CHECK(shop.runner.adopt({7, "a", 55, Time(9)}).ended->unseen());
        shop.spawner.failing[shop.dir / "init.d/a"] = "no";
        Started asked = shop.runner.adopt({7, "a", 55, Time(9), script_job("a").unit});
        REQUIRE(asked.ended);
        CHECK(asked.ended->unseen());
        CHECK(asked.warnings.size() == 1);
    }
}
