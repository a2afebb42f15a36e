// A runner with init scripts in a folder of its own, a spawner that starts nothing, and jobs for it.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/model/unit.h"
#include "engine/run/runner.h"
#include "tests/run/temp_dir.h"
#include "tests/support/fake_spawner.h"

namespace devmux {

struct FakeWatch final : ChildWatch {
    std::map<JobId, int> watched;
    void watch(int pidfd, JobId job) override {
        CHECK(pidfd >= 0);
        CHECK(watched.emplace(job, pidfd).second);
    }
    void unwatch(int pidfd, JobId job) override {
        CHECK(watched.at(job) == pidfd);
        CHECK(fcntl(pidfd, F_GETFD) >= 0);  // not closed yet
        watched.erase(job);
    }
};

struct Shop {
    TempDir dir;
    FakeSpawner spawner;
    FakeWatch watch;
    UnitLog log = make_log(dir);
    Runner runner{{.root = dir.path(), .init_dir = "/init.d"}, spawner, log, watch};

    Shop() { mkdir((dir / "init.d").c_str(), 0755); }

    static UnitLog make_log(const TempDir& dir) {
        mkdir((dir / "log").c_str(), 0755);
        auto log = UnitLog::open(dir / "log");
        REQUIRE(log);
        return std::move(*log);
    }
    std::string script(const std::string& name, mode_t mode = 0755) const {
        return dir.write("init.d/" + name, "#!/bin/sh\necho \"$1 $SUBSYSTEM\"\nexit 4\n", mode);
    }
    std::string refusal(const RunJob& job) {
        size_t before = spawner.commands.size();
        Started started = runner.start(job);
        REQUIRE(started.ended);
        CHECK(started.ended->job == job.job);
        CHECK_FALSE(started.ended->code);
        CHECK(spawner.commands.size() == before);
        CHECK(watch.watched.empty());
        return started.ended->error;
    }
};

inline RunJob script_job(const std::string& name, Verb verb = Verb::Start, JobId job = 1) {
    Unit unit{.name = "unit-of-" + std::to_string(job)};
    unit.service = {.kind = Service::Kind::InitScript, .init_script = name};
    return {
        .job = job, .unit = std::make_shared<Unit>(unit), .verb = verb, .reason = "mouse present"};
}

inline RunJob command_job(std::vector<std::string> start, std::vector<std::string> stop, Verb verb) {
    Unit unit{.name = "cmd"};
    unit.service = {.start = std::move(start), .stop = std::move(stop)};
    return {.job = 1, .unit = std::make_shared<Unit>(unit), .verb = verb};
}

}  // namespace devmux
