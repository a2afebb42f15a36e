// See files.h. A path's answer can change only by events of the names that were looked up on the
// way to it (path_walk.h), so an event is matched against these, and only the paths that it
// concerns are walked again. Mounts make no inotify events; mountinfo tells of them by POLLPRI
// (proc_pid_mounts(5)), and then all are walked again, as after a lost event (IN_Q_OVERFLOW).
#include "engine/intake/files.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <csignal>
#include <map>
#include <mutex>
#include <optional>

#include "engine/intake/path_walk.h"
#include "engine/system/bell.h"
#include "engine/system/descriptor.h"

namespace devmux {

struct FileWatch::Shared {
    std::string root, mountinfo;
    Bell to_caller, to_worker;

    std::mutex lock;  // for everything below, and for ringing to_caller: it tells of `answers`
    std::condition_variable ended_now;
    std::set<std::string> paths;
    uint64_t round = 0;  // of watch(): an answer to an earlier one is not wanted any more
    std::map<std::string, Truth> answers;
    bool stop = false, ended = false;
};

namespace {

class Worker {
  public:
    explicit Worker(std::shared_ptr<FileWatch::Shared> shared)
        : shared_(std::move(shared)),
          inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
          mounts_(shared_->mountinfo.empty()
                      ? -1
                      : open(shared_->mountinfo.c_str(), O_RDONLY | O_CLOEXEC)) {}

    void run() {
        bool all = adopt();
        while (!stopped()) {
            check(all);
            std::array<pollfd, 3> fds{{{shared_->to_worker.fd(), POLLIN, 0},
                                       {inotify_.get(), POLLIN, 0},
                                       {mounts_.get(), POLLPRI, 0}}};
            if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
            all = (fds[2].revents & POLLPRI) != 0;
            if (fds[0].revents != 0) all |= adopt();
            if (fds[1].revents != 0) all |= hear();
        }
    }

  private:
    struct Watched {
        std::vector<PathStep> steps;
        std::optional<Truth> answer;
        bool stale = true;
    };

    bool stopped() {
        std::lock_guard guard(shared_->lock);
        return shared_->stop;
    }

    // Takes over the set that watch() left. True when there is a new one.
    bool adopt() {
        shared_->to_worker.silence();
        std::lock_guard guard(shared_->lock);
        if (round_ == shared_->round) return false;
        round_ = shared_->round;
        watched_.clear();
        for (const std::string& path : shared_->paths) watched_[path];
        return true;
    }

    // Reads what inotify has and marks whom it concerns. True when events were lost.
    bool hear() {
        alignas(inotify_event) std::array<char, 4096> buffer;
        bool lost = false;
        ssize_t length = 0;
        while ((length = read(inotify_.get(), buffer.data(), buffer.size())) > 0)
            for (ssize_t at = 0; at < length;) {
                const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
                at += static_cast<ssize_t>(sizeof *event + event->len);
                lost |= (event->mask & IN_Q_OVERFLOW) != 0;
                mark(event->wd, event->len > 0 ? event->name : "");
            }
        return lost;
    }

    // `name` empty: of the directory itself.
    void mark(int watch, std::string_view name) {
        for (auto& [_, watched] : watched_)
            for (const PathStep& step : watched.steps)
                watched.stale |= step.watch == watch && (name.empty() || step.name == name);
    }

    void check(bool all) {
        bool any = all;
        for (auto& [path, watched] : watched_) {
            if (!watched.stale && !all) continue;
            if (stopped()) return;
            any = true;
            watched.stale = false;
            PathAnswer answer = PathWalk(inotify_.get(), shared_->root).resolve(path);
            watched.steps = std::move(answer.steps);
            if (watched.answer != answer.exists) publish(path, answer.exists);
            watched.answer = answer.exists;
        }
        if (any) forget_unused();
    }

    void publish(const std::string& path, Truth answer) {
        std::lock_guard guard(shared_->lock);
        if (round_ != shared_->round) return;
        shared_->answers[path] = answer;
        shared_->to_caller.ring();
    }

    void forget_unused() {
        std::set<int> used;
        for (const auto& [_, watched] : watched_)
            for (const PathStep& step : watched.steps) used.insert(step.watch);
        for (int watch : watches_)
            if (!used.contains(watch)) inotify_rm_watch(inotify_.get(), watch);
        watches_ = std::move(used);
    }

    std::shared_ptr<FileWatch::Shared> shared_;
    Descriptor inotify_, mounts_;
    std::map<std::string, Watched> watched_;
    std::set<int> watches_;
    uint64_t round_ = 0;
};

// By value, although only read: the thread's own share.
void work(
    std::shared_ptr<FileWatch::Shared> shared) {  // NOLINT(performance-unnecessary-value-param)
    Worker(shared).run();
    std::lock_guard guard(shared->lock);
    shared->ended = true;
    shared->ended_now.notify_all();
}

}  // namespace

FileWatch::FileWatch(std::string root, std::string mountinfo) : shared_(new Shared) {
    shared_->root = std::move(root);
    shared_->mountinfo = std::move(mountinfo);
}

FileWatch::~FileWatch() {
    if (!worker_.joinable()) return;
    std::unique_lock guard(shared_->lock);
    shared_->stop = true;
    shared_->to_worker.ring();
    bool ended = shared_->ended_now.wait_for(guard, std::chrono::seconds(1),
                                             [this] { return shared_->ended; });
    guard.unlock();
    if (ended) worker_.join();
    else worker_.detach();  // in a dead mount; what it needs is its own, or shared
}

int FileWatch::fd() const { return shared_->to_caller.fd(); }

void FileWatch::watch(std::set<std::string> paths) {
    std::lock_guard guard(shared_->lock);
    ++shared_->round;
    shared_->answers.clear();
    shared_->to_caller.silence();
    for (auto path = paths.begin(); path != paths.end();) {
        bool fits = path->starts_with('/') && path->size() < PATH_MAX;
        if (fits && static_cast<size_t>(std::distance(paths.begin(), path)) < kWatchedFilesMax) {
            ++path;
            continue;
        }
        shared_->answers[*path] = Truth::Unknown;
        path = paths.erase(path);
    }
    if (!shared_->answers.empty()) shared_->to_caller.ring();
    shared_->paths = std::move(paths);
    shared_->to_worker.ring();
    if (worker_.joinable() || shared_->paths.empty()) return;
    // Signals are the main thread's (signalfd): a new thread inherits the mask that blocks them.
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    worker_ = std::thread(work, shared_);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

std::vector<FileSeen> FileWatch::take() {
    std::lock_guard guard(shared_->lock);
    shared_->to_caller.silence();
    std::vector<FileSeen> out;
    for (const auto& [path, exists] : shared_->answers) out.push_back({path, exists});
    shared_->answers.clear();
    return out;
}

}  // namespace devmux
