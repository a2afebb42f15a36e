// See history.h. The ring is cleared as the window moves over it: bit by bit for the usual step of
// one, by words for a jump (another namespace was busy, or events were lost), all of it at most.
#include "engine/intake/history.h"

#include <algorithm>

namespace devmux {
namespace {

bool bit(const std::vector<uint64_t>& bits, uint64_t slot) {
    return (bits[slot / 64] >> (slot % 64) & 1) != 0;
}

void clear_bit(std::vector<uint64_t>& bits, uint64_t slot) {
    bits[slot / 64] &= ~(uint64_t{1} << (slot % 64));
}

void set_bit(std::vector<uint64_t>& bits, uint64_t slot) {
    bits[slot / 64] |= uint64_t{1} << (slot % 64);
}

}  // namespace

History::History(size_t entries)
    : seen_(std::max<size_t>(1, (entries + 63) / 64)), ready_(seen_.size()) {}

bool History::below_window(uint64_t seqnum) const {
    return seqnum <= highest_ && highest_ - seqnum >= entries();
}

void History::advance_to(uint64_t seqnum) {
    if (seqnum - highest_ >= entries()) {
        std::ranges::fill(seen_, 0);
        std::ranges::fill(ready_, 0);
    } else {
        for (uint64_t next = highest_ + 1; next <= seqnum && next != 0;) {
            uint64_t slot = next % entries();
            if (slot % 64 == 0 && seqnum - next >= 63) {
                seen_[slot / 64] = ready_[slot / 64] = 0;
                next += 64;
                continue;
            }
            clear_bit(seen_, slot);
            clear_bit(ready_, slot);
            ++next;
        }
    }
    highest_ = seqnum;
}

Outcome History::take(uint64_t seqnum, Level level) {
    if (seqnum == 0) return Outcome::Unnumbered;
    if (below_window(seqnum)) return Outcome::Older;
    if (seqnum > highest_) advance_to(seqnum);
    uint64_t slot = seqnum % entries();
    if (bit(level == Level::Ready ? ready_ : seen_, slot)) return Outcome::Duplicate;
    set_bit(seen_, slot);
    if (level == Level::Ready) set_bit(ready_, slot);
    return Outcome::New;
}

void History::forget(uint64_t seqnum) {
    if (seqnum == 0 || seqnum > highest_ || below_window(seqnum)) return;
    clear_bit(seen_, seqnum % entries());
}

bool History::knows(uint64_t seqnum, Level level) const {
    if (seqnum == 0 || seqnum > highest_ || below_window(seqnum)) return false;
    return bit(level == Level::Ready ? ready_ : seen_, seqnum % entries());
}

History::Checkpoint History::checkpoint() const {
    Checkpoint out{highest_, {}, {}};
    uint64_t first = highest_ < entries() ? 1 : highest_ - entries() + 1;
    auto add = [&](Checkpoint::Ranges& ranges, const Bits& bits) {
        for (uint64_t n = first; n <= highest_ && n != 0; ++n) {
            if (!bit(bits, n % entries())) continue;
            if (!ranges.empty() && ranges.back().second + 1 == n) ranges.back().second = n;
            else ranges.emplace_back(n, n);
        }
    };
    add(out.seen, seen_);
    add(out.ready, ready_);
    return out;
}

void History::restore(const Checkpoint& from) {
    std::ranges::fill(seen_, 0);
    std::ranges::fill(ready_, 0);
    highest_ = from.highest;
    uint64_t oldest = highest_ < entries() ? 1 : highest_ - entries() + 1;
    auto take_all = [&](const Checkpoint::Ranges& ranges, Bits& bits) {
        for (auto [first, last] : ranges)
            for (uint64_t n = std::max(first, oldest); n <= std::min(last, highest_) && n != 0; ++n)
                set_bit(bits, n % entries());
    };
    take_all(from.seen, seen_);
    take_all(from.ready, ready_);
}

}  // namespace devmux
