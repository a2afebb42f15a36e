// What jobs wait in and who is killed, with real processes; module loads, which a test cannot have, in a
// made procfs.
#include "engine/run/job_probe.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "engine/run/process_tree.h"

using namespace devmux;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct Folder {
    fs::path path;
    Folder() {
        std::string name = (fs::temp_directory_path() / "devmux-jobs-XXXXXX").string();
        path = mkdtemp(name.data());
    }
    ~Folder() { fs::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string write(const std::string& name, const std::string& text) const {
        fs::create_directories((path / name).parent_path());
        // As in procfs: who reads it meanwhile sees all of the old, or all of the new.
        std::ofstream(path / (name + ".new")) << text;
        fs::rename(path / (name + ".new"), path / name);
        return path / name;
    }
    std::string read(const std::string& name) const {
        std::ifstream file(path / name);
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

void eventually(const std::function<bool()>& so, const char* what) {
    for (auto end = std::chrono::steady_clock::now() + 60s; !so(); std::this_thread::sleep_for(2ms))
        REQUIRE_MESSAGE(std::chrono::steady_clock::now() < end, what);
}

// A job as the daemon starts it: a session of its own. Whatever is left of it goes with this object.
struct Job {
    pid_t pid = 0;
    Descriptor pidfd;
    explicit Job(const std::function<void()>& main) {
        pid = fork();
        if (pid == 0) {
            setsid();
            main();
            _exit(0);
        }
        pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    }
    static Job shell(const std::string& script) {
        return Job([&] { execl("/bin/sh", "sh", "-c", script.c_str(), nullptr); });
    }
    ~Job() {
        for (const JobProcess& process : process_tree("/proc", pid)) kill(process.pid, SIGKILL);
        if (pid > 0) waitpid(pid, nullptr, 0);
    }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    std::vector<std::string> names() const {
        std::vector<std::string> out;
        for (const JobProcess& process : process_tree("/proc", pid)) out.push_back(process.stat.name);
        return out;
    }
    void until_there_are(std::vector<std::string> wanted) const {
        eventually([&] { return names() == wanted; }, "the processes of the job");
    }
};

struct Probe {
    Folder folder;
    std::string log = folder.write("kmsg", "");
    JobProbe probe;
    // Patience for machines that have much else to do; nothing waits that long.
    explicit Probe(JobProbe::Limits limits = {.patience = 60s, .busy = 60s, .threads = 4}, LookPaths paths = {"/proc", "/sys"}) : probe({paths, log}, limits) {}

    JobProbe::Answer answer() {
        std::vector<JobProbe::Answer> answers;
        while (answers.empty()) {
            pollfd ready{.fd = probe.fd(), .events = POLLIN, .revents = 0};
            REQUIRE(poll(&ready, 1, 60'000) == 1);
            answers = probe.take();
        }
        REQUIRE(answers.size() == 1);
        return answers[0];
    }
    JobSeen look(const Job& job) {
        probe.look(5, job.pid, job.pidfd.get());
        return std::get<JobSeen>(answer());
    }
    JobSignalled kill(const Job& job, int signal) {
        probe.kill({.job = 5, .signal = signal, .unit = "u", .reason = "its start is overdue"}, job.pid, job.pidfd.get());
        return std::get<JobSignalled>(answer());
    }
    // Until a look says so: processes need a moment to get where they wait.
    JobSeen until_seen(const Job& job, const std::string& part) {
        JobSeen seen;
        eventually([&] { return has((seen = look(job)).text, part); }, part.c_str());
        return seen;
    }
};

// A process in a made procfs.
struct MadeProcess {
    Folder proc;
    JobProcess process{.pid = 77, .parent = 0, .stat = {}};
    MadeProcess(const std::string& name, const std::string& syscall, const std::string& modules = "", int user = 0) {
        process.stat.name = name;
        add_thread(77, name, syscall, user);
        proc.write("modules", modules);
        fs::create_directory(proc.path / "77/fd");
    }
    void add_thread(int tid, const std::string& name, const std::string& syscall, int user = 0) const {
        std::string task = "77/task/" + std::to_string(tid);
        proc.write(task + "/stat", std::to_string(tid) + " (" + name + ") R 1 77 77 0 0 0 0 0 0 0 " + std::to_string(user) +
                                       " 9 0 0 20 0 1 0 4711 0\n");
        proc.write(task + "/syscall", syscall + "\n");
        proc.write(task + "/wchan", "0");
    }
    void link(int fd, const std::string& to) const { fs::create_symlink(to, proc.path / "77/fd" / std::to_string(fd)); }
    ProcessLook look() const { return look_at_process({proc.path, "/sys"}, process, 100ms); }
};

std::string call(long number, long first, long third = 0) {
    std::ostringstream text;
    text << number << " 0x" << std::hex << first << " 0x0 0x" << third << " 0x0 0x0 0x0 0x7ffd2bdc7478 0x7f290eb76503";
    return text.str();
}

constexpr const char* kLoading = "other 16384 0 - Live 0x0\ntcrypt 16384 1 other, Loading 0x0\n";

}  // namespace

TEST_SUITE("run/job_probe") {
    using Kind = ProcessLook::Kind;

    TEST_CASE("a tree that sleeps: the way to the one that hangs, its system call, and where it stands in the kernel") {
        Job job = Job::shell("(sleep 1000; true); true");
        job.until_there_are({"sh", "sh", "sleep"});
        Probe probe;
        JobSeen seen = probe.until_seen(job, "nanosleep");
        std::vector<JobProcess> tree = process_tree("/proc", job.pid);
        CHECK(has(seen.text, name_of(tree[0]) + " > " + name_of(tree[1]) + " > " + name_of(tree[2]) + " waits in clock_nanosleep"));
        CHECK(has(seen.text, "wchan "));
        CHECK(seen.job == 5);
        CHECK_FALSE(seen.in_module_load);
        CHECK(seen.driver == "");
    }

    TEST_CASE("a thread that computes is busy in user space, and is killed") {
        Job job([] {
            prctl(PR_SET_NAME, "computes");
            static volatile bool goes_on = true;
            while (goes_on) {}
        });
        Probe probe;
        JobSeen seen = probe.until_seen(job, "computes (pid " + std::to_string(job.pid) + ") is busy in user space");
        CHECK_FALSE(seen.in_module_load);
        JobSignalled done = probe.kill(job, SIGKILL);
        CHECK(done.spared == "");
        REQUIRE(done.sent == "computes (pid " + std::to_string(job.pid) + ")");
        int status = 0;
        REQUIRE(waitpid(std::exchange(job.pid, 0), &status, 0) > 0);
        CHECK(WTERMSIG(status) == SIGKILL);
    }

    TEST_CASE("a write that blocks is named, and is no reason to spare who makes it") {
        Folder folder;
        std::string fifo = folder.path / "bind";
        REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
        Job job([&] {
            std::string much(1 << 20, 'x');
            int fd = open(fifo.c_str(), O_RDWR);
            (void)!write(fd, much.data(), much.size());
        });
        Probe probe;
        JobSeen seen = probe.until_seen(job, "waits in write");
        CHECK_FALSE(seen.in_module_load);
    }

    TEST_CASE("a grandchild whose parent has ended belongs to the job; one with a session of its own does not") {
        Folder folder;
        std::string pid = (folder.path / "pid").string();
        Job job = Job::shell("(sleep 1001 &); setsid -f sh -c 'echo $$ >" + pid + ".new; mv " + pid + ".new " + pid +
                             "; exec sleep 1002'; exec sleep 1003");
        eventually([&] { return fs::exists(pid); }, "the daemon");
        job.until_there_are({"sleep", "sleep"});
        pid_t daemon = std::stoi(folder.read("pid"));
        Probe probe;
        JobSignalled done = probe.kill(job, SIGTERM);
        CHECK(done.sent.starts_with("sleep (pid " + std::to_string(job.pid) + "), sleep (pid "));
        CHECK(done.spared == "");
        int status = 0;
        REQUIRE(waitpid(std::exchange(job.pid, 0), &status, 0) > 0);
        CHECK(WTERMSIG(status) == SIGTERM);
        CHECK(kill(daemon, 0) == 0);
        kill(daemon, SIGKILL);
    }

    TEST_CASE("each process gets its signal alone, the kernel's log gets to know before, and a wrong number hits nobody") {
        Job job = Job::shell("trap '' TERM; sleep 1000; sleep 1000");
        job.until_there_are({"sh", "sleep"});
        Probe probe;
        JobSignalled done = probe.kill(job, SIGTERM);
        std::string sh = "sh (pid " + std::to_string(job.pid) + ")";
        CHECK(done.signal == SIGTERM);
        CHECK(has(done.sent, sh + ", sleep (pid "));
        std::string log = probe.folder.read("kmsg");
        CHECK_MESSAGE(log.starts_with("<4>devmux: u: SIGTERM to " + sh + ", which waits in "), log);
        CHECK(has(log, ": its start is overdue\n"));
        // The shell ignores SIGTERM, and so did its child.
        CHECK(job.names().size() == 2);
        done = probe.kill(job, SIGKILL);
        int status = 0;
        REQUIRE(waitpid(std::exchange(job.pid, 0), &status, 0) > 0);
        CHECK(WTERMSIG(status) == SIGKILL);
        // Its number is somebody else's now, as far as we know: the descriptor tells.
        Job bystander = Job::shell("exec sleep 1000");
        bystander.until_there_are({"sleep"});
        std::swap(job.pid, bystander.pid);
        done = probe.kill(job, SIGKILL);
        CHECK(done.sent == "");
        CHECK(done.spared == "");
        std::swap(job.pid, bystander.pid);
        CHECK(bystander.names().size() == 1);
    }

    TEST_CASE("procfs that does not answer: the answer says so, and nobody is killed later") {
        Folder proc;
        // A read of it blocks as one of a file that hangs does.
        fs::create_directory(proc.path / "7");
        REQUIRE(mkfifo((proc.path / "7/stat").c_str(), 0600) == 0);
        Job job = Job::shell("exec sleep 1000");
        Probe probe({.patience = 50ms, .busy = 50ms, .threads = 1}, {proc.path, "/sys"});
        probe.probe.look(5, 7, job.pidfd.get());
        CHECK(has(std::get<JobSeen>(probe.answer()).text, "cannot be looked at"));
        // The one thread hangs.
        JobSignalled done = probe.kill(job, SIGKILL);
        CHECK(done.sent == "");
        CHECK(has(done.spared, "does not answer"));
        proc.write("unblock", "");
        Descriptor(open((proc.path / "7/stat").c_str(), O_WRONLY | O_NONBLOCK)).reset();
        CHECK(job.names().size() == 1);
    }

    TEST_CASE("what loads a module is spared: by its system call, in any thread") {
        MadeProcess loads("anything", call(SYS_finit_module, 3));
        loads.link(3, "/lib/modules/6.1.0/kernel/drivers/scsi/scsi-debug.ko.xz");
        CHECK(loads.look().kind == Kind::Load);
        CHECK(loads.look().driver == "scsi_debug");
        CHECK(loads.look().text == "waits in finit_module, loading module scsi_debug");
        MadeProcess init("anything", call(SYS_init_module, 0), kLoading);
        CHECK(init.look().driver == "tcrypt");
        MadeProcess thread("anything", call(SYS_futex, 0));
        CHECK(thread.look().kind == Kind::Clear);
        thread.add_thread(78, "other", call(SYS_finit_module, 3));
        CHECK(thread.look().kind == Kind::Load);
        CHECK(thread.look().text == "waits in finit_module, loading a module");
    }

    TEST_CASE("the devices of a module that loads are named, a few of them") {
        MadeProcess loads("modprobe", call(SYS_finit_module, 3));
        loads.link(3, "/lib/modules/x/e1000e.ko");
        Folder sys;
        auto devices = [&](const std::string& driver, std::initializer_list<const char*> names) {
            fs::create_directories(sys.path / driver);
            sys.write(driver + "/bind", "");
            for (const char* name : names) fs::create_symlink("../nowhere", sys.path / driver / name);
        };
        auto look = [&] { return look_at_process({loads.proc.path, sys.path}, loads.process, 0ms).text; };
        devices("bus/pci/drivers/e1000e", {"0000:00:03.0"});
        CHECK(look() == "waits in finit_module, loading module e1000e, device pci 0000:00:03.0");
        // By its own word rather than by its name.
        devices("module/e1000e/drivers/usb:other", {"1-1", "module"});
        CHECK(look() == "waits in finit_module, loading module e1000e, device usb 1-1");
        devices("module/e1000e/drivers/usb:other", {"1-2", "1-3", "1-4", "1-5"});
        CHECK(has(look(), " and 2 more"));
    }

    TEST_CASE("kmod, modprobe and insmod are spared while a module is loading, whatever they seem to do") {
        for (const char* name : {"kmod", "modprobe", "insmod"}) {
            CAPTURE(name);
            CHECK(MadeProcess(name, "running", kLoading).look().kind == Kind::Load);
            CHECK(MadeProcess(name, "running", kLoading).look().driver == "tcrypt");
            CHECK(MadeProcess(name, call(SYS_futex, 0), kLoading).look().kind == Kind::Load);
            CHECK(MadeProcess(name, call(SYS_futex, 0), "tcrypt 16384 0 - Live 0x0\n").look().kind == Kind::Clear);
        }
        CHECK(MadeProcess("sleep", call(SYS_futex, 0), kLoading).look().kind == Kind::Clear);
    }

    TEST_CASE("a busy process is not taken for clear, unless its user time grows") {
        MadeProcess busy("depmod", "running", "", 100);
        ProcessLook look = busy.look();
        CHECK(look.kind == Kind::Unclear);
        CHECK(look.text == "is busy in the kernel");
        std::thread later([&] {
            std::this_thread::sleep_for(10ms);
            busy.add_thread(77, "depmod", "running", 110);
        });
        look = look_at_process({busy.proc.path, "/sys"}, busy.process, 60s);
        later.join();
        CHECK(look.kind == Kind::Clear);
        CHECK(look.text == "is busy in user space");
        // A tick or two of user time may be none.
        MadeProcess ticks("depmod", "running", "", 100);
        std::thread soon([&] { ticks.add_thread(77, "depmod", "running", 102); });
        CHECK(ticks.look().kind == Kind::Unclear);
        soon.join();
        CHECK(MadeProcess("x", "").look().kind == Kind::Unclear);  // it cannot be read
    }

    TEST_CASE("a write to bind, new_id, drivers_probe or rescan below /sys is spared; no other is") {
        struct Row {
            const char* path;
            bool spared;
            const char* driver;
        };
        for (const Row& row : {Row{"/sys/bus/pci/drivers/e1000e/bind", true, "e1000e"},
                               Row{"/sys/bus/usb/drivers/option/new_id", true, "option"},
                               Row{"/sys/bus/pci/drivers_probe", true, ""},
                               Row{"/sys/bus/pci/rescan", true, ""},
                               Row{"/sys/bus/pci/drivers/e1000e/unbind", false, ""},
                               Row{"/sys/devices/x/uevent", false, ""}, Row{"/tmp/bind", false, ""},
                               Row{"/system/bind", false, ""}}) {
            CAPTURE(row.path);
            for (long number : {SYS_write, SYS_writev, SYS_pwrite64, SYS_sendfile}) {
                MadeProcess writes("sh", call(number, 1));
                writes.link(1, row.path);
                CHECK((writes.look().kind == Kind::Load) == row.spared);
                CHECK(writes.look().driver == row.driver);
                if (row.spared) CHECK(has(writes.look().text, std::string("writing to ") + row.path));
            }
            MadeProcess splices("cp", call(SYS_splice, 0, 1));
            splices.link(1, row.path);
            CHECK((splices.look().kind == Kind::Load) == row.spared);
            MadeProcess reads("cat", call(SYS_read, 1));
            reads.link(1, row.path);
            CHECK(reads.look().kind == Kind::Clear);
        }
    }

    TEST_CASE("the kernel's log gets one bounded line, whatever is in it") {
        Folder folder;
        std::string log = folder.write("kmsg", "");
        CHECK(tell_kernel(log, "u: one\ntwo\x1b[31m" + std::string(5000, 'x')));
        std::string text = folder.read("kmsg");
        CHECK_MESSAGE(text.starts_with("<4>devmux: u: one\\x0atwo\\x1b[31mxxx"), text);
        CHECK(text.ends_with("...\n"));
        CHECK(text.size() < 976);
        CHECK(std::count(text.begin(), text.end(), '\n') == 1);
        CHECK_FALSE(tell_kernel((folder.path / "nothing").string(), "x"));
        CHECK_FALSE(tell_kernel("", "x"));
    }
}
