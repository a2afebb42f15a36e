// The event loop: descriptors, signals and the one timer. The only user of sd-event(3).
//
// Every source has a name and a priority: children are reaped before anything else is looked at, so
// that a start is never decided on a state that the end of a job has changed already.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include "conditions/duration.h"

struct sd_event;
struct sd_event_source;

namespace devmux {

class Loop {
  public:
    enum class Priority { Children = -20, Events = -10, Files = 0, Clients = 10 };
    using Callback = std::function<void()>;

    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    void on_readable(int fd, const std::string& name, Priority priority, Callback callback);
    // Of a socket that is written to as well: whether its callback is called when there is something to
    // read, and when it takes more. Its end is told in any case.
    void wants(int fd, bool text, bool room);
    void forget(int fd);  // before it is closed; may be called from its own callback
    // Calls back once in the next turn, behind what has a higher priority than Events.
    void once_more(Callback callback);
    // The signal is blocked for this process and delivered here.
    void on_signal(int signo, Callback callback);
    // One timer: `callback` at `when` of CLOCK_MONOTONIC; kNever switches it off.
    void on_deadline(Callback callback);
    void set_deadline(Time when);

    int run();  // until exit(); the exit code
    void exit(int code);
    static Time now();  // CLOCK_MONOTONIC
    sd_event* event() const { return event_; }  // for sd-bus alone

  private:
    struct Source;
    sd_event* event_ = nullptr;
    sd_event_source* timer_ = nullptr;
    Time deadline_ = kNever;
    Callback on_deadline_, once_more_;
    sd_event_source* defer_ = nullptr;
    std::unordered_map<int, Source*> sources_;
    std::unordered_map<int, Callback> signals_;
};

}  // namespace devmux
