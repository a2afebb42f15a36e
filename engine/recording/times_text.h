// The patience of an engine (EngineTimes) as the words of one line, in seconds, and back. The last word
// is how many units it starts at a time.
#pragma once

#include <array>
#include <string>

#include "engine/engine.h"
#include "engine/recording/line_text.h"

namespace devmux {

inline std::array<Duration*, 13> all_of(EngineTimes& t) {
    return {&t.settle.quiet, &t.settle.unready, &t.settle.earliest, &t.settle.latest, &t.udev.patience,
            &t.udev.start,   &t.late.window,    &t.late.first,      &t.late.longest,  &t.late.afterwards,
            &t.jobs.limit,   &t.jobs.grace,     &t.jobs.spared};
}

inline constexpr size_t kFirstTimes = 10;  // of recordings from before there were more

inline std::string times_text(EngineTimes times) {
    std::string out;
    for (const Duration* d : all_of(times)) out += (out.empty() ? "" : " ") + seconds_text(*d);
    return out + " " + std::to_string(times.parallel);
}

// Each more than nothing and less than a year.
inline std::optional<EngineTimes> times_of(std::string_view text) {
    EngineTimes times;
    std::vector<std::string_view> words = words_of(text);
    size_t at = 0, count = words.size() <= kFirstTimes + 1 ? kFirstTimes : all_of(times).size();
    for (Duration* d : all_of(times)) {
        if (at == count) break;
        auto time = at < words.size() ? seconds_of(words[at++]) : std::nullopt;
        if (!time || *time <= Duration{} || *time > std::chrono::hours(24 * 365)) return std::nullopt;
        *d = *time;
    }
    if (at == words.size()) return times;  // recorded when there was no such limit: none was reached
    auto parallel = number_of(words[at++]);
    if (!parallel || *parallel == 0 || at != words.size()) return std::nullopt;
    times.parallel = *parallel;
    return times;
}

}  // namespace devmux
