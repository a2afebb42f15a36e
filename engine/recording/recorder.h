// Writes down everything that a core is fed and what it decides, as a trace that `devmux simulate` plays
// to the same decisions. Knows no file and no clock: times come with the events, text goes to whoever
// keeps it, in whole groups: an event with its decisions is never cut in two.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "engine/engine.h"

namespace devmux {

class Recorder {
  public:
    using Write = std::function<void(std::string_view)>;
    Recorder(const std::string& version, Write write);

    // A core that begins, with what a former one left: before Engine::start(). Again after a crash of it.
    void begin(const Engine& engine, const SavedState& saved, Time now);
    // A core that runs already. Between two events.
    void checkpoint(const Engine& engine, Time now);
    // Before Engine::handle(), and after it each action.
    void fed(const Event& event, Time now);
    void decided(const PlanAction& action, Time now);
    // What was gathered so far is written.
    void flush();
    // The last line of the trace, which says why it ends: "asked", "limit", "slow".
    void end(std::string_view why);

  private:
    struct Job {
        std::string unit;
        std::string_view verb;
        Time since{};
    };
    void head(const Engine& engine);
    void at(Time now);

    Write write_;
    std::string text_;
    Time now_{-1};
    std::map<JobId, Job> jobs_;
};

}  // namespace devmux
