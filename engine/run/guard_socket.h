// The socket at which init scripts ask whether they may go on (devmux guard). A packet is a message; the
// other end, and what the messages are, is tools/guard/question.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "conditions/result.h"
#include "engine/system/descriptor.h"

namespace devmux {

inline constexpr size_t kGuardQuestionMax = 80;
inline constexpr size_t kGuardAnswerMax = 1024;

struct GuardQuestion {
    std::string unit;
    bool again = false;  // it was asked before, and the daemon that was starting the unit went away
    bool stop = false;   // the script is about to stop: nothing is asked
};
// Nothing: this is no question.
std::optional<GuardQuestion> guard_question(std::string_view packet);

// One who asks. Closed by its end.
struct GuardClient {
    Descriptor fd;
    int pid = 0;
};

class GuardSocket {
  public:
    // Binds `path`, and listens. A socket that stands there already is replaced: the caller holds the lock
    // of the runtime directory.
    static Result<GuardSocket> open(const std::string& path);
    GuardSocket(GuardSocket&&) noexcept = default;
    GuardSocket& operator=(GuardSocket&&) = delete;
    ~GuardSocket();  // removes the socket: who comes now finds nobody

    int fd() const { return fd_.get(); }
    // The next one. Nothing: nobody waits. One who is neither root nor our own user is let go at once, and
    // its fd is empty.
    std::optional<GuardClient> accept();

  private:
    GuardSocket(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
    Descriptor fd_;
    std::string path_;
};

struct GuardHeard {
    enum class Kind : unsigned char { NotYet, Question, Gone };
    Kind kind = Kind::NotYet;
    GuardQuestion question = {};
};
// Gone: it has hung up, or what it says makes no sense.
GuardHeard hear_guard(const Descriptor& client);

// Whether it still waits for an answer. It does not hand its socket on, so while it waits it lives, and its
// number is its own.
bool guard_waits(const Descriptor& client);

enum class GuardWord : char { GoOn = 'g', No = 'n', Wait = 'w' };
// Whether it was said. A client that has given up cannot be told anything, and knows that it was not.
bool answer_guard(const Descriptor& client, GuardWord word, std::string_view text);

}  // namespace devmux
