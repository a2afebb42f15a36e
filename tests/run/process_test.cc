// Programs are really started here: what they find, why one cannot be started, and how it ends.
// Deaths of the daemon are in crash_test.cc.
#include "engine/run/process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>

#include "engine/run/process_stat.h"
#include "engine/run/record_text.h"
#include "engine/run/saved_state.h"
#include "tests/run/temp_dir.h"

using namespace devmux;
using namespace std::string_literals;

namespace {

Time boot_time() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::seconds(now.tv_sec) + Time(now.tv_nsec);
}

// A spawner with a journal and an output file of its own.
struct Shop {
    TempDir dir;
    Descriptor journal{open((dir / "journal").c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
    Descriptor output{open((dir / "out").c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
    std::unique_ptr<ProcessSpawner> spawner = make(journal.get());

    static std::unique_ptr<ProcessSpawner> make(int journal) {
        auto made = ProcessSpawner::create(journal, "/dev/null", "/proc");
        REQUIRE(made);
        return std::move(*made);
    }

    Result<Child> start(std::vector<std::string> argv, std::vector<std::string> environment = {}) {
        return spawner->spawn({.job = 7,
                               .argv = std::move(argv),
                               .environment = std::move(environment),
                               .output_fd = output.get()});
    }
    Exit end(const Child& child) {
        pollfd dead{.fd = child.pidfd, .events = POLLIN, .revents = 0};
        REQUIRE(poll(&dead, 1, 60000) == 1);
        auto exit = spawner->ended(child);
        close(child.pidfd);
        REQUIRE(exit);
        return *exit;
    }
    // Runs it to its end; what it printed.
    std::string run(std::vector<std::string> argv, std::vector<std::string> environment = {}) {
        REQUIRE(ftruncate(output.get(), 0) == 0);
        auto child = start(std::move(argv), std::move(environment));
        REQUIRE_MESSAGE(child, (child ? ""s : child.error().to_string()));
        CHECK(end(*child).code == 0);
        return dir.read("out");
    }
    std::string shell(const std::string& script) { return run({"/bin/sh", "-c", script}); }
    std::string refusal(const std::string& program) {
        auto child = start({program, "start"});
        REQUIRE(!child);
        return child.error().to_string();
    }
    // The marks in force for job 7.
    std::map<JobId, SavedMark> marks() {
        StateReader reader("b");
        std::string unit;
        append_line(SavedUnit{.unit = "u", .job = 7}, unit);
        reader.feed("devmux-journal 1 b" + unit + dir.read("journal"));
        return reader.finish().state.marks;
    }
};

bool no_children() {
    siginfo_t info{};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == -1 && errno == ECHILD;
}

}  // namespace

TEST_SUITE("run/process") {
    TEST_CASE("exit status and signal") {
        Shop shop;
        auto child = shop.start({"/bin/sh", "-c", "exit 3"});
        REQUIRE(child);
        CHECK_FALSE(child->adopted);
        Exit exit = shop.end(*child);
        CHECK(exit.code == 3);
        CHECK_FALSE(exit.signal);

        child = shop.start({"/bin/sh", "-c", "kill -9 $$"});
        REQUIRE(child);
        exit = shop.end(*child);
        CHECK(exit.signal == 9);
        CHECK_FALSE(exit.code);
        CHECK(no_children());
    }

    TEST_CASE("a running child has not ended") {
        Shop shop;
        auto child = shop.start({"/bin/sleep", "1000"});
        REQUIRE(child);
        CHECK_FALSE(shop.spawner->ended(*child));
        CHECK((fcntl(child->pidfd, F_GETFD) & FD_CLOEXEC) != 0);
        kill(child->pid, SIGTERM);
        CHECK(shop.end(*child).signal == SIGTERM);
    }

    TEST_CASE("arguments and environment are those of the command, and no others") {
        Shop shop;
        setenv("DEVMUX_LEAK", "1", 1);
        CHECK(shop.run({"/bin/cat", "/proc/self/environ"}, {"A=1", "B=two words"}) ==
              "A=1\0B=two words\0"s);
        CHECK(shop.run({"/bin/cat", "/proc/self/environ"}).empty());
        CHECK(shop.run({"/bin/echo", "", "a b", "$HOME;*"}) == " a b $HOME;*\n");
        unsetenv("DEVMUX_LEAK");
    }

    TEST_CASE("no descriptor leaks, though the daemon has some open without O_CLOEXEC") {
        Shop shop;
        std::vector<Descriptor> open_ones;
        for (int at : {10, 57, 300}) open_ones.emplace_back(fcntl(shop.output.get(), F_DUPFD, at));
        CHECK((fcntl(open_ones.back().get(), F_GETFD) & FD_CLOEXEC) == 0);
        CHECK(shop.shell("ls /proc/$$/fd; true") == "0\n1\n2\n");
        CHECK(shop.shell("readlink /proc/$$/fd/0") == "/dev/null\n");
        std::string out = shop.dir / "out";
        CHECK(shop.shell("readlink /proc/$$/fd/1 /proc/$$/fd/2") == out + "\n" + out + "\n");
        CHECK(shop.shell("echo to-stderr >&2") == "to-stderr\n");
        // The daemon's own are as they were.
        CHECK((fcntl(open_ones.back().get(), F_GETFD) & FD_CLOEXEC) == 0);
    }

    TEST_CASE("a session of its own, the root directory, a plain umask") {
        Shop shop;
        std::string stat = shop.run({"/bin/cat", "/proc/self/stat"});
        int pid = 0, parent = 0, group = 0, session = 0;
        REQUIRE(sscanf(stat.c_str(), "%d (cat) %*c %d %d %d", &pid, &parent, &group, &session) ==
                4);
        CHECK(parent == getpid());
        CHECK(group == pid);
        CHECK(session == pid);
        mode_t old = umask(077);
        CHECK(shop.shell("umask; pwd") == "0022\n/\n");
        CHECK(umask(old) == 077);  // the daemon's own is untouched
    }

    TEST_CASE("signals: nothing blocked, ignored or handled, and the daemon's stay as they are") {
        struct sigaction handled {
        }, old_usr1{}, old_pipe{}, ignored{}, now{};
        handled.sa_handler = [](int) {};
        ignored.sa_handler = SIG_IGN;
        sigaction(SIGUSR1, &handled, &old_usr1);
        sigaction(SIGPIPE, &ignored, &old_pipe);
        // nohup(1), and many a CI, ignore it; here it begins as it was made.
        struct sigaction old_hup{}, standard{};
        standard.sa_handler = SIG_DFL;
        sigaction(SIGHUP, &standard, &old_hup);
        sigset_t blocked, before, after;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGTERM);
        sigaddset(&blocked, SIGCHLD);
        pthread_sigmask(SIG_BLOCK, &blocked, &before);
        Shop shop;
        std::string status = shop.run({"/bin/cat", "/proc/self/status"});
        for (const char* line : {"SigPnd:\t0000000000000000\n", "SigBlk:\t0000000000000000\n",
                                 "SigIgn:\t0000000000000000\n", "SigCgt:\t0000000000000000\n"})
            CHECK_MESSAGE(status.find(line) != status.npos, line, status);
        CHECK(!shop.start({"/nowhere"}));
        pthread_sigmask(SIG_BLOCK, nullptr, &after);
        CHECK(sigismember(&after, SIGTERM) == 1);
        CHECK(sigismember(&after, SIGINT) == 0);
        sigaction(SIGUSR1, nullptr, &now);
        CHECK((now.sa_handler == handled.sa_handler));
        sigaction(SIGPIPE, nullptr, &now);
        CHECK((now.sa_handler == SIG_IGN));
        // What came to be ignored later, after being told to look again.
        sigaction(SIGHUP, &ignored, nullptr);
        CHECK(shop.run({"/bin/cat", "/proc/self/status"}).find("SigIgn:\t0000000000000001") !=
              std::string::npos);
        shop.spawner->learn_signals();
        CHECK(shop.run({"/bin/cat", "/proc/self/status"}).find("SigIgn:\t0000000000000000") !=
              std::string::npos);
        sigaction(SIGHUP, &old_hup, nullptr);
        sigaction(SIGUSR1, &old_usr1, nullptr);
        sigaction(SIGPIPE, &old_pipe, nullptr);
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    TEST_CASE("why a program cannot be executed") {
        Shop shop;
        std::string x = shop.dir / "x";
        CHECK(shop.refusal(x) == x + ": No such file or directory");
        shop.dir.write("x", "echo\n", 0755);
        CHECK(shop.refusal(x) == x + ": Exec format error (a script needs #! in its first line)");
        shop.dir.write("x", "#!/bin/sh\n", 0644);
        CHECK(shop.refusal(x).starts_with(x + ": permission denied (is it executable?)\n"));
        shop.dir.write("x", "#!/nowhere/sh\n", 0755);
        CHECK(shop.refusal(x).starts_with(x + ": its interpreter does not exist\n"));
        auto child = shop.start({"/bin/true", std::string(4 << 20, 'x')});
        REQUIRE(!child);
        CHECK(child.error().to_string() == "/bin/true: Argument list too long");
        CHECK(no_children());
        // Each left a mark and took it back.
        CHECK(shop.dir.read("journal").find("mark\t7\t0\t") != std::string::npos);
        CHECK(shop.marks().empty());
    }

    TEST_CASE("the mark is there when spawn returns") {
        Shop shop;
        Time before = boot_time();
        auto child = shop.start({"/bin/true"});
        Time after = boot_time();
        REQUIRE(child);
        auto marks = shop.marks();
        REQUIRE(marks.size() == 1);
        CHECK(marks[7].pid == child->pid);
        CHECK(marks[7].at >= before);
        CHECK(marks[7].at <= after);
        shop.end(*child);
    }

    TEST_CASE("a start that cannot be noted does not happen") {
        Shop shop;
        Descriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
        auto spawner = Shop::make(full.get());
        auto child = spawner->spawn(
            {.job = 1, .argv = {"/bin/sh", "-c", "echo ran"}, .output_fd = shop.output.get()});
        REQUIRE(!child);
        CHECK(child.error().what.find("journal: No space left on device") != std::string::npos);
        CHECK(no_children());
        CHECK(shop.dir.read("out").empty());
    }

    TEST_CASE("output to nowhere") {
        Shop shop;
        auto child =
            shop.spawner->spawn({.job = 1, .argv = {"/bin/sh", "-c", "echo x; echo y >&2"}});
        REQUIRE(child);
        CHECK(shop.end(*child).code == 0);
    }

    TEST_CASE("adoption: the same process, or one that has its number") {
        Shop shop;
        auto child = shop.start({"/bin/sleep", "1000"});
        REQUIRE(child);
        Time marked_at = shop.marks()[7].at;
        auto adopted = shop.spawner->adopt(child->pid, marked_at);
        REQUIRE(adopted);
        REQUIRE(adopted->pidfd >= 0);
        CHECK(adopted->adopted);
        CHECK_FALSE(shop.spawner->ended(*adopted));
        // A mark of before it was started is another's.
        auto other = shop.spawner->adopt(child->pid, marked_at - std::chrono::milliseconds(500));
        REQUIRE(other);
        CHECK(other->pidfd == -1);

        kill(child->pid, SIGKILL);
        Exit exit = shop.end(*adopted);
        CHECK_FALSE(exit.code);
        CHECK_FALSE(exit.signal);
        CHECK(shop.end(*child).signal == SIGKILL);  // for its parent, its status is still there
        adopted = shop.spawner->adopt(child->pid, marked_at);
        REQUIRE(adopted);
        CHECK(adopted->pidfd == -1);
        for (int nobody : {0, -1}) CHECK(shop.spawner->adopt(nobody, marked_at)->pidfd == -1);
    }

    TEST_CASE("a status that somebody else took: the end is seen, not how") {
        Shop shop;
        auto child = shop.start({"/bin/sleep", "1000"});
        REQUIRE(child);
        kill(child->pid, SIGKILL);
        REQUIRE(waitpid(child->pid, nullptr, 0) == child->pid);
        Exit exit = shop.end(*child);
        CHECK_FALSE(exit.code);
        CHECK_FALSE(exit.signal);
    }

    TEST_CASE("start times are read whatever a process is called") {
        std::string rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20\n";
        for (const char* name : {"sh", "a b", ") R 1 (", "x\ny", ""}) {
            auto stat = parse_process_stat("12 (" + std::string(name) + ")" + rest);
            REQUIRE_MESSAGE(stat, name);
            CHECK(stat->start_ticks == 4711);
            CHECK(stat->state == 'S');
            CHECK_FALSE(stat->dead());
        }
        for (const char* bad : {"", "1", "1 (x)", "1 (x) ", "1 (x) S", "1 (x) S 1 2 3",
                                "1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20"})
            CHECK_MESSAGE(!parse_process_stat(bad), bad);
        CHECK(parse_process_stat("1 (x) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 9")->dead());
        auto self = process_stat("/proc", getpid());
        REQUIRE(self);
        CHECK(self->started_at() <= boot_time());
        CHECK(self->started_at() > Time(0));
        CHECK(ProcessStat{.start_ticks = UINT64_MAX}.started_at() == kNever);
    }
}
