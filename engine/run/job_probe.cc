// See job_probe.h.
#include "engine/run/job_probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>

#include "conditions/text.h"
#include "engine/system/bell.h"
#include "engine/system/thread.h"

namespace devmux {
namespace {

using Kind = ProcessLook::Kind;
using Clock = std::chrono::steady_clock;

constexpr size_t kNamedMost = 4;     // processes that a sentence names
constexpr size_t kAboveMost = 3;     // of its parents that are named, besides the main process
constexpr size_t kKernelLine = 900;  // a record of the kernel's log has 1024 bytes (PRINTKRB_RECORD_MAX)

bool has_ended(int pidfd) {
    pollfd dead{.fd = pidfd, .events = POLLIN, .revents = 0};
    return poll(&dead, 1, 0) == 1;
}

// The way to a process from the job's main one: "script (pid 9) > sh (pid 10) > sleep (pid 12)".
std::string way_to(const std::vector<JobProcess>& tree, size_t i) {
    std::string out = name_of(tree[i]);
    for (size_t above = 0; i != 0; ++above) {
        i = above < kAboveMost ? tree[i].parent : 0;
        out = name_of(tree[i]) + (above < kAboveMost ? " > " : " > ... > ") + out;
    }
    return out;
}

void add_name(std::string& list, size_t& count, const std::string& name, const char* between = ", ") {
    if (++count <= kNamedMost) list += (list.empty() ? "" : between) + name;
}

std::string and_more(size_t count) {
    return count > kNamedMost ? " and " + std::to_string(count - kNamedMost) + " more" : "";
}

// Whom a signal must not reach, given what each process does: with their parents.
std::vector<bool> spared(const std::vector<JobProcess>& tree, const std::vector<ProcessLook>& looks) {
    std::vector<bool> out(tree.size());
    for (size_t i = tree.size(); i-- > 0;) {
        if (looks[i].kind == Kind::Load || looks[i].kind == Kind::Unclear) out[i] = true;
        if (out[i]) out[tree[i].parent] = true;
    }
    return out;
}

// Loads first, then those that nobody of the job waits for.
JobSeen sentence(JobId job, const std::vector<JobProcess>& tree, const std::vector<ProcessLook>& looks) {
    JobSeen out{.job = job, .text = "", .in_module_load = false, .driver = ""};
    std::vector<bool> has_children(tree.size());
    for (size_t i = 1; i < tree.size(); ++i) has_children[tree[i].parent] = true;
    size_t count = 0;
    for (Kind kind : {Kind::Load, Kind::Unclear}) {
        for (size_t i = 0; i < tree.size(); ++i) {
            if (looks[i].kind != kind) continue;
            out.in_module_load |= kind == Kind::Load;
            if (out.driver.empty()) out.driver = looks[i].driver;
            add_name(out.text, count, way_to(tree, i) + " " + looks[i].text, "; ");
        }
    }
    for (size_t i = 0; out.text.empty() && i < tree.size(); ++i)
        if (looks[i].kind == Kind::Clear && !has_children[i])
            add_name(out.text, count, way_to(tree, i) + " " + looks[i].text, "; ");
    for (size_t i = 0; out.text.empty() && i < tree.size(); ++i)
        if (looks[i].kind == Kind::Clear) add_name(out.text, count, way_to(tree, i) + " " + looks[i].text, "; ");
    out.text += and_more(count);
    if (out.text.empty()) out.text = "its processes have just ended";
    return out;
}

}  // namespace

struct JobProbe::Request {
    JobId job = 0;
    int pid = 0;
    Descriptor pidfd;
    int signal = 0;  // 0: a look
    std::string unit, reason;
    Clock::time_point asked = Clock::now();
    std::atomic<bool> given_up = false;  // it was answered without us

