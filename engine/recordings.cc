// See recordings.h.
#include "engine/recordings.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "engine/recording_file.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

constexpr size_t kLastLine = 64;  // bytes kept for it

}  // namespace

struct Recordings::File {
    std::string path;
    Descriptor fd;
    size_t left;
    Recorder recorder;
    bool over = false;
};

struct Recordings::Stream {
    Descriptor fd;
    std::string unsent;
    size_t allowed = 0;   // of `unsent`
    std::optional<Recorder> recorder;
    std::optional<Time> stuck;  // since when nothing was taken of `unsent`
    bool ended = false;   // the last line is in `unsent`
    bool broken = false;
};

Recordings::Recordings(Loop& loop, std::string version, Tell tell, Duration patience)
    : loop_(loop), version_(std::move(version)), tell_(std::move(tell)), patience_(patience) {}

Recordings::~Recordings() {
    if (file_ && !file_->over) file_->recorder.end("stopped");
    for (Stream& stream : streams_) {
        if (!stream.ended) stream.recorder->end("stopped");
        send(stream);
        loop_.forget(stream.fd.get());
    }
    if (timer_) loop_.forget(timer_.get());
}

std::optional<Error> Recordings::open_file(const std::string& path, size_t limit) {
    auto fd = new_recording_file(path);
    if (!fd) return fd.error();
    file_.reset(new File{path, std::move(*fd), limit - kLastLine,
                         Recorder(version_, [this](std::string_view lines) { write_file(lines); })});
    return std::nullopt;
}

void Recordings::write_file(std::string_view lines) {
    if (file_->over) return;
    if (lines.size() > file_->left) {
        file_->over = true;
        (void)write_all(file_->fd.get(), "end limit\n");
        return tell_("the recording " + file_->path + " has reached its limit: it ends here", Report::Level::Warning);
    }
    file_->left -= lines.size();
    if (write_all(file_->fd.get(), lines)) return;
    file_->over = true;
    tell_(errno_error(file_->path, "the recording ends here", errno).to_string(), Report::Level::Error);
}

Result<Descriptor> Recordings::open_stream(const Engine& engine, Time now, bool checkpoint_alone) {
    if (streams_.size() >= kMostRecordings)
        return Error{.where = {}, .what = "there are " + std::to_string(kMostRecordings) + " recordings already",
                     .source = "", .caret = -1, .hint = "end one of them"};
    if (!timer_) {
        timer_ = Descriptor(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
        if (!timer_) return errno_error("", "no timer", errno);
        loop_.on_readable(timer_.get(), "recordings", Loop::Priority::Clients, [this] { on_timer(); });
    }
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return errno_error("", "no socket", errno);
    Descriptor ours(ends[0]), theirs(ends[1]);
    if (fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return errno_error("", "no socket", errno);
    Stream& stream = streams_.emplace_back();
    stream.fd = std::move(ours);
    stream.allowed = SIZE_MAX;  // of the checkpoint: it is as long as it is
    stream.recorder.emplace(version_, [this, &stream](std::string_view lines) { write_stream(stream, lines); });
    stream.recorder->checkpoint(engine, now);
    stream.allowed = stream.unsent.size() + kRecordingBehind;
    if (checkpoint_alone) {
        stream.recorder->end("asked");
        stream.ended = true;
    }
    loop_.on_readable(stream.fd.get(), "recording", Loop::Priority::Clients, [this, &stream] { on_stream(&stream); });
    loop_.wants(stream.fd.get(), !stream.ended, true);
    return theirs;
}

void Recordings::write_stream(Stream& stream, std::string_view lines) {
    if (stream.ended || stream.broken) return;
    if (stream.unsent.size() + lines.size() <= stream.allowed) {
        stream.unsent += lines;
        return;
    }
    stream.unsent += "end slow\n";
    stream.ended = true;
    tell_("a recording was not read fast enough: it ends here", Report::Level::Warning);
}

// As much as the socket takes.
void Recordings::send(Stream& stream) {
    size_t sent = 0;
    while (sent < stream.unsent.size() && !stream.broken) {
        ssize_t n = ::send(stream.fd.get(), stream.unsent.data() + sent, stream.unsent.size() - sent, MSG_NOSIGNAL);
        if (n > 0) sent += static_cast<size_t>(n);
        else if (n < 0 && errno == EAGAIN) break;
        else if (n >= 0 || errno != EINTR) stream.broken = true;  // nobody reads it any more
    }
    stream.unsent.erase(0, sent);
    if (stream.unsent.empty()) stream.unsent.shrink_to_fit(), stream.stuck.reset();
    else if (sent > 0 || !stream.stuck) stream.stuck = Loop::now();
    stream.allowed = std::max(stream.allowed == SIZE_MAX ? 0 : kRecordingBehind, stream.unsent.size());
}

void Recordings::on_stream(const Stream* which) {
    for (Stream& stream : streams_) {
        if (&stream != which) continue;
        std::array<char, 256> said{};
        ssize_t n = recv(stream.fd.get(), said.data(), said.size(), MSG_DONTWAIT);
        // Shut down by its reader: that is how it asks for the end.
        if (n == 0 && !stream.ended) {
            stream.recorder->end("asked");
            stream.ended = true;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR) stream.broken = true;
    }
    sweep();
}

// Lets go of those that have taken nothing for so long: their places are few, and what waits for them is much.
void Recordings::on_timer() {
    uint64_t times = 0;
    (void)!read(timer_.get(), &times, sizeof times);
    timed_ = false;
    Time now = Loop::now();
    for (Stream& stream : streams_) {
        if (!stream.stuck || now - *stream.stuck < patience_) continue;
        stream.broken = true;
        tell_("a recording is not read any more: it ends here", Report::Level::Warning);
    }
    sweep();
}

void Recordings::begin(const Engine& engine, const SavedState& saved, Time now) {
    if (file_) file_->recorder.begin(engine, saved, now);
}

void Recordings::fed(const Event& event, Time now) {
    if (file_) file_->recorder.fed(event, now);
    for (Stream& stream : streams_) stream.recorder->fed(event, now);
}

void Recordings::decided(const PlanAction& action, Time now) {
    if (file_) file_->recorder.decided(action, now);
    for (Stream& stream : streams_) stream.recorder->decided(action, now);
}

void Recordings::flush() {
    if (file_) file_->recorder.flush();
    if (streams_.empty()) return;
    for (Stream& stream : streams_)
        if (!stream.ended) stream.recorder->flush();
    sweep();
}

// Sends, and lets go of those that are done.
void Recordings::sweep() {
    for (auto it = streams_.begin(); it != streams_.end();) {
        send(*it);
        bool done = it->broken || (it->ended && it->unsent.empty());
        if (done) {
            loop_.forget(it->fd.get());
            it = streams_.erase(it);
        } else {
            // A reader that has shut down is readable for ever.
            loop_.wants(it->fd.get(), !it->ended, !it->unsent.empty());
            ++it;
        }
    }
    Time first = kNever;
    for (const Stream& stream : streams_) first = std::min(first, stream.stuck.value_or(kNever));
    if (timed_ || first == kNever) return;
    // It may fire too early for one that has taken something meanwhile, and is then set anew.
    auto left = std::max<Duration>(first + patience_ - Loop::now(), std::chrono::microseconds(1)).count();
    itimerspec spec{};
    spec.it_value = {.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    timed_ = timerfd_settime(timer_.get(), 0, &spec, nullptr) == 0;
}

}  // namespace devmux
