// What is asked before a program is started: of whom, in which order, and what each answer leads to.
#include "engine/run/questions.h"

#include <doctest/doctest.h>

#include "tests/run/shop.h"

using namespace devmux;

namespace {

constexpr const char* kScript = "#!/bin/sh\ncase \"$1\" in\n  start) ;;\n  status) exit 3 ;;\nesac\n";

// A shop with policy-rc.d, a script that has a status, and runlevel 2.
struct Asked : Shop {
    std::string policy, path;
    explicit Asked(char runlevel = '2') {
        for (const char* folder : {"usr", "usr/sbin"}) mkdir((dir / folder).c_str(), 0755);
        policy = dir.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n", 0755);
        path = dir.write("init.d/gdm3", kScript, 0755);
        if (runlevel) runner.set_runlevel(std::string(1, runlevel));
    }
    // Answers what job 1 asks now; what reap() says then.
    std::optional<JobEnded> answer(int code) {
        spawner.end(1, code);
        return runner.reap(1);
    }
    const Command& last() const { return spawner.commands.back(); }
};

RunJob job_of(const std::string& script, IfRunning if_running, Verb verb = Verb::Start) {
    Unit unit{.name = "u"};
    unit.service = {.kind = Service::Kind::InitScript, .init_script = script};
    unit.if_running = if_running;
    return {.job = 1, .unit = std::make_shared<Unit>(unit), .verb = verb};
}

using Words = std::vector<std::string>;

}  // namespace

