// The jobs of a simulation: they end when the trace says so, and are looked at as it says. See simulation.h.
#include <algorithm>

#include "tools/simulation.h"

namespace devmux {

bool Simulation::daemon_ready(const std::string& unit) {
    auto it = std::find_if(running_.begin(), running_.end(), [&](const Job& j) { return j.unit == unit; });
    if (it == running_.end()) return false;
    feed(DaemonReady{it->id});
    return true;
}

bool Simulation::end_job(const std::string& unit, const JobEnded& how) {
    std::vector<Event> end;
    if (!end_job(unit, how, end)) return false;
    feed(end.front());
    return true;
}

bool Simulation::end_job(const std::string& unit, const JobEnded& how, std::vector<Event>& out) {
    auto it = std::find_if(running_.begin(), running_.end(), [&](const Job& j) { return j.unit == unit; });
    if (it == running_.end()) return false;
    JobEnded end = how;
    end.job = it->id;
    running_.erase(it);
    out.emplace_back(end);
    return true;
}

bool Simulation::boot_script(const std::string& unit, bool runs) {
    if (!configuration_->units.contains(unit)) return false;
    ScriptStarted seen{.unit = unit, .pid = ++last_pid_, .started = now_, .by = ""};
    if (runs) boot_scripts_.insert(seen.pid);
    if (engine_) feed(seen);
    else claims_.emplace_back(std::move(seen));
    return true;
}

JobSeen Simulation::seen_now(JobId job) const {
    auto it = std::find_if(running_.begin(), running_.end(), [&](const Job& j) { return j.id == job; });
    auto wait = it == running_.end() ? waits.end() : waits.find(it->unit);
    return wait == waits.end() ? JobSeen{.text = "a process that waits for nothing in particular"} : wait->second;
}

}  // namespace devmux