    // Instead of a look; of a signal, `text` is why nobody got it.
    Answer answer(std::string text) const {
        if (signal == 0) return JobSeen{.job = job, .text = std::move(text), .in_module_load = false, .driver = ""};
        return JobSignalled{.job = job, .signal = signal, .sent = "", .spared = std::move(text)};
    }
};

struct JobProbe::Shared {
    Shared(Paths p, Limits l) : paths(std::move(p)), limits(l) {
        for (int source : {bell.fd(), timer.get()}) {
            epoll_event readable{.events = EPOLLIN, .data = {}};
            epoll_ctl(either.get(), EPOLL_CTL_ADD, source, &readable);
        }
    }

    Answer serve(const Request& request) const;
    Answer kill(const Request& request, const std::vector<JobProcess>& tree, const std::vector<ProcessLook>& looks) const;
    bool send(const Request& request, const JobProcess& process, ProcessLook& look) const;
    void answer(Answer answer) {
        answers.push_back(std::move(answer));
        bell.ring();
    }

    // Ticks while somebody waits for an answer.
    void watch(bool on) const {
        auto period = std::chrono::nanoseconds(limits.patience / 2).count();
        timespec tick{.tv_sec = on ? period / 1'000'000'000 : 0, .tv_nsec = on ? period % 1'000'000'000 : 0};
        itimerspec due{.it_interval = tick, .it_value = tick};
        timerfd_settime(timer.get(), 0, &due, nullptr);
    }

