// What one step of reading a socket of events brought: the same of every transport, so that who reads
// them cannot forget an outcome.
#pragma once

#include <string>
#include <string_view>

namespace devmux {

// One step of reading.
struct Received {
    enum class Kind : unsigned char {
        Message,    // `message` is from who may speak here
        Overrun,    // ENOBUFS: events were lost, and more may be until the next Empty (see below)
        Truncated,  // a message that did not fit: an event was lost
        Refused,    // somebody else's: ignore it (no resync: anyone's noise would cause one)
        Failed,     // the socket is of no more use
        Empty,      // read empty: wait for the descriptor to become readable
    };
    Kind kind = Kind::Empty;
    std::string_view message;  // of Message; valid until the next call of next()
    std::string why;           // of Refused, Truncated and Failed
};

}  // namespace devmux
