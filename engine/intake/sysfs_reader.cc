// See sysfs_reader.h. The caller's descriptor is two: a bell that is rung with each answer, and the
// timer of those who watch over the reads (read_watch.h), which take() does.
#include "engine/intake/sysfs_reader.h"

#include <sys/epoll.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "engine/intake/coldplug.h"
#include "engine/intake/read_queue.h"
#include "engine/intake/read_watch.h"
#include "engine/intake/sysfs.h"
#include "engine/system/bell.h"
#include "engine/system/descriptor.h"
#include "engine/system/errno_error.h"
#include "engine/system/thread.h"

namespace devmux {
namespace {

// Answers that are not taken: the threads wait then, and the requests pile up to their own limit.
constexpr size_t kUntakenMax = 1024;
constexpr Duration kRetry = std::chrono::seconds(1);         // to start a thread that is missing
constexpr Duration kGrace = std::chrono::milliseconds(100);  // for what is being read at the end

}  // namespace

struct SysfsReader::Shared {
    Shared(std::string sysfs_root, RecordsMaker maker, Limits most)
        : root(std::move(sysfs_root)),
          make_records(std::move(maker)),
          limits(most),
          sysfs(root),
          queue(most.waiting),
          watch(most.stuck) {
        for (int source : {bell.fd(), watch.fd()}) {
            epoll_event readable{.events = EPOLLIN, .data = {}};
            epoll_ctl(either.get(), EPOLL_CTL_ADD, source, &readable);
        }
    }

    bool may_begin() const { return queue.ready() > 0 && answers.size() < kUntakenMax; }

    void answer(ReadAnswer answer) {
        answers.push_back(std::move(answer));
        bell.ring();
    }
    void over(std::optional<std::string> stuck) {
        if (stuck) answer(ReadStuck{std::move(*stuck), true});
    }

    const std::string root;
    const RecordsMaker make_records;
    const Limits limits;
    const Sysfs sysfs;
    const Bell bell;
    const Descriptor either{epoll_create1(EPOLL_CLOEXEC)};  // the bell or the timer

    std::mutex lock;  // for everything below, and for ringing the bell: it tells of `answers`
    std::condition_variable work, ended;
    ReadQueue queue;
    ReadWatch watch;
    std::shared_ptr<const AttributeNeeds> needs = std::make_shared<AttributeNeeds>();
    std::vector<ReadAnswer> answers;
    size_t threads = 0;     // that take requests; those not free have a read in `watch`
    size_t alive = 0;       // and those that are about to end
    std::string no_thread;  // why there is none, as ReadStuck::what
    bool stop = false;
};

namespace {

// One thread.
class Worker {
  public:
    explicit Worker(std::shared_ptr<SysfsReader::Shared> shared) : shared_(std::move(shared)) {}

    void run() {
        std::unique_lock guard(shared_->lock);
        while (std::optional<ReadRequest> request = next(guard)) {
            bool walk = request->kind == ReadRequest::Kind::Walk;
            reading_ = shared_->watch.begin(shared_->root + (walk ? "/devices" : request->devpath));
            std::shared_ptr<const AttributeNeeds> needs = shared_->needs;
            guard.unlock();
            std::optional<ReadAnswer> answer = read(*request, *needs);
            guard.lock();
            shared_->over(shared_->watch.end(reading_));
            shared_->queue.end(*request);
            if (answer) shared_->answer(std::move(*answer));
        }
        // Locked since there was nothing to do: who asks for something now starts another.
        --shared_->threads;
    }

  private:
    std::optional<ReadRequest> next(std::unique_lock<std::mutex>& guard) {
        auto awaited = [this] { return shared_->stop || shared_->may_begin(); };
        if (!awaited() && shared_->watch.under_way() == 0) shared_->watch.set_timer();
        shared_->work.wait_for(guard, shared_->limits.idle, awaited);
        return awaited() && !shared_->stop ? shared_->queue.begin() : std::nullopt;
    }

    std::optional<ReadAnswer> read(const ReadRequest& request, const AttributeNeeds& needs) {
        switch (request.kind) {
            case ReadRequest::Kind::Attributes:
                return attributes(request, needs);
            case ReadRequest::Kind::Look: return look(request.devpath, needs);
            case ReadRequest::Kind::Walk: return walk(needs);
        }
        return std::nullopt;
    }

    static Time now() { return std::chrono::steady_clock::now().time_since_epoch(); }

    std::optional<ReadAnswer> attributes(const ReadRequest& request, const AttributeNeeds& needs) {
        auto names = needs.for_subsystem(request.subsystem);
        if (names.empty()) return std::nullopt;
        std::optional<AttributesRead> read = shared_->sysfs.attributes(request.devpath, names, before_);
        if (read) return std::move(*read);
        walk_where_unreadable(request.devpath);
        return std::nullopt;
    }

    // It stands and cannot be read: a walk, which this thread begins next, says why.
    bool walk_where_unreadable(const std::string& devpath) {
        if (!shared_->sysfs.standing(devpath).device) return false;
        std::lock_guard guard(shared_->lock);
        shared_->queue.walk();
        return true;
    }

