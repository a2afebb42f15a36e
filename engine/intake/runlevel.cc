// See runlevel.h. Read by hand: getutxid(3) has one position for the whole process, and the name of its
// file is the process's as well. inotify(7): IN_MODIFY of the file, for init writes its record over the
// former one; the names on the way to it as files.cc watches them.
#include "engine/intake/runlevel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <utmpx.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>

#include "engine/intake/path_walk.h"
#include "engine/system/bell.h"
#include "engine/system/descriptor.h"
#include "engine/system/thread.h"

namespace devmux {

struct RunlevelWatch::Shared {
    std::string root, utmp, mountinfo;
    Bell to_caller, to_thread;

    std::mutex lock;  // for everything below
    std::condition_variable ended_now;
    std::optional<RunlevelSeen> news;
    bool stop = false, ended = false;
};

namespace {

// Who is logged in stands in the same file; it grows no further than there are terminals.
constexpr size_t kMostRecords = 65536;

class Watcher {
  public:
    explicit Watcher(std::shared_ptr<RunlevelWatch::Shared> shared)
        : shared_(std::move(shared)), inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
          mounts_(shared_->mountinfo.empty() ? -1 : open(shared_->mountinfo.c_str(), O_RDONLY | O_CLOEXEC)) {}

    void run() {
        bool look_again = true;
        while (true) {
            if (look_again) look();
            std::array<pollfd, 3> fds{{{shared_->to_thread.fd(), POLLIN, 0},
                                       {inotify_.get(), POLLIN, 0},
                                       {mounts_.get(), POLLPRI, 0}}};
            if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
            {
                std::lock_guard guard(shared_->lock);
                if (shared_->stop) return;
            }
            look_again = (fds[2].revents & POLLPRI) != 0;
            if (fds[1].revents != 0) look_again |= hear();
        }
    }

  private:
    // The watches first, then the file: what is written in between is read, or heard of.
    void look() {
        PathAnswer way = PathWalk(inotify_.get(), shared_->root).resolve(shared_->utmp);
        std::set<int> used;
        for (const PathStep& step : way.steps) used.insert(step.watch);
        file_ = -1;
        std::string level;
        if (way.exists == Truth::True) {
            file_ = inotify_add_watch(inotify_.get(), way.path.c_str(), IN_MODIFY | IN_DONT_FOLLOW);
            used.insert(file_);
            level = runlevel_in(way.path);
        }
        for (int watch : watches_)
            if (!used.contains(watch)) inotify_rm_watch(inotify_.get(), watch);
        watches_ = std::move(used);
        steps_ = std::move(way.steps);
        if (told_ == level) return;
        told_ = level;
        std::lock_guard guard(shared_->lock);
        shared_->news = RunlevelSeen{level};
        shared_->to_caller.ring();
    }

    // Reads what inotify has; whether it is about the file, or the way to it.
    bool hear() {
        alignas(inotify_event) std::array<char, 4096> buffer;
        bool ours = false;
        ssize_t length = 0;
        while ((length = read(inotify_.get(), buffer.data(), buffer.size())) > 0)
            for (ssize_t at = 0; at < length;) {
                const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
                at += static_cast<ssize_t>(sizeof *event + event->len);
                ours |= (event->mask & IN_Q_OVERFLOW) != 0 || event->wd == file_;
                std::string_view name = event->len > 0 ? event->name : "";
                for (const PathStep& step : steps_) ours |= step.watch == event->wd && (name.empty() || step.name == name);
            }
        return ours;
    }

    std::shared_ptr<RunlevelWatch::Shared> shared_;
    Descriptor inotify_, mounts_;
    std::vector<PathStep> steps_;
    std::set<int> watches_;
    int file_ = -1;
    std::optional<std::string> told_;
};

}  // namespace

RunlevelWatch::RunlevelWatch(std::string root, std::string utmp, std::string mountinfo) : shared_(new Shared) {
    shared_->root = std::move(root);
    shared_->utmp = std::move(utmp);
    shared_->mountinfo = std::move(mountinfo);
    int failed = start_thread("devmux-runlevel", [shared = shared_] {
        Watcher(shared).run();
        std::lock_guard guard(shared->lock);
        shared->ended = true;
        shared->ended_now.notify_all();
    });
    shared_->ended = failed != 0;  // then it stays unknown
}

RunlevelWatch::~RunlevelWatch() {
    std::unique_lock guard(shared_->lock);
    shared_->stop = true;
    shared_->to_thread.ring();
    shared_->ended_now.wait_for(guard, std::chrono::seconds(1), [this] { return shared_->ended; });
}

int RunlevelWatch::fd() const { return shared_->to_caller.fd(); }

std::optional<RunlevelSeen> RunlevelWatch::take() {
    std::lock_guard guard(shared_->lock);
    shared_->to_caller.silence();
    return std::exchange(shared_->news, std::nullopt);
}

std::string runlevel_in(const std::string& utmp) {
    Descriptor fd(open(utmp.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    utmpx record{};
    for (size_t i = 0; fd && i < kMostRecords; ++i) {
        if (read(fd.get(), &record, sizeof record) != static_cast<ssize_t>(sizeof record)) break;
        if (record.ut_type != RUN_LVL) continue;
        // init(8) keeps the former one in the second byte of the number.
        char level = static_cast<char>(record.ut_pid & 0xFF);
        bool known = (level >= '0' && level <= '9') || level == 'S' || level == 's';
        return known ? std::string(1, level == 's' ? 'S' : level) : "";
    }
    return "";
}

}  // namespace devmux
