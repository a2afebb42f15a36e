// How long devices wait for udev. It may not be there (then nobody waits), not be up yet (30 s, then
// nobody waits any more), or never have heard of a device (it was restarted meanwhile): then it is idle,
// and 10 s after the device came it has had its time.
#pragma once

#include <algorithm>
#include <optional>

#include "conditions/duration.h"
#include "engine/intake/event.h"

namespace devmux {

class UdevWait {
  public:
    struct Times {
        Duration patience = std::chrono::seconds(10);  // with one device
        Duration start = std::chrono::seconds(30);     // until udevd runs
    };
    explicit UdevWait(Times times) : times_(times) {}
    UdevWait() : UdevWait(Times{}) {}

    bool awaits() const {
        return presence_ == UdevPresence::Running || (presence_ == UdevPresence::Installed && !gave_up_);
    }
    UdevPresence presence() const { return presence_; }
    Duration patience() const { return times_.patience; }
    void seen(const UdevSeen& udev, Time now) {
        if (udev.presence != UdevPresence::Installed) gave_up_ = false;
        else if (presence_ != UdevPresence::Installed) down_since_ = now;
        presence_ = udev.presence;
        asked_ = now;
    }

    // For recordings.
    struct Checkpoint {
        UdevPresence presence = UdevPresence::Absent;
        bool gave_up = false;
        Time down_since{}, asked{};
    };
    Checkpoint checkpoint() const { return {presence_, gave_up_, down_since_, asked_}; }
    void restore(const Checkpoint& c) {
        presence_ = c.presence, gave_up_ = c.gave_up, down_since_ = c.down_since, asked_ = c.asked;
    }

    enum class Answer : unsigned char {
        Nothing,
        Ask,     // look whether udevd runs, and is idle
        GiveUp,  // it does not come
    };
    // `oldest`: since when the first of those that wait has waited.
    Time next(std::optional<Time> oldest) const {
        if (presence_ == UdevPresence::Installed && !gave_up_) return down_since_ + times_.start;
        if (presence_ != UdevPresence::Running || !oldest) return kNever;
        return std::max(*oldest, asked_) + times_.patience;
    }
    Answer poll(std::optional<Time> oldest, Time now) {
        if (now < next(oldest)) return Answer::Nothing;
        if (presence_ == UdevPresence::Installed) {
            gave_up_ = true;
            return Answer::GiveUp;
        }
        asked_ = now;
        return Answer::Ask;
    }

  private:
    Times times_;
    UdevPresence presence_ = UdevPresence::Absent;
    bool gave_up_ = false;
    Time down_since_{}, asked_{};
};

}  // namespace devmux
