// Daemons in the runner: the process is the service, its start is over when it is ready, its stop is a
// signal.
#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>

#include "engine/run/notify_socket.h"
#include "engine/run/process.h"
#include "tests/run/shop.h"

using namespace devmux;

namespace {

RunJob daemon_job(const std::string& program, bool notifies, JobId job = 1) {
    Unit unit{.name = "d"};
    unit.service = {.kind = Service::Kind::Daemon, .start = {program}, .notifies = notifies};
    return {.job = job, .unit = std::make_shared<Unit>(unit), .verb = Verb::Start};
}

RunJob stop_of(const RunJob& start, JobId job) {
    RunJob stop = start;
    stop.job = job;
    stop.verb = Verb::Stop;
    stop.daemon = start.job;
    return stop;
}

}  // namespace

TEST_SUITE("run/daemon") {
    TEST_CASE("ready at once, and watched on") {
        Shop shop;
        RunJob job = daemon_job(shop.dir.write("d", "#!/bin/sh\n", 0755), false);
        Started started = shop.runner.start(job);
        CHECK(started.ready);
        CHECK_FALSE(started.ended);
        CHECK(shop.watch.watched.contains(1));
        CHECK_FALSE(shop.runner.ready(shop.runner.find(1)->child.pid));  // nobody waits for its word
        shop.spawner.end(1, 3);
        CHECK(shop.runner.reap(1)->code == 3);
    }

    TEST_CASE("ready when it says so, which counts once and from itself") {
        Shop shop;
        RunJob job = daemon_job(shop.dir.write("d", "#!/bin/sh\n", 0755), true);
        CHECK_FALSE(shop.runner.start(job).ready);
        const auto& environment = shop.spawner.commands.back().environment;
        CHECK(std::count(environment.begin(), environment.end(), "NOTIFY_SOCKET=") == 1);
        int pid = shop.runner.find(1)->child.pid;
        CHECK_FALSE(shop.runner.ready(pid + 1));
        CHECK(shop.runner.ready(pid) == JobId{1});
        CHECK_FALSE(shop.runner.ready(pid));
    }

    TEST_CASE("a daemon that ended is awaited no more") {
        Shop shop;
        (void)shop.runner.start(daemon_job(shop.dir.write("d", "#!/bin/sh\n", 0755), true));
        int pid = shop.runner.find(1)->child.pid;
        shop.spawner.end(1, 0);
        REQUIRE(shop.runner.reap(1));
        CHECK_FALSE(shop.runner.ready(pid));
    }

    TEST_CASE("a stop is SIGTERM, and over when the daemon is; of one that is gone it is over at once") {
        Shop shop;
        RunJob job = daemon_job(shop.dir.write("d", "#!/bin/sh\n", 0755), false);
        (void)shop.runner.start(job);
        int pid = shop.runner.find(1)->child.pid;
        Started stopped = shop.runner.start(stop_of(job, 2));
        CHECK_FALSE(stopped.ended);
        CHECK(shop.spawner.signals == std::vector<std::pair<int, int>>{{pid, SIGTERM}});
        REQUIRE(shop.runner.find(2));
        CHECK(shop.runner.find(2)->child.pid == pid);
        shop.spawner.end_by_signal(1, SIGTERM);
        CHECK(shop.runner.reap(1)->signal == SIGTERM);
        CHECK(shop.runner.find(2) == nullptr);
        Started late = shop.runner.start(stop_of(job, 3));
        REQUIRE(late.ended);
        CHECK(late.ended->ok());
        CHECK(late.ended->job == 3);
    }

    TEST_CASE("for real: it says that it is ready, is told to end, and ends") {
        Shop shop;
        auto socket = NotifySocket::open(shop.dir / "notify");
        REQUIRE(socket);
        Descriptor journal(open((shop.dir / "journal").c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
        auto spawner = ProcessSpawner::create(journal.get(), "/dev/null", "/proc");
        REQUIRE(spawner);
        Runner runner({.root = shop.dir.path(), .notify_socket = socket->path()}, **spawner, shop.log, shop.watch);
        std::string program = shop.dir.write("d", R"(#!/usr/bin/env python3
import os, signal, socket
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b"STATUS=here\nREADY=1\n", os.environ["NOTIFY_SOCKET"])
while True:
    signal.pause()
)", 0755);
        RunJob job = daemon_job(program, true);
        Started started = runner.start(job);
        REQUIRE_MESSAGE(!started.ended, started.ended->error);
        pollfd said{.fd = socket->fd(), .events = POLLIN, .revents = 0};
        REQUIRE(poll(&said, 1, 60000) == 1);
        std::vector<int> ready = socket->take();
        REQUIRE(ready.size() == 1);
        CHECK(runner.ready(ready[0]) == JobId{1});
        CHECK_FALSE(runner.start(stop_of(job, 2)).ended);
        pollfd dead{.fd = shop.watch.watched.at(1), .events = POLLIN, .revents = 0};
        REQUIRE(poll(&dead, 1, 60000) == 1);
        CHECK(runner.reap(1)->code == 7);
    }
}
