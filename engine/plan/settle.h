// When has the machine come to rest after boot? Coldplug is complete, no module is loading, no device
// was added or bound for 3 s, none waits for udev (for 10 s each, no longer), and no loss is being
// verified; not before 5 s and not later than 60 s after the start. Once reached it holds for this boot.
// A `change` does not count: some devices never stop changing.
#pragma once

#include <algorithm>
#include <optional>

#include "conditions/duration.h"

namespace devmux {

struct SettleTimes {
    Duration quiet = std::chrono::seconds(3);
    Duration unready = std::chrono::seconds(10);  // how long one device that is not ready counts
    Duration earliest = std::chrono::seconds(5);
    Duration latest = std::chrono::seconds(60);
};

class Settle {
  public:
    explicit Settle(Time start, SettleTimes times = {}) : start_(start), last_(start), times_(times) {}

    void device_came(Time now) { last_ = now; }  // added or bound
    // When the youngest of the devices came that are not ready; nothing when all are.
    void unready_since(std::optional<Time> youngest) { unready_ = youngest; }
    void coldplug_complete() { coldplug_ = true; }
    void restore() { settled_ = true; }
    bool settled() const { return settled_; }

    // For recordings.
    struct Checkpoint {
        Time start{}, last{}, retry{};
        std::optional<Time> unready;
        bool coldplug = false, settled = false;
    };
    Checkpoint checkpoint() const { return {start_, last_, retry_, unready_, coldplug_, settled_}; }
    void restore(const Checkpoint& c) {
        start_ = c.start, last_ = c.last, retry_ = c.retry, unready_ = c.unready;
        coldplug_ = c.coldplug, settled_ = c.settled;
    }

    // When poll() has something to say.
    Time next() const {
        if (settled_) return kNever;
        Time latest = start_ + times_.latest;
        if (!coldplug_) return latest;
        return std::min(latest, std::max({start_ + times_.earliest, last_ + times_.quiet, udev_done(), retry_}));
    }
    enum class Answer : unsigned char { NotYet, AskModules, Late };
    // At a deadline: AskModules leads to modules(); Late means that it is settled by time alone.
    Answer poll(Time now) {
        if (settled_ || now < next()) return Answer::NotYet;
        if (now < start_ + times_.latest) return Answer::AskModules;
        settled_ = true;
        return Answer::Late;
    }
    // True when this settled it.
    bool modules(bool loading, Time now) {
        retry_ = now + std::chrono::seconds(1);
        if (settled_ || loading || !coldplug_ || now < std::max(last_ + times_.quiet, udev_done())) return false;
        return settled_ = true;
    }

  private:
    Time udev_done() const { return unready_ ? *unready_ + times_.unready : Time{}; }

    Time start_, last_, retry_{};
    std::optional<Time> unready_;
    SettleTimes times_;
    bool coldplug_ = false;
    bool settled_ = false;
};

}  // namespace devmux
