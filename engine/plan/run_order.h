// Runs of each-event units where devices change their paths. One device's runs are a queue of their own
// (event_runs.h); this is the order between the queues: what is run for a path is run in the order of the
// events of that path, whoever had it. A device that takes over the name of one that goes is behind its
// removal, and one that takes over the name of one that moved on, behind that move. udevd keeps the same
// order (event_is_blocked() in udev-manager.c).
//
// A run is only ever behind one that was asked for before it: they cannot wait in a circle.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "engine/plan/action.h"

namespace devmux {

class RunOrder {
  public:
    using Key = std::pair<std::string, std::string>;  // devpath, unit
    using Behind = std::array<JobId, 2>;              // runs that must end first; 0: none

    // Its device has left the path, or another has taken it over: this run, which has not ended, was the last there.
    void left(const Key& path, JobId last);
    // Whom a run at this path must follow; 0: nobody.
    JobId last_at(const Key& path) const;
    // It is still to end.
    bool awaited(JobId job) const { return awaited_.contains(job); }
    // Of those, one that is still to end; `queue` waits for it now. Or 0.
    JobId wait(const Behind& behind, const Key& queue);
    void renamed(JobId waits_for, const Key& from, const Key& to);
    // Whose queues may go on.
    std::set<Key> ended(JobId job);

    // For recordings.
    const std::map<Key, JobId>& last_of_paths() const { return last_; }
    void expect(JobId job) { awaited_[job]; }

  private:
    struct Awaited {
        std::set<Key> paths;   // where it is the last
        std::set<Key> queues;  // who waits
    };
    std::map<Key, JobId> last_;
    std::map<JobId, Awaited> awaited_;
};

}  // namespace devmux
