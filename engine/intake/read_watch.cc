// See read_watch.h. The timer is not set anew for each file, which would cost more than most of
// them: it may find that the file it was set for has come back in time. That is a wake-up for
// nothing, at most one in each `patience`, and only while there is always something to read.
#include "engine/intake/read_watch.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <utility>

namespace devmux {
namespace {

using Clock = std::chrono::steady_clock;

// `reading` turns to something else.
std::optional<std::string> leave(ReadWatch::Reading& reading) {
    reading.since = Clock::now();
    if (reading.told.empty()) return std::nullopt;
    return std::exchange(reading.told, "");
}

}  // namespace

ReadWatch::ReadWatch(Duration patience)
    : patience_(patience), timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {}

ReadWatch::Place ReadWatch::begin(std::string path) {
    readings_.push_back({.path = std::move(path), .since = Clock::now()});
    if (!timer_set_) set_timer();
    return std::prev(readings_.end());
}

std::optional<std::string> ReadWatch::go_on(Place place, std::string_view directory,
                                            std::string_view file) {
    place->path.assign(directory);
    place->record = file.empty();
    if (!place->record) place->path.append("/").append(file);
    return leave(*place);
}

std::optional<std::string> ReadWatch::end(Place place) {
    std::optional<std::string> over = leave(*place);
    readings_.erase(place);
    return over;
}

std::vector<std::string> ReadWatch::stuck() {
    std::vector<std::string> out;
    Clock::time_point now = Clock::now();
    for (Reading& reading : readings_) {
        if (!reading.told.empty() || now - reading.since < patience_) continue;
        reading.told = reading.path + (reading.record ? ": reading udev's record" : ": reading") +
                       " takes longer than " + to_string(patience_) +
                       (reading.record ? "" : "; its driver does not answer");
        out.push_back(reading.told);
    }
    return out;
}

void ReadWatch::set_timer(Duration at_the_latest) {
    Clock::time_point now = Clock::now();
    Duration left = at_the_latest;
    for (const Reading& reading : readings_)
        if (reading.told.empty()) left = std::min<Duration>(left, reading.since + patience_ - now);
    bool wanted = left != Duration::max();
    if (!wanted && !timer_set_) return;
    timer_set_ = wanted;
    itimerspec spec{};  // all zero: off
    if (wanted) {
        left = std::max(left, Duration(1));
        spec.it_value = {.tv_sec = left / std::chrono::seconds(1),
                         .tv_nsec = (left % std::chrono::seconds(1)).count()};
    }
    timerfd_settime(timer_.get(), 0, &spec, nullptr);
}

}  // namespace devmux
