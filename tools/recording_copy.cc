// See recording_copy.h. Where the limit is far, text goes through as it comes: somebody may be watching.
#include "tools/recording_copy.h"

#include <algorithm>

namespace devmux {
namespace {

constexpr std::string_view kFull = "end limit\n";
constexpr size_t kTail = 32;  // longer than a last line

// Where the last group begins, at `most` at the latest: a line that is neither a detail nor a decision.
// npos: nowhere. `begins`: whether the text begins with a line.
size_t last_group(std::string_view text, size_t most, bool begins) {
    for (size_t at = std::min(most, text.size() - 1) + 1; at-- > 0;) {
        bool line = at == 0 ? begins : text[at - 1] == '\n';
        if (line && std::string_view(" \t\r\n=#").find(text[at]) == std::string_view::npos) return at;
    }
    return std::string_view::npos;
}

}  // namespace

bool RecordingCopy::write(std::string_view text) {
    written_ += text.size();
    tail_ += text.substr(text.size() - std::min(text.size(), kTail));
    if (tail_.size() > kTail) tail_.erase(0, tail_.size() - kTail);
    return text.empty() || write_(text);
}

RecordingCopy::State RecordingCopy::take(std::string_view piece) {
    auto state = [](bool good) { return good ? State::Open : State::Unwritten; };
    if (held_.empty() && written_ + piece.size() <= limit_ - margin_) return state(write(piece));
    held_ += piece;
    if (held_.empty()) return State::Open;
    bool begins = tail_.empty() || tail_.back() == '\n';
    bool full = written_ + held_.size() + kFull.size() > limit_;
    size_t most = full ? limit_ - std::min(limit_, written_ + kFull.size()) : held_.size();
    size_t group = last_group(held_, most, begins);
    if (group == held_.npos) group = 0;
    bool good = write(std::string_view(held_).substr(0, group));
    held_.erase(0, group);
    if (!full || !good) return state(good);
    held_.clear();
    good = (tail_.empty() || tail_.back() == '\n' || write("\n")) && write(kFull);
    return good ? State::Full : State::Unwritten;
}

RecordingCopy::State RecordingCopy::finish() {
    bool good = write(held_);
    held_.clear();
    return good ? State::Open : State::Unwritten;
}

std::string RecordingCopy::end() const {
    size_t line = tail_.rfind("\nend ");
    if (line == tail_.npos || tail_.back() != '\n') return "";
    return tail_.substr(line + 5, tail_.size() - line - 6);
}

}  // namespace devmux
