// See process.h. clone(2) with CLONE_VM | CLONE_VFORK: the child runs in the daemon's memory, on a
// stack of its own, and may only do what a signal handler may (signal-safety(7)): no allocation, no
// lock. The other threads of the daemon run on. glibc's posix_spawn works the same way
// (sysdeps/unix/sysv/linux/spawni.c) but gives no pidfd and has no place for our mark.
#include "engine/run/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <linux/close_range.h>

#include "engine/run/process_stat.h"
#include "engine/run/record_text.h"
#include "engine/system/clock.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

constexpr size_t kStackSize = size_t{64} << 10;
constexpr size_t kGuardSize = size_t{64} << 10;  // at least a page, whatever a page is

enum class Part : unsigned char { Setup, Mark, Exec };

// What daemon and child share. The child writes `error` and `part`; the daemon reads them after it.
struct Start {
    char* const* argv;
    char* const* environment;
    const std::vector<int>& signals;
    JobId job;
    bool marks;
    int journal_fd;
    int null_fd;
    int output_fd;
    int error = 0;
    Part part = Part::Setup;
};

int mark(const Start& start, int pid) {
    if (!start.marks) return 0;
    std::array<char, kMarkMax> line;
    size_t size = format_mark(line, start.job, pid, read_clock(CLOCK_BOOTTIME));
    ssize_t written = write(start.journal_fd, line.data(), size);
    if (written == static_cast<ssize_t>(size)) return 0;
    return written < 0 ? errno : ENOSPC;
}

// Everything up to the mark. 0, or errno.
int become_clean(const Start& start) {
    if (setsid() < 0) return errno;
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int signal : start.signals)
        if (sigaction(signal, &standard, nullptr) < 0) return errno;
    umask(022);
    if (chdir("/") < 0) return errno;
    // In this order they are right even where one of ours is 0, 1 or 2 itself.
    if (dup2(start.output_fd, 1) < 0 || dup2(start.output_fd, 2) < 0 || dup2(start.null_fd, 0) < 0)
        return errno;
    // Closed by exec, not now: the journal is still needed, and the lock of the runtime directory
    // must be held up to the exec. Kernels before 5.11 lack the flag; then every descriptor of the
    // daemon's has O_CLOEXEC anyway.
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0 && errno != EINVAL && errno != ENOSYS)
        return errno;
    // Last: a signal that came meanwhile ends the child here, by its default, and before the mark.
    sigset_t none;
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, nullptr) < 0) return errno;
    return 0;
}

// Never returns: AddressSanitizer would look for its frame on the daemon's stack.
__attribute__((no_sanitize_address)) int child_main(void* argument) {
    Start& start = *static_cast<Start*>(argument);
    start.error = become_clean(start);
    if (start.error == 0) {
        start.part = Part::Mark;
        start.error = mark(start, getpid());
    }
    if (start.error == 0) {
        start.part = Part::Exec;
        execve(start.argv[0], start.argv, start.environment);
        start.error = errno;
        mark(start, 0);
    }
    _exit(127);
}

Error exec_error(const std::string& path, int error) {
    struct stat status {};
    switch (error) {
        case ENOENT:
            // execve(2) says the same of a script whose interpreter is missing.
            if (stat(path.c_str(), &status) == 0)
                return Error{Mark{path}, "its interpreter does not exist", "", -1,
                             "look at the path after #! in its first line"};
            break;
        case EACCES:
            return Error{Mark{path}, "permission denied (is it executable?)", "", -1,
                         "chmod +x " + path};
        case ENOEXEC:
            return Error{Mark{path}, "Exec format error (a script needs #! in its first line)"};
        default: break;
    }
    return errno_error(path, "", error);
}

Error start_error(const std::string& path, const Start& start) {
    switch (start.part) {
        case Part::Setup: return errno_error(path, "the new process cannot be set up", start.error);
        case Part::Mark:
            return errno_error(path, "not started, because it cannot be noted in the journal",
                               start.error, "make room in the runtime directory's file system");
        case Part::Exec: break;
    }
    return exec_error(path, start.error);
}

void fill(std::vector<char*>& out, const std::vector<std::string>& from) {
    out.clear();
    // execve(2) takes char* for history's sake and writes nothing.
    for (const std::string& text : from) out.push_back(const_cast<char*>(text.c_str()));
    out.push_back(nullptr);
}

}  // namespace