    std::optional<ReadAnswer> look(const std::string& devpath, const AttributeNeeds& needs) {
        const Sysfs& sysfs = shared_->sysfs;
        auto none = [](std::string_view) { return false; };
        DeviceLooked out{.ancestors = {}, .look = {}, .began = now()};
        out.look = {.devpath = devpath, .found = {}, .seqnum = newest_event(sysfs)};
        out.ancestors = unknown_ancestors(sysfs, needs, devpath, none, before_);
        out.look.found = sysfs.read(devpath, needs, before_);
        if (!out.look.found && walk_where_unreadable(devpath)) return std::nullopt;
        for (FoundDevice& ancestor : out.ancestors) add_record(ancestor);
        if (out.look.found) add_record(*out.look.found);
        return out;
    }

    Walked walk(const AttributeNeeds& needs) {
        Time began = now();
        Walked out{.snapshot = walk_sysfs(shared_->sysfs, needs, before_), .ended_at = 0, .began = began};
        if (out.snapshot)
            for (FoundDevice& device : out.snapshot->devices) add_record(device);
        out.ended_at = newest_event(shared_->sysfs);
        return out;
    }

    void add_record(FoundDevice& device) {
        if (!shared_->make_records || device.subsystem.empty()) return;
        reads(device.devpath, "");
        if (!records_) records_ = shared_->make_records();
        if (*records_) device.udev = (*records_)(device.devpath);
    }

    void reads(std::string_view devpath, std::string_view file) {
        path_.assign(shared_->root).append(devpath);
        std::lock_guard guard(shared_->lock);
        shared_->over(shared_->watch.go_on(reading_, path_, file));
    }

    std::shared_ptr<SysfsReader::Shared> shared_;
    ReadWatch::Place reading_;
    std::string path_;
    std::optional<SysfsReader::Records> records_;
    const BeforeRead before_ = [this](std::string_view devpath, std::string_view file) {
        reads(devpath, file);
    };
};

void work(const std::shared_ptr<SysfsReader::Shared>& shared) {
    Worker(shared).run();
    std::lock_guard guard(shared->lock);
    --shared->alive;
    shared->ended.notify_all();
}

// Sees to it that there is a free thread for each request that can begin, as far as may be. False
// when a thread should be there that cannot be started. With the lock held.
bool staff(const std::shared_ptr<SysfsReader::Shared>& shared) {
    size_t free = shared->threads - shared->watch.under_way();
    size_t wanted = shared->may_begin() ? shared->queue.ready() : 0;
    for (size_t i = 0; i < std::min(free, wanted); ++i) shared->work.notify_one();
    for (; wanted > free && shared->threads < shared->limits.threads; ++free) {
        int error = start_thread("devmux-sysfs", [shared] { work(shared); });
        if (error == 0) {
            ++shared->threads;
            ++shared->alive;
            if (!shared->no_thread.empty())
                shared->answer(ReadStuck{std::exchange(shared->no_thread, ""), true});
            continue;
        }
        // With fewer threads than allowed it goes on; without any it cannot.
        if (shared->threads > 0 || !shared->no_thread.empty()) return false;
        shared->no_thread = "starting a thread that reads " + shared->root + ": " +
                            errno_text(error) + "; devices are not looked at until one starts";
        shared->answer(ReadStuck{shared->no_thread, false});
        return false;
    }
    return true;
}

}  // namespace

SysfsReader::SysfsReader(std::string sysfs_root, RecordsMaker records, Limits limits) {
    limits.threads = std::max<size_t>(limits.threads, 1);
    shared_ = std::make_shared<Shared>(std::move(sysfs_root), std::move(records), limits);
}

// A thread owns whatever it uses, so none has to be waited for. Those that merely work get the time
// to come to their end all the same: a process that exits should not be working any more.
SysfsReader::~SysfsReader() {
    std::unique_lock guard(shared_->lock);
    shared_->stop = true;
    shared_->work.notify_all();
    shared_->ended.wait_for(guard, kGrace, [this] { return shared_->alive == 0; });
}

void SysfsReader::need(std::shared_ptr<const AttributeNeeds> needs) {
    std::lock_guard guard(shared_->lock);
    shared_->needs = std::move(needs);
}

void SysfsReader::read_attributes(std::string devpath, std::string_view subsystem) {
    std::lock_guard guard(shared_->lock);
    if (shared_->needs->for_subsystem(subsystem).empty()) return;
    shared_->queue.attributes(std::move(devpath), subsystem);
    staff(shared_);
}

void SysfsReader::look(std::string devpath) {
    std::lock_guard guard(shared_->lock);
    shared_->queue.look(std::move(devpath));
    staff(shared_);
}

void SysfsReader::walk() {
    std::lock_guard guard(shared_->lock);
    shared_->queue.walk();
    staff(shared_);
}

int SysfsReader::fd() const { return shared_->either.get(); }

std::vector<ReadAnswer> SysfsReader::take() {
    std::lock_guard guard(shared_->lock);
    shared_->bell.silence();
    std::vector<ReadAnswer> out = std::exchange(shared_->answers, {});
    for (std::string& what : shared_->watch.stuck())
        out.emplace_back(ReadStuck{std::move(what), false});
    shared_->watch.set_timer(staff(shared_) ? Duration::max() : kRetry);
    return out;
}

}  // namespace devmux
