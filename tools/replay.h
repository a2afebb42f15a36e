// A core that is fed what a recording says, in one of two ways. Exactly: every event at its time, and
// nothing else; the decisions must be the recorded ones. Freely, for other units: deadlines are the
// core's own, and jobs end as they did in the recording; what it does not know of ends well at once.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace devmux {

// How a core begins: as the head of a recording says.
struct TraceHead {
    std::shared_ptr<const Configuration> configuration = std::make_shared<Configuration>();
    std::string command_line;
    EngineTimes times;
    SavedState saved;
    std::optional<Checkpoint> checkpoint;  // it ran already
    Time now{};
};
std::unique_ptr<Engine> engine_of(const TraceHead& head);  // not started

class Replay {
  public:
    // How jobs of a unit ended, by unit and verb, in order.
    struct Outcome {
        Duration took{};
        JobEnded end;
    };
    using Outcomes = std::map<std::pair<std::string, std::string>, std::deque<Outcome>>;

    Replay() = default;                                      // exactly
    explicit Replay(Outcomes outcomes) : outcomes_(std::move(outcomes)), free_(true) {}

    void begin(const TraceHead& head);
    void feed(const Event& event, Time now);
    // What the recording says was decided. False when it was not, or something else before.
    bool expect(const std::string& decision);
    // What was decided since the last event, and no expect() has asked for.
    const std::deque<std::string>& left() const { return unasked_; }
    // Freely: what happens until then without an event.
    void advance(Time until);

    bool begun() const { return engine_ != nullptr; }
    const std::vector<std::string>& lines() const { return lines_; }

  private:
    void handle(const Event& event);
    void carry_out(const Actions& actions);

    std::unique_ptr<Engine> engine_;
    Time now_{};
    std::optional<Time> began_;
    std::vector<std::string> lines_;
    std::deque<std::string> unasked_;
    Outcomes outcomes_;
    std::multimap<Time, Event> ends_;  // of jobs, and that daemons are ready
    bool free_ = false;
};

}  // namespace devmux
