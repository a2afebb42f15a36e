// See loop.h. sd_event_add_io(3) keeps the descriptor; we keep the callback.
#include "engine/loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include <memory>
#include <stdexcept>

#include "engine/system/clock.h"

namespace devmux {
namespace {

// Only a broken installation or a lack of memory ends here.
void check(int result, const char* what) {
    if (result < 0) throw std::runtime_error(std::string(what) + ": error " + std::to_string(-result));
}

// Deadlines are for people: that they are 10 ms late at most lets the kernel join wake-ups.
constexpr uint64_t kAccuracyUs = 10'000;

uint64_t microseconds(Time t) {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(t).count());
}

}  // namespace

struct Loop::Source {
    sd_event_source* source = nullptr;
    Callback callback;
};

Loop::Loop() { check(sd_event_new(&event_), "sd_event_new"); }

Loop::~Loop() {
    while (!sources_.empty()) forget(sources_.begin()->first);
    sd_event_source_unref(timer_);
    sd_event_source_unref(defer_);
    sd_event_unref(event_);
}

void Loop::wants(int fd, bool text, bool room) {
    uint32_t events = (text ? uint32_t{EPOLLIN} : 0) | (room ? uint32_t{EPOLLOUT} : 0);
    if (auto it = sources_.find(fd); it != sources_.end())
        check(sd_event_source_set_io_events(it->second->source, events), "wants");
}

void Loop::on_readable(int fd, const std::string& name, Priority priority, Callback callback) {
    auto source = std::make_unique<Source>();
    source->callback = std::move(callback);
    auto call = [](sd_event_source*, int, uint32_t, void* data) {
        // The callback may forget this very source: it is moved to the stack's keeping first.
        Callback copy = static_cast<Source*>(data)->callback;
        copy();
        return 0;
    };
    check(sd_event_add_io(event_, &source->source, fd, EPOLLIN, call, source.get()), name.c_str());
    check(sd_event_source_set_priority(source->source, static_cast<int>(priority)), name.c_str());
    check(sd_event_source_set_description(source->source, name.c_str()), name.c_str());
    sources_[fd] = source.release();
}

void Loop::forget(int fd) {
    auto it = sources_.find(fd);
    if (it == sources_.end()) return;
    std::unique_ptr<Source> source(it->second);
    sources_.erase(it);
    sd_event_source_disable_unref(source->source);
}

void Loop::once_more(Callback callback) {
    once_more_ = std::move(callback);
    auto call = [](sd_event_source*, void* data) {
        Callback copy = static_cast<Loop*>(data)->once_more_;
        copy();
        return 0;
    };
    if (!defer_) {
        check(sd_event_add_defer(event_, &defer_, call, this), "sd_event_add_defer");
        check(sd_event_source_set_priority(defer_, static_cast<int>(Priority::Events)), "defer");
    }
    check(sd_event_source_set_enabled(defer_, SD_EVENT_ONESHOT), "defer");
}

void Loop::on_signal(int signo, Callback callback) {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, signo);
    check(-sigprocmask(SIG_BLOCK, &mask, nullptr), "sigprocmask");
    Callback& kept = signals_[signo] = std::move(callback);
    auto call = [](sd_event_source*, const signalfd_siginfo*, void* data) {
        (*static_cast<Callback*>(data))();
        return 0;
    };
    check(sd_event_add_signal(event_, nullptr, signo, call, &kept), "sd_event_add_signal");
}

void Loop::on_deadline(Callback callback) {
    on_deadline_ = std::move(callback);
    auto call = [](sd_event_source*, uint64_t, void* data) {
        auto* loop = static_cast<Loop*>(data);
        loop->deadline_ = kNever;
        loop->on_deadline_();
        return 0;
    };
    check(sd_event_add_time(event_, &timer_, CLOCK_MONOTONIC, 0, kAccuracyUs, call, this), "sd_event_add_time");
    check(sd_event_source_set_enabled(timer_, SD_EVENT_OFF), "timer");
    check(sd_event_source_set_description(timer_, "deadline"), "timer");
}

void Loop::set_deadline(Time when) {
    if (when == deadline_) return;
    deadline_ = when;
    if (when == kNever) {
        check(sd_event_source_set_enabled(timer_, SD_EVENT_OFF), "timer");
        return;
    }
    check(sd_event_source_set_time(timer_, microseconds(when) + 1), "timer");
    check(sd_event_source_set_enabled(timer_, SD_EVENT_ONESHOT), "timer");
}

int Loop::run() { return sd_event_loop(event_); }

void Loop::exit(int code) { sd_event_exit(event_, code); }

Time Loop::now() {
    // Whole microseconds: what a recording says of a moment is then exact (recording/recorder.h).
    return std::chrono::floor<std::chrono::microseconds>(read_clock(CLOCK_MONOTONIC));
}

}  // namespace devmux