Result<std::unique_ptr<ProcessSpawner>> ProcessSpawner::create(int journal_fd,
                                                               const std::string& null,
                                                               std::string proc) {
    std::unique_ptr<ProcessSpawner> out(new ProcessSpawner(journal_fd, std::move(proc)));
    Descriptor opened(open(null.c_str(), O_RDWR | O_CLOEXEC));
    if (opened) out->null_.reset(fcntl(opened.get(), F_DUPFD_CLOEXEC, 3));
    if (!out->null_) return errno_error(null, "cannot be opened", errno);
    void* stack = mmap(nullptr, kGuardSize + kStackSize, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) return errno_error("", "no stack for children", errno);
    out->stack_ = stack;
    if (mprotect(stack, kGuardSize, PROT_NONE) != 0)
        return errno_error("", "no guard for the stack of children", errno);
    out->learn_signals();
    return out;
}

ProcessSpawner::~ProcessSpawner() {
    if (stack_) munmap(stack_, kGuardSize + kStackSize);
}

void ProcessSpawner::learn_signals() {
    signals_.clear();
    for (int signal = 1; signal <= SIGRTMAX; ++signal) {
        struct sigaction now {};
        // glibc refuses its own two; exec resets their handlers, and nobody else sends them.
        if (sigaction(signal, nullptr, &now) != 0) continue;
        if ((now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL) signals_.push_back(signal);
    }
}

Result<Child> ProcessSpawner::spawn(const Command& command) {
    fill(argv_, command.argv);
    fill(environment_, command.environment);
    Start start{.argv = argv_.data(),
                .environment = environment_.data(),
                .signals = signals_,
                .job = command.job,
                .marks = command.marks,
                .journal_fd = journal_fd_,
                .null_fd = null_.get(),
                .output_fd = command.output_fd < 0 ? null_.get() : command.output_fd};
    Child child;
    // Blocked until the child has its own handlers: one of ours must not run in it, on our memory.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    // Stacks grow downwards on every architecture that Debian knows, but hppa (clone(2)).
    child.pid = clone(child_main, static_cast<char*>(stack_) + kGuardSize + kStackSize,
                      CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &start, &child.pidfd);
    int error = child.pid < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error) return errno_error(command.argv[0], "no new process", error);
    if (start.error == 0) return child;
    siginfo_t info{};
    waitid(P_PIDFD, static_cast<id_t>(child.pidfd), &info, WEXITED);
    close(child.pidfd);
    return start_error(command.argv[0], start);
}

Result<Child> ProcessSpawner::adopt(int pid, Time marked_at) {
    Child gone;
    // Not by glibc's function: in 2.36, Debian 12's, <sys/pidfd.h> is not made for C++ (no extern
    // "C").
    Descriptor pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd && (errno == ESRCH || errno == EINVAL)) return gone;
    if (!pidfd)
        return errno_error("", "process " + std::to_string(pid) + " cannot be watched", errno);
    // Its start, rounded down, is before its mark. Who started after it got the number later.
    std::optional<ProcessStat> stat = process_stat(proc_, pid);
    if (!stat || stat->started_at() > marked_at) return gone;
    return Child{.pid = pid, .pidfd = pidfd.release(), .adopted = true};
}

std::optional<Error> ProcessSpawner::signal(const Child& child, int signal) {
    // By the pidfd: the number may be somebody else's by now. Not by glibc's function, see adopt().
    if (syscall(SYS_pidfd_send_signal, child.pidfd, signal, nullptr, 0) == 0 || errno == ESRCH) return std::nullopt;
    return errno_error("", "process " + std::to_string(child.pid) + " cannot be told to end", errno);
}

std::optional<Exit> ProcessSpawner::ended(const Child& child) {
    if (!child.adopted) {
        siginfo_t info{};
        if (waitid(P_PIDFD, static_cast<id_t>(child.pidfd), &info, WEXITED | WNOHANG) == 0) {
            if (info.si_pid == 0) return std::nullopt;
            if (info.si_code == CLD_EXITED) return Exit{.code = info.si_status};
            return Exit{.signal = info.si_status};
        }
        // ECHILD: somebody else in this process has taken its status. Its end can still be seen.
    }
    pollfd dead{.fd = child.pidfd, .events = POLLIN, .revents = 0};
    if (poll(&dead, 1, 0) == 1 && (dead.revents & POLLIN)) return Exit{};
    return std::nullopt;
}

}  // namespace devmux
