// What was taken in already: a bounded memory of (SEQNUM, level), so that the same event from two
// transports is handled once, whichever comes first and however far apart they are.
//
// A window of bits over the highest numbers seen, as in IPsec's anti-replay window (RFC 6479):
// taking a number costs O(1) and no allocation; a number that never comes (the kernel counts other
// network namespaces' events as well) is a bit that stays clear and holds nobody up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/intake/event.h"

namespace devmux {

enum class Outcome : unsigned char {
    New,         // not taken in before at this level
    Duplicate,   // taken in before, at this level or a higher one: drop it
    Older,       // below the window: nobody knows any more; look at sysfs instead
    Unnumbered,  // SEQNUM 0 or none: look at sysfs instead
};

class History {
  public:
    // Rounded up to a multiple of 64. Two bits of memory per entry.
    explicit History(size_t entries = 65536);

    // Ready includes Seen: the kernel's copy that comes after udev's says nothing new.
    Outcome take(uint64_t seqnum, Level level);

    // What was taken in as Seen alone was not, after all: the next copy is new.
    void forget(uint64_t seqnum);

    // Whether take() would say Duplicate. For "are all numbers up to N in?".
    bool knows(uint64_t seqnum, Level level) const;

    // Numbers that were taken in, as ranges in order; seen includes ready. For recordings.
    struct Checkpoint {
        using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;  // first and last
        uint64_t highest = 0;
        Ranges seen, ready;
    };
    Checkpoint checkpoint() const;
    void restore(const Checkpoint& from);

    uint64_t highest() const { return highest_; }  // 0: none yet
    size_t entries() const { return seen_.size() * 64; }

  private:
    using Bits = std::vector<uint64_t>;
    bool below_window(uint64_t seqnum) const;
    void advance_to(uint64_t seqnum);

    Bits seen_, ready_;  // bit (seqnum % entries()) of each
    uint64_t highest_ = 0;
};

}  // namespace devmux
