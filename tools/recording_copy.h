// A recording on its way from the daemon to whoever keeps it: no longer than what can be read again, and
// never cut in the midst of an event.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace devmux {

class RecordingCopy {
  public:
    using Write = std::function<bool(std::string_view)>;  // false: it could not be written
    enum class State { Open, Full, Unwritten };

    // From `limit` - `margin` bytes on only whole groups are written: an event, its details, its decisions.
    // `margin` is more than one of them has.
    RecordingCopy(size_t limit, size_t margin, Write write) : limit_(limit), margin_(margin), write_(std::move(write)) {}

    // Full: "end limit" was written, and nothing more will be.
    State take(std::string_view piece);
    // The daemon has said all that it will.
    State finish();
    // Why it ended, as the last line says: "asked", "slow", "stopped", "limit"; empty: it was cut off.
    std::string end() const;

  private:
    bool write(std::string_view text);

    size_t limit_, margin_, written_ = 0;
    Write write_;
    std::string held_;  // not written yet
    std::string tail_;  // the last that was written
};

}  // namespace devmux
