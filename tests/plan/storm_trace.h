// What a storm fed to the core, as a trace (tools/trace_text.h), as far as its words go: what they
// cannot say - that an answer was old - stands in comments, as do the decisions.
#pragma once

#include <string>

#include "tests/plan/storm_daemon.h"

namespace devmux::test {

class StormTrace {
  public:
    Daemon::Observer observer();
    const std::string& text() const { return text_; }

  private:
    void line(Time now, const std::string& text);
    void variables(Block block);
    void fed(const Event& event, Time now);
    void found(const FoundDevice& device, const std::string& indent);

    std::string text_ = "devmux-trace 1\njobs by-hand\n";
    Time last_{std::chrono::seconds(10)};
    std::map<JobId, std::string> units_;
};

}  // namespace devmux::test