    const Paths paths;
    const Limits limits;
    const Bell bell;
    const Descriptor timer{timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
    const Descriptor either{epoll_create1(EPOLL_CLOEXEC)};  // the bell or the timer

    std::mutex lock;  // for all below
    std::deque<std::shared_ptr<Request>> waiting, served;
    std::vector<Answer> answers;
    size_t threads = 0;
};

JobProbe::JobProbe(Paths paths, Limits limits) : shared_(std::make_shared<Shared>(std::move(paths), limits)) {}

JobProbe::~JobProbe() {
    std::lock_guard guard(shared_->lock);
    shared_->waiting.clear();
    for (auto& request : shared_->served) request->given_up = true;
}

int JobProbe::fd() const { return shared_->either.get(); }

void JobProbe::look(JobId job, int pid, int pidfd) {
    auto request = std::make_shared<Request>();
    request->job = job;
    request->pid = pid;
    request->pidfd.reset(fcntl(pidfd, F_DUPFD_CLOEXEC, 3));
    submit(std::move(request));
}

void JobProbe::kill(const KillJob& asked, int pid, int pidfd) {
    auto request = std::make_shared<Request>();
    request->job = asked.job;
    request->pid = pid;
    request->pidfd.reset(fcntl(pidfd, F_DUPFD_CLOEXEC, 3));
    request->signal = asked.signal;
    request->unit = asked.unit;
    request->reason = asked.reason;
    submit(std::move(request));
}

void JobProbe::submit(std::shared_ptr<Request> request) {
    std::lock_guard guard(shared_->lock);
    if (!request->pidfd) return shared_->answer(request->answer("cannot be looked at: no descriptor is left"));
    if (shared_->waiting.empty() && shared_->served.empty()) shared_->watch(true);
    shared_->waiting.push_back(std::move(request));
    if (shared_->threads >= shared_->limits.threads) return;
    // Without a thread, the timer answers.
    if (start_thread("devmuxd-jobs", [shared = shared_] { work(shared); }) == 0) ++shared_->threads;
}

void JobProbe::work(const std::shared_ptr<Shared>& shared) {
    std::unique_lock guard(shared->lock);
    while (!shared->waiting.empty()) {
        std::shared_ptr<Request> request = shared->waiting.front();
        shared->waiting.pop_front();
        shared->served.push_back(request);
        guard.unlock();
        Answer answer = shared->serve(*request);
        guard.lock();
        std::erase(shared->served, request);
        if (!request->given_up) shared->answer(std::move(answer));
    }
    --shared->threads;
}

std::vector<JobProbe::Answer> JobProbe::take() {
    std::lock_guard guard(shared_->lock);
    shared_->bell.silence();
    uint64_t expired = 0;
    if (read(shared_->timer.get(), &expired, sizeof expired) > 0) {
        auto late = Clock::now() - shared_->limits.patience;
        for (auto* list : {&shared_->waiting, &shared_->served}) {
            for (auto it = list->begin(); it != list->end();) {
                Request& request = **it;
                if (request.asked > late) {
                    ++it;
                    continue;
                }
                request.given_up = true;
                shared_->answer(request.answer("its main process (pid " + std::to_string(request.pid) +
                                               ") cannot be looked at: " + shared_->paths.look.proc + " does not answer"));
                it = list->erase(it);
            }
        }
    }
    if (shared_->waiting.empty() && shared_->served.empty()) shared_->watch(false);
    return std::exchange(shared_->answers, {});
}

JobProbe::Answer JobProbe::Shared::serve(const Request& request) const {
    std::vector<JobProcess> tree = process_tree(paths.look.proc, request.pid);
    // It lived after its number was looked up: the number meant it.
    if (tree.empty() || has_ended(request.pidfd.get()))
        return request.answer(request.signal == 0 ? "its main process has just ended" : "");
    std::vector<ProcessLook> looks;
    for (const JobProcess& process : tree) looks.push_back(look_at_process(paths.look, process, limits.busy));
    if (request.signal == 0) return sentence(request.job, tree, looks);
    return kill(request, tree, looks);
}

// Parents first: a shell whose child is killed goes on with its next line.
JobProbe::Answer JobProbe::Shared::kill(const Request& request, const std::vector<JobProcess>& tree,
                                        const std::vector<ProcessLook>& first) const {
    JobSignalled out{.job = request.job, .signal = request.signal, .sent = "", .spared = ""};
    std::vector<ProcessLook> looks = first;
    std::vector<bool> spare = spared(tree, looks);
    size_t count = 0;
    for (size_t i = 0; i < tree.size(); ++i) {
        if (spare[i] || looks[i].kind == Kind::Gone) continue;
        if (send(request, tree[i], looks[i])) add_name(out.sent, count, name_of(tree[i]));
    }
    out.sent += and_more(count);
    bool any = std::any_of(looks.begin(), looks.end(),
                           [](const ProcessLook& l) { return l.kind == Kind::Load || l.kind == Kind::Unclear; });
    if (any) out.spared = sentence(request.job, tree, looks).text;
    std::string name = request.signal == SIGKILL ? "SIGKILL" : "SIGTERM";
    if (any) tell_kernel(paths.kernel_log, request.unit + ": no " + name + ", though " + request.reason + ": " + out.spared);
    return out;
}

bool JobProbe::Shared::send(const Request& request, const JobProcess& process, ProcessLook& look) const {
    Descriptor pidfd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
    auto stat = process_stat(paths.look.proc, process.pid);
    // The number is another's now.
    if (!pidfd || !stat || stat->dead() || stat->start_ticks != process.stat.start_ticks) return false;
    look = look_at_process(paths.look, process, limits.busy);
    if (look.kind != Kind::Clear || request.given_up) return false;
    std::string name = request.signal == SIGKILL ? "SIGKILL" : "SIGTERM";
    tell_kernel(paths.kernel_log, request.unit + ": " + name + " to " + name_of(process) + ", which " + look.text + ": " +
                                      request.reason);
    return syscall(SYS_pidfd_send_signal, pidfd.get(), request.signal, nullptr, 0) == 0;
}

bool tell_kernel(const std::string& kernel_log, const std::string& text) {
    std::string line = "<4>devmux: " + printable(text);
    if (line.size() > kKernelLine) line = line.substr(0, kKernelLine) + "...";
    line += '\n';
    Descriptor fd(open(kernel_log.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    return fd && write(fd.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

}  // namespace devmux
