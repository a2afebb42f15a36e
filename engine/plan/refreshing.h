// What a unit with `refresh` remembers: for which devices its service was started, or last reloaded.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "conditions/duration.h"
#include "engine/plan/job.h"

namespace devmux {

struct Refreshing {
    std::set<std::string> devices;  // by what tells them apart: a rename makes no other device
    bool known = false;             // all of them are in it: since coldplug
    bool due = false;               // they changed since, or a person asked: once more, when nothing runs
    std::optional<uint64_t> gap;    // of a former engine's devices: to be compared with what is found
    JobId job = 0;                  // the reload under way
    std::string reason;             // of the one that is due
    std::string last;               // how the last one ended
    bool failed = false;            // it did not end well
    Time ended{};                   // the last one
    Time due_since{};
    unsigned quick = 0;             // so many in a row were due as soon as the one before had ended
    bool paused = false;            // the next one waits for that
    Time held_until = kNever;       // so long

    void now_due(Time now) {
        if (!due) due_since = now;
        due = true;
    }
    void not_due() {
        due = paused = false;
        held_until = kNever;
    }
};

// The devices as one text, and back.
std::string joined(const std::set<std::string>& devices);
std::set<std::string> split(std::string_view text);

}  // namespace devmux