TEST_SUITE("run/questions") {
    TEST_CASE("policy-rc.d first, then status, then the script, which alone leaves the mark") {
        Asked shop;
        CHECK_FALSE(shop.runner.start(job_of("gdm3", IfRunning::Skip)).ended);
        CHECK(shop.last().argv == Words{shop.policy, "gdm3", "start", "2"});
        CHECK_FALSE(shop.last().marks);
        CHECK_FALSE(shop.runner.reap(1));  // it thinks
        CHECK_FALSE(shop.answer(0));
        CHECK(shop.last().argv == Words{shop.path, "status"});
        CHECK_FALSE(shop.last().marks);
        CHECK_FALSE(shop.answer(3));
        CHECK(shop.last().argv == Words{shop.path, "start"});
        CHECK(shop.last().marks);
        CHECK(shop.spawner.commands.size() == 3);
        CHECK(shop.watch.watched.size() == 1);
        auto end = shop.answer(0);
        REQUIRE(end);
        CHECK(end->ok());
        CHECK_FALSE(end->found_running);
        CHECK(shop.runner.take_warnings().empty());
    }

    TEST_CASE("policy-rc.d forbids, and says so with the runlevel") {
        Asked shop;
        (void)shop.runner.start(job_of("gdm3", IfRunning::Skip));
        auto end = shop.answer(101);
        REQUIRE(end);
        CHECK(end->error == "policy-rc.d forbids start of gdm3 (runlevel 2)");
        CHECK(shop.spawner.commands.size() == 1);
        CHECK(shop.watch.watched.empty());
        CHECK(shop.runner.running() == 0);
        Asked other(0);
        (void)other.runner.start(job_of("gdm3", IfRunning::Skip, Verb::Stop));
        CHECK(other.last().argv == Words{other.policy, "gdm3", "stop"});
        CHECK(other.answer(101)->error == "policy-rc.d forbids stop of gdm3");
    }

    TEST_CASE("what the other answers of policy-rc.d mean") {
        struct Row {
            int code;
            bool runs;
            const char* text;
        };
        for (const Row& row : {Row{0, true, ""}, Row{104, true, ""}, Row{1, true, "has no policy"},
                               Row{105, true, "has no policy"}, Row{100, false, "does not know"},
                               Row{102, false, "failed with status 102"}, Row{103, false, "failed with status 103"},
                               Row{106, false, "allows another action"}, Row{127, false, "failed with status 127"}}) {
            CAPTURE(row.code);
            Asked shop;
            (void)shop.runner.start(job_of("gdm3", IfRunning::Run));
            auto end = shop.answer(row.code);
            CHECK(row.runs == !end);
            CHECK(shop.spawner.commands.size() == (row.runs ? 2 : 1));
            auto warnings = shop.runner.take_warnings();
            std::string said = end ? end->error : warnings.empty() ? "" : warnings[0].text;
            CHECK_MESSAGE(said.find(row.text) != std::string::npos, said);
            CHECK((*row.text == 0) == said.empty());
        }
        Asked shop;
        (void)shop.runner.start(job_of("gdm3", IfRunning::Skip));
        shop.spawner.end_by_signal(1, 9);
        CHECK(shop.runner.reap(1)->error.find("was killed") != std::string::npos);
    }

    TEST_CASE("who is not asked: no policy-rc.d, one that is not executable, a command, the machine's end") {
        Asked shop;
        chmod(shop.policy.c_str(), 0644);
        (void)shop.runner.start(job_of("gdm3", IfRunning::Run));
        CHECK(shop.last().argv == Words{shop.path, "start"});
        for (char end : {'0', '6'}) {
            Asked other(end);
            (void)other.runner.start(job_of("gdm3", IfRunning::Skip, Verb::Stop));
            CHECK(other.last().argv == Words{other.path, "stop"});
        }
        Asked third;
        (void)third.runner.start(command_job({third.path}, {third.path}, Verb::Start));
        CHECK(third.last().argv == Words{third.path});
    }

    TEST_CASE("a policy-rc.d that others could write is not asked, and nothing is started") {
        Asked shop;
        chmod(shop.policy.c_str(), 0777);
        CHECK(shop.refusal(job_of("gdm3", IfRunning::Skip)).find("may be written by everybody") != std::string::npos);
        // Nor is a script started that changed its owner's mind meanwhile.
        chmod(shop.policy.c_str(), 0755);
        (void)shop.runner.start(job_of("gdm3", IfRunning::Run));
        chmod(shop.path.c_str(), 0777);
        CHECK(shop.answer(0)->error.find("may be written by everybody") != std::string::npos);
    }

    TEST_CASE("what runs already: skip counts as started, error is one, run does not ask") {
        for (IfRunning what : {IfRunning::Skip, IfRunning::Error}) {
            Asked shop;
            unlink(shop.policy.c_str());
            (void)shop.runner.start(job_of("gdm3", what));
            CHECK(shop.last().argv == Words{shop.path, "status"});
            auto end = shop.answer(0);
            REQUIRE(end);
            CHECK(end->found_running);
            CHECK(end->ok() == (what == IfRunning::Skip));
            CHECK(shop.spawner.commands.size() == 1);
            if (what == IfRunning::Error) CHECK(end->error.find("gdm3 status says that it runs") != std::string::npos);
        }
        Asked shop;
        unlink(shop.policy.c_str());
        (void)shop.runner.start(job_of("gdm3", IfRunning::Run));
        CHECK(shop.last().argv == Words{shop.path, "start"});
    }

    TEST_CASE("status: 1, 2, 3 are `no`; what tells nothing is told, and it is started") {
        for (int code : {1, 2, 3, 4, 150}) {
            Asked shop;
            unlink(shop.policy.c_str());
            (void)shop.runner.start(job_of("gdm3", IfRunning::Error));
            CHECK_FALSE(shop.answer(code));
            CHECK(shop.last().argv == Words{shop.path, "start"});
            CHECK(shop.runner.take_warnings().size() == (code > 3 ? 1 : 0));
        }
    }

    TEST_CASE("a command is asked by its status; a task, a stop and an event's run are not") {
        Shop shop;
        std::string program = shop.dir.write("prog", "#!/bin/sh\n", 0755);
        Unit unit{.name = "u"};
        unit.service = {.start = {program, "a"}, .stop = {program, "b"}, .status = {program, "c"}};
        auto started = [&](const Unit& u, Verb verb, JobId job) {
            (void)shop.runner.start({.job = job, .unit = std::make_shared<Unit>(u), .verb = verb});
            return shop.spawner.commands.back().argv.at(1);
        };
        CHECK(started(unit, Verb::Start, 1) == "c");
        CHECK(started(unit, Verb::Stop, 2) == "b");
        CHECK(started(unit, Verb::Run, 3) == "a");
        unit.task = true;
        CHECK(started(unit, Verb::Start, 4) == "a");
    }

    TEST_CASE("which scripts have a status: a branch of a case, or init-d-script(5)") {
        for (const char* yes : {"case x in\nstatus)\n", "\t(status)\n", "  start | status )\n", "status|force-status)\n",
                                " 'status')", "#!/usr/bin/env /lib/init/init-d-script\n", "#!/lib/init/init-d-script\n"})
            CHECK_MESSAGE(has_status_action(yes), yes);
        for (const char* no : {"", "#!/bin/sh\n", "# status)\n", "echo status\n", "echo \"Usage: {start|status}\"\n",
                               "start)\n", "mystatus)\n", "status () {\n", "x=$(status)\n", "/lib/init/init-d-script"})
            CHECK_MESSAGE(!has_status_action(no), no);
    }

    TEST_CASE("what a script is called with for a reload: its reload, else its force-reload, else nothing") {
        struct Script {
            const char *text, *action;
        };
        for (const Script& script : {Script{"start|reload)\n", "reload"}, {"restart|force-reload)\n", "force-reload"},
                                     {" reload|force-reload)\n", "reload"}, {"#!/usr/bin/env /lib/init/init-d-script\n", "force-reload"},
                                     {"#!/lib/init/init-d-script\nreload)\n", "force-reload"}, {"# reload)\n", ""},
                                     {"echo \"Usage: {start|reload}\"\n", ""}, {"", ""}, {"do_reload() {\n", ""}})
            CHECK_MESSAGE(reload_action(script.text) == script.action, script.text);
    }

    TEST_CASE("policy-rc.d is asked about the action of a reload, and nobody whether it runs") {
        Asked shop;
        Unit unit;
        unit.service.kind = Service::Kind::InitScript;
        unit.service.init_script = "reloads";
        std::string script = shop.dir.write("init.d/reloads", "#!/bin/sh\ncase \"$1\" in\n  force-reload) ;;\nesac\n", 0755);
        RunJob job{.job = 1, .unit = std::make_shared<const Unit>(unit), .verb = Verb::Reload};
        Surroundings where{script.substr(0, script.rfind('/')), shop.policy, "2"};
        auto questions = questions_before(job, where);
        REQUIRE(questions.size() == 1);
        CHECK(questions[0].argv == std::vector<std::string>{where.policy, "reloads", "force-reload", "2"});
        CHECK(answer_to(questions[0], {.code = 101}).text == "policy-rc.d forbids force-reload of reloads (runlevel 2)");
        CHECK(action_of(job, where.init_dir) == "force-reload");
    }
}
