// Where init scripts ask whether they may go on (devmux guard): hears the question, finds out who asks,
// and has plan/guard.h decide. A start by hand is handed to the engine as `devmux start` is, and who asked
// waits for its end.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "engine/loop.h"
#include "engine/plan/guard.h"
#include "engine/run/guard_socket.h"
#include "engine/run/starter.h"
#include "engine/status/control.h"

namespace devmux {

class GuardDesk {
  public:
    struct Hooks {
        std::function<const Planner&()> planner;
        std::function<bool(const Unit& unit)> is_missing;  // what it would start is not installed, and may be so
        JobOfProcess job_of;
        std::function<void(const std::string& unit, const std::string& text)> tell;  // the log
        std::function<void(const ScriptStarted&)> started;
        std::function<void(const std::string& unit)> stopped;  // by a person, by its script
        std::function<void()> look_for_claims;
    };
    GuardDesk(GuardSocket socket, std::string proc, Loop& loop, Control& control, Hooks hooks);
    // Who waits for a start that is under way is told that it goes on: the script must not run beside it.
    ~GuardDesk();
    GuardDesk(const GuardDesk&) = delete;
    GuardDesk& operator=(const GuardDesk&) = delete;

  private:
    struct Waiting {
        GuardClient client;
        std::string unit;            // that is started for it; empty: it has asked nothing yet
        Control::Ticket ticket = 0;
        FoundStarter starter;
    };
    void let_in();
    void hear(int fd);
    void decide(int fd, const GuardQuestion& question);
    void start_elsewhere(int fd, const std::string& unit);
    void hand_over(int fd, const std::string& unit);
    void at_rest(int fd, const UnitSnapshot& unit);
    bool answer(int fd, GuardWord word, const std::string& text);
    void let_go(int fd);

    GuardSocket socket_;
    std::string proc_;
    Loop& loop_;
    Control& control_;
    Hooks hooks_;
    std::map<int, Waiting> waiting_;  // by descriptor
};

}  // namespace devmux
