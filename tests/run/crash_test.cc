// The daemon is killed with SIGKILL at every moment of a start. What the saved state says then must
// be what has happened: no mark, not run; a mark, run. And the next daemon must not look before the
// last child has decided.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <set>
#include <vector>

#include "engine/run/journal.h"
#include "engine/run/process.h"
#include "engine/run/runtime_dir.h"
#include "engine/run/saved_state.h"
#include "tests/run/temp_dir.h"

using namespace devmux;

namespace {

constexpr const char* kBoot = "boot-1";

// Orphans become ours: their end can be waited for.
struct Subreaper {
    Subreaper() { prctl(PR_SET_CHILD_SUBREAPER, 1); }
    ~Subreaper() { prctl(PR_SET_CHILD_SUBREAPER, 0); }
};

// Runs `body` in a process that acts as the daemon; returns when it has made so many steps.
template <class Body>
pid_t fork_daemon(const Body& body, unsigned long steps = 1) {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    Descriptor reader(ends[0]), writer(ends[1]);
    pid_t pid = fork();
    if (pid == 0) {
        reader.reset();
        body([&] {
            if (write(writer.get(), "x", 1) != 1) _exit(2);
        });
        _exit(0);
    }
    writer.reset();
    for (char x = 0; steps > 0; --steps) REQUIRE(read(reader.get(), &x, 1) == 1);
    // The daemon goes on writing; SIGPIPE would tell it that we went.
    static Descriptor kept;
    kept = std::move(reader);
    return pid;
}

void kill_daemon(pid_t pid) {
    kill(pid, SIGKILL);
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFSIGNALED(status));
}

void wait_for_orphans() {
    siginfo_t info{};
    while (waitid(P_ALL, 0, &info, WEXITED) == 0) {}
}

std::vector<pid_t> children_of(pid_t pid) {
    std::string id = std::to_string(pid);
    std::ifstream in("/proc/" + id + "/task/" + id + "/children");
    REQUIRE(in);  // CONFIG_PROC_CHILDREN
    std::vector<pid_t> out;
    for (pid_t child; in >> child;) out.push_back(child);
    return out;
}

// The only child of `pid`, once it has one.
pid_t child_of(pid_t pid) {
    for (;;) {
        if (std::vector<pid_t> children = children_of(pid); !children.empty()) return children[0];
        sched_yield();
    }
}

// A journal that blocks the child in its mark: it stays between clone and exec.
struct Gap {
    TempDir dir;
    Descriptor reader, writer;
    std::string ran = dir / "ran";

    Gap() {
        int ends[2];
        REQUIRE(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        reader.reset(ends[0]);
        writer.reset(ends[1]);
        std::string filling(4096, '\n');
        while (write(writer.get(), filling.data(), filling.size()) > 0) {}
        fcntl(writer.get(), F_SETFL, 0);
    }
    // Returns with the daemon dead and its child, whose pid it is, in the gap.
    pid_t child_of_killed_daemon() const {
        pid_t daemon = fork_daemon([&](auto step) {
            auto runtime = RuntimeDir::open(dir / "run", "/proc");
            auto spawner = ProcessSpawner::create(writer.get(), "/dev/null", "/proc");
            if (!runtime || !spawner) _exit(1);
            step();
            (void)(*spawner)->spawn({.job = 5, .argv = {"/bin/sh", "-c", "echo x > " + ran}});
        });
        pid_t child = child_of(daemon);
        // Dead but not reaped yet: it is not "already running".
        siginfo_t info{};
        kill(daemon, SIGKILL);
        REQUIRE(waitid(P_PID, static_cast<id_t>(daemon), &info, WEXITED | WNOWAIT) == 0);
        auto next = RuntimeDir::open(dir / "run", "/proc", Duration{});
        REQUIRE(!next);
        CHECK(next.error().what.find("child of a former devmuxd") != std::string::npos);
        kill_daemon(daemon);
        return child;
    }
    std::string drain() const {
        std::string all;
        char piece[4096];
        for (ssize_t n; (n = read(reader.get(), piece, sizeof piece)) > 0;)
            all.append(piece, static_cast<size_t>(n));
        return all;
    }
};

// One daemon that starts jobs until it is killed; every fifth cannot be executed.
void start_jobs(const std::string& runtime_dir, const std::string& ran, const auto& step) {
    auto runtime = RuntimeDir::open(runtime_dir, "/proc");
    if (!runtime) _exit(1);
    auto loaded = read_saved_state(runtime->fd(), kBoot);
    auto journal = Journal::open(runtime->fd(), kBoot, loaded->state);
    auto spawner = ProcessSpawner::create(journal->fd(), "/dev/null", "/proc");
    JobId job = loaded->state.last_job;
    for (;;) {
        step();
        std::string id = std::to_string(++job);
        if (journal->append(SavedRun{.unit = "u", .devpath = "/devices/" + id, .job = job}))
            _exit(1);
        Command command{.job = job, .argv = {"/bin/sh", "-c", "echo " + id + " >> " + ran}};
        if (job % 5 == 0) command.argv = {"/nowhere"};
        auto child = (*spawner)->spawn(command);
        if (child) close(child->pidfd);
        if (job % 7 == 0 && journal->compact()) _exit(1);
    }
}

}  // namespace

