// See mounts.h. The kernel says by POLLPRI that the table has changed (proc_pid_mounts(5)), and not what:
// all of it is read again. What changed between the reading and the next poll() is told by that, since
// the kernel remembers for each open file what it told last (fs/proc_namespace.c, mounts_poll()).
#include "engine/intake/mounts.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>

#include "conditions/text.h"
#include "engine/intake/mount_files.h"
#include "engine/system/bell.h"
#include "engine/system/descriptor.h"
#include "engine/system/errno_error.h"
#include "engine/system/thread.h"

namespace devmux {

struct MountWatch::Shared {
    std::string root, mountinfo;  // root: "" is the machine's own
    Bell to_caller, to_worker;

    std::mutex lock;  // for everything below, and for ringing to_caller
    std::set<std::string> paths;
    uint64_t round = 0;  // of watch(): an answer to an earlier one is not wanted any more
    std::map<std::string, MountSeen> answers;
    std::optional<Error> trouble;
    bool stop = false;
};

namespace {

using Clock = std::chrono::steady_clock;

// Where mounts come and go all the time, and the table is long, reading takes a tenth of the time.
constexpr int kPause = 9;
constexpr std::chrono::milliseconds kLongestPause{1000};

class Worker {
  public:
    explicit Worker(MountWatch::Shared& shared)
        : shared_(shared), mounts_(open(shared.mountinfo.c_str(), O_RDONLY | O_CLOEXEC)) {}

    void run() {
        while (adopt()) {
            Clock::time_point began = Clock::now();
            read();
            auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
            // Who asks anew is answered at once.
            if (wait(false, static_cast<int>(std::min(took * kPause, kLongestPause).count())) > 0) continue;
            if (wait(!paths_.empty(), -1) < 0) return;
        }
    }

  private:
    int wait(bool for_mounts, int timeout) const {
        std::array<pollfd, 2> fds{{{shared_.to_worker.fd(), POLLIN, 0}, {for_mounts ? mounts_.get() : -1, POLLPRI, 0}}};
        int ready = poll(fds.data(), fds.size(), timeout);
        return ready < 0 && errno == EINTR ? 0 : ready;
    }

    // Takes over the set that watch() left; false when it is over.
    bool adopt() {
        shared_.to_worker.silence();
        std::lock_guard guard(shared_.lock);
        if (round_ != shared_.round) told_.clear();
        round_ = shared_.round;
        paths_ = shared_.paths;
        return !shared_.stop;
    }

    void read() {
        if (paths_.empty()) return;
        auto table = read_mountinfo(shared_.mountinfo);
        auto list = read_fstab(shared_.root + "/etc/fstab");
        std::lock_guard guard(shared_.lock);
        if (round_ != shared_.round) return;
        std::optional<Error> trouble;
        if (!table) trouble = table.error();
        else if (!list) trouble = list.error();
        if (trouble && !troubled_) shared_.trouble = trouble;
        troubled_ = trouble.has_value();
        bool news = shared_.trouble.has_value();
        for (const std::string& path : paths_) {
            MountSeen seen{path, {}, {}};
            if (table) seen = look_at(*table, list ? *list : MountList(), shared_.root, path);
            auto [told, fresh] = told_.try_emplace(path, seen);
            if (!fresh && told->second == seen) continue;
            told->second = seen;
            shared_.answers[path] = std::move(seen);
            news = true;
        }
        if (news) shared_.to_caller.ring();
    }

    MountWatch::Shared& shared_;
    Descriptor mounts_;
    std::set<std::string> paths_;
    std::map<std::string, MountSeen> told_;
    uint64_t round_ = 0;
    bool troubled_ = false;
};

// The real path: mountinfo has no other. None of it is a mount that could hang: the daemon lives there.
std::string real(const std::string& root) {
    std::error_code error;
    std::string path = std::filesystem::weakly_canonical(root, error).string();
    path = normal_path(error ? root : path);
    return path == "/" ? "" : path;
}

}  // namespace

MountWatch::MountWatch(std::string root, std::string mountinfo) : shared_(new Shared) {
    shared_->root = real(root);
    shared_->mountinfo = std::move(mountinfo);
}

MountWatch::~MountWatch() {
    std::lock_guard guard(shared_->lock);
    shared_->stop = true;
    shared_->to_worker.ring();
}

int MountWatch::fd() const { return shared_->to_caller.fd(); }

void MountWatch::watch(std::set<std::string> paths) {
    std::lock_guard guard(shared_->lock);
    ++shared_->round;
    shared_->answers.clear();
    shared_->paths = std::move(paths);
    shared_->to_worker.ring();
    if (running_ || shared_->paths.empty()) return;
    int error = start_thread("devmux-mounts", [shared = shared_] { Worker(*shared).run(); });
    running_ = error == 0;
    if (running_) return;
    shared_->trouble = Error{.where = {}, .what = "no thread can be started to read the mounts: " + errno_text(error),
                             .source = "", .caret = -1, .hint = "devmux reload tries again"};
    // That nothing can be seen is an answer: nobody is to wait for another one.
    for (const std::string& path : shared_->paths) shared_->answers[path] = {path, {}, {}};
    shared_->to_caller.ring();
}

MountsSeen MountWatch::take() {
    std::lock_guard guard(shared_->lock);
    shared_->to_caller.silence();
    MountsSeen out;
    for (auto& [path, seen] : shared_->answers) out.mounts.push_back(std::move(seen));
    shared_->answers.clear();
    return out;
}

std::optional<Error> MountWatch::take_trouble() {
    std::lock_guard guard(shared_->lock);
    return std::exchange(shared_->trouble, std::nullopt);
}

}  // namespace devmux
