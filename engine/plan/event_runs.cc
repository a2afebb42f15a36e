// See event_runs.h.
#include "engine/plan/event_runs.h"

#include <utility>

#include "conditions/text.h"

namespace devmux {

std::string EventRuns::key_of(const std::string& unit, const std::string& devpath) {
    return unit + '\0' + devpath;
}

void EventRuns::add(Run run, Actions& actions) {
    std::string key = key_of(run.unit->name, run.devpath);
    auto known = lanes_.find(key);
    bool full = known != lanes_.end() && known->second.waiting.size() >= limits_.waiting_per_device;
    if (waiting_ >= limits_.waiting || full) {
        ++dropped_;
        if (!std::exchange(full_, true))
            actions.push_back(Report{Report::Level::Error, run.unit->name,
                                     "events come faster than they are run: dropping those of " +
                                         printable(run.devpath) + " (status counts them)"});
        return;
    }
    Lane& lane = lanes_[key];
    bool idle = lane.running == 0 && lane.waiting.empty();
    ++numbers_[run.unit->name].waiting;
    ++waiting_;
    lane.waiting.push_back(std::move(run));
    if (idle) ready_.push_back(std::move(key));
    fill(actions);
}

void EventRuns::adopt(const SavedRun& saved, const SavedMark& mark, Actions& actions) {
    std::string key = key_of(saved.unit, saved.devpath);
    lanes_[key].running = saved.job;
    jobs_[saved.job] = {key, saved.unit, true};
    ++numbers_[saved.unit].running;
    actions.push_back(AdoptJob{saved.job, saved.unit, mark.pid, mark.at});
}

void EventRuns::fill(Actions& actions) {
    while (!ready_.empty() && jobs_.size() < limits_.running) {
        std::string key = std::move(ready_.front());
        ready_.pop_front();
        auto it = lanes_.find(key);
        if (it != lanes_.end() && !it->second.waiting.empty()) start_next(it->second, key, actions);
    }
}

void EventRuns::start_next(Lane& lane, const std::string& key, Actions& actions) {
    Run run = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    --waiting_;
    Numbers& numbers = numbers_[run.unit->name];
    --numbers.waiting;
    ++numbers.running;
    ++numbers.started;
    lane.running = run.job;
    jobs_[run.job] = {key, run.unit->name, run.remembered};
    if (run.remembered) actions.push_back(Record{SavedRun{run.unit->name, run.devpath, run.generation, run.job}});
    std::string reason = run.action + " " + run.devpath;
    actions.push_back(RunJob{run.job, std::move(run.unit), Verb::Run, std::move(reason),
                             std::move(run.action), std::move(run.block)});
}

bool EventRuns::job_ended(const JobEnded& end, Actions& actions) {
    auto it = jobs_.find(end.job);
    if (it == jobs_.end()) return false;
    Job job = std::move(it->second);
    jobs_.erase(it);
    Numbers& numbers = numbers_[job.unit];
    --numbers.running;
    if (job.remembered) actions.push_back(Record{SavedEnd{end.job}});
    if (!end.ok() && !end.unseen()) {
        ++numbers.failed;
        actions.push_back(Report{Report::Level::Warning, job.unit, describe(end)});
    }
    auto lane = lanes_.find(job.lane);
    lane->second.running = 0;
    if (lane->second.waiting.empty()) lanes_.erase(lane);
    else ready_.push_back(job.lane);
    fill(actions);
    if (waiting_ == 0) full_ = false;
    return true;
}

EventRuns::Numbers EventRuns::of(const std::string& unit) const {
    auto it = numbers_.find(unit);
    return it == numbers_.end() ? Numbers{} : it->second;
}

}  // namespace devmux