TEST_SUITE("run/crash") {
    TEST_CASE("killed in the gap, and the child too: no mark, not run") {
        Subreaper subreaper;
        Gap gap;
        pid_t child = gap.child_of_killed_daemon();
        auto next = RuntimeDir::open(gap.dir / "run", "/proc", std::chrono::milliseconds(60));
        REQUIRE(!next);
        CHECK(next.error().what.find("child of a former devmuxd") != std::string::npos);
        kill(child, SIGKILL);
        REQUIRE(waitpid(child, nullptr, 0) == child);
        CHECK(RuntimeDir::open(gap.dir / "run", "/proc", Duration{}));
        CHECK(gap.drain().find("mark") == std::string::npos);
        CHECK_FALSE(gap.dir.has("ran"));
    }

    TEST_CASE("killed in the gap, and the child goes on: it is waited for; a mark, run") {
        Subreaper subreaper;
        Gap gap;
        pid_t child = gap.child_of_killed_daemon();
        CHECK(!RuntimeDir::open(gap.dir / "run", "/proc", Duration{}));
        std::string marks = gap.drain();  // makes room: the child writes its mark and goes on
        CHECK(RuntimeDir::open(gap.dir / "run", "/proc"));
        marks += gap.drain();
        CHECK(marks.find("mark\t5\t" + std::to_string(child) + "\t") != std::string::npos);
        int status = -1;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(status == 0);
        CHECK(gap.dir.has("ran"));
    }

    TEST_CASE("killed at random moments: the marks are what has run") {
        Subreaper subreaper;
        TempDir dir;
        std::string ran = dir / "ran", runtime_dir = dir / "run";
        std::mt19937 random(20261120);
        std::set<JobId> killed;  // children that did not live to do their work
        size_t asked = 0, unmarked = 0;
        for (int round = 0; round < 80; ++round) {
            pid_t daemon = fork_daemon([&](auto step) { start_jobs(runtime_dir, ran, step); },
                                       1 + random() % 4);
            timespec moment{.tv_sec = 0, .tv_nsec = static_cast<long>(random() % 600'000)};
            nanosleep(&moment, nullptr);
            kill_daemon(daemon);
            // Every other time the machine is really bad, and its children go with it.
            if (round % 2 == 1)
                for (pid_t child : children_of(getpid())) kill(child, SIGKILL);
            auto next = RuntimeDir::open(runtime_dir, "/proc");
            REQUIRE_MESSAGE(next, (next ? std::string() : next.error().to_string()));
            auto loaded = read_saved_state(next->fd(), kBoot);
            REQUIRE(loaded);
            wait_for_orphans();

            std::multiset<JobId> run_jobs;
            std::ifstream in(ran);
            for (JobId job; in >> job;) run_jobs.insert(job);
            std::multiset<JobId> marked;
            for (const auto& [job, mark] : loaded->state.marks)
                if (!killed.contains(job)) marked.insert(job);
            // No mark, not run; and nothing ran twice.
            CHECK(std::includes(marked.begin(), marked.end(), run_jobs.begin(), run_jobs.end()));
            if (round % 2 == 0) CHECK(marked == run_jobs);
            for (JobId job : marked)
                if (!run_jobs.contains(job)) killed.insert(job);
            asked = loaded->state.runs.size();
            unmarked = 0;
            for (const SavedRun& run : loaded->state.runs) {
                bool has_mark = loaded->state.marks.contains(run.job);
                // What could not be executed took its mark back, unless the child itself was killed
                // between the two: that counts as run, and was seen in its round (`killed`).
                if (run.job % 5 == 0) CHECK_FALSE((has_mark && !killed.contains(run.job)));
                else if (!has_mark) ++unmarked;
            }
        }
        CHECK(asked >= 80);  // at least one in each round
        MESSAGE(asked, " jobs were asked for; ", unmarked,
                " of them were cut off before their mark, ", killed.size(), " after it");
    }
}
