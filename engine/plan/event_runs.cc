// See event_runs.h.
#include "engine/plan/event_runs.h"

#include <utility>

#include "conditions/text.h"

namespace devmux {

void EventRuns::add(Run run, Time now, Actions& actions) {
    Key key{run.devpath, run.unit->name};
    auto known = lanes_.find(key);
    if (known != lanes_.end() && known->second.echo.heard(now)) {
        tell(known->second, now, actions);
        ask_again(known->second, key);
    }
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
    bool idle = lane.idle();
    if (lane.rested != kNever) rested_.erase({std::exchange(lane.rested, kNever), key});
    ++numbers_[run.unit->name].waiting;
    ++waiting_;
    run.behind[0] = order_.last_at(key);
    lane.last_here = run.job;
    if (Key old{std::move(run.from), run.unit->name}; !old.first.empty() && old != key) {
        run.behind[1] = order_.last_at(old);
        order_.left(old, run.job);
    }
    lane.waiting.push_back(std::move(run));
    if (idle) line_up(lane, std::move(key));
    fill(now, actions);
}

std::set<std::string> EventRuns::moved(const std::string& from, const std::string& to) {
    std::set<std::string> awaited;
    for (auto it = lanes_.lower_bound({from, ""}); it != lanes_.end() && it->first.first == from;) {
        Key key = (it++)->first, target{to, key.second};
        // What is left to do for who had that path before is done beside what this device has yet to do under
        // its former one, and before anything under the new.
        if (auto before = lanes_.find(target); before != lanes_.end()) {
            leave_path(before->second, target);
            rename_lane(target, {to + '\0' + std::to_string(++displaced_), key.second});
        }
        leave_path(lanes_.at(key), key);
        rename_lane(key, target);
        for (Run& run : lanes_.at(target).waiting) {
            run.devpath = to;
            if (run.remembered) awaited.insert(key.second);
        }
    }
    return awaited;
}

void EventRuns::leave_path(Lane& lane, const Key& key) {
    JobId last = std::exchange(lane.last_here, 0);
    if (last != 0 && !lane.idle()) order_.left(key, last);
}

void EventRuns::line_up(Lane& lane, Key key) {
    if (lane.turn != 0) return;
    lane.turn = ++turns_;
    ready_.emplace(lane.turn, std::move(key));
}

void EventRuns::rename_lane(const Key& from, const Key& to) {
    auto lane = lanes_.extract(from);
    lane.key() = to;
    const Lane& l = lane.mapped();
    if (l.running != 0) jobs_[l.running].lane = to;
    if (l.held != kNever && held_.erase({l.held, from}) > 0) held_.emplace(l.held, to);
    if (l.rested != kNever && rested_.erase({l.rested, from}) > 0) rested_.emplace(l.rested, to);
    if (l.turn != 0) ready_[l.turn] = to;
    if (l.behind != 0) order_.renamed(l.behind, from, to);
    lanes_.insert(std::move(lane));
}

void EventRuns::adopt(const SavedRun& saved, const SavedMark& mark, Time now, Actions& actions) {
    Key key{saved.devpath, saved.unit};
    Lane& lane = lanes_[key];
    lane.running = lane.last_here = saved.job;
    lane.echo.started(now);
    jobs_[saved.job] = {key, true};
    ++numbers_[saved.unit].running;
    actions.push_back(AdoptJob{saved.job, saved.unit, mark.pid, mark.at});
}

void EventRuns::fill(Time now, Actions& actions) {
    while (!hold_ && !ready_.empty() && jobs_.size() < limits_.running) {
        Key key = std::move(ready_.begin()->second);
        ready_.erase(ready_.begin());
        auto it = lanes_.find(key);
        if (it == lanes_.end()) continue;
        Lane& lane = it->second;
        lane.turn = 0;
        if (lane.waiting.empty()) continue;
        lane.behind = order_.wait(lane.waiting.front().behind, key);
        if (lane.behind != 0) continue;
        Time at = lane.echo.may_start(now);
        tell(lane, now, actions);
        if (at <= now) {
            start_next(lane, key, now, actions);
        } else {
            lane.held = at;
            held_.emplace(at, std::move(key));
        }
    }
}

void EventRuns::start_next(Lane& lane, const Key& key, Time now, Actions& actions) {
    Run run = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    --waiting_;
    Numbers& numbers = numbers_[run.unit->name];
    --numbers.waiting;
    ++numbers.running;
    ++numbers.started;
    lane.running = run.job;
    lane.echo.started(now);
    jobs_[run.job] = {key, run.remembered};
    if (run.remembered) actions.push_back(Record{SavedRun{run.unit->name, run.devpath, run.generation, run.job}});
    std::string reason = run.action + " " + run.devpath;
    actions.push_back(RunJob{run.job, std::move(run.unit), Verb::Run, std::move(reason),
                             std::move(run.action), std::move(run.block)});
}

bool EventRuns::job_ended(const JobEnded& end, Time now, Actions& actions) {
    auto it = jobs_.find(end.job);
    if (it == jobs_.end()) return false;
    Job job = std::move(it->second);
    jobs_.erase(it);
    Numbers& numbers = numbers_[job.lane.second];
    --numbers.running;
    if (job.remembered) actions.push_back(Record{SavedEnd{end.job}});
    if (!end.ok() && !end.unseen()) {
        ++numbers.failed;
        actions.push_back(Report{Report::Level::Warning, job.lane.second, describe(end)});
    }
    Lane& lane = lanes_.find(job.lane)->second;
    lane.running = 0;
    lane.echo.ended(now);
    if (lane.idle()) rest(lane, job.lane);
    else line_up(lane, std::move(job.lane));
    for (const Key& key : order_.ended(end.job)) {
        Lane& next = lanes_.find(key)->second;
        next.behind = 0;
        line_up(next, key);
    }
    forget(now);
    fill(now, actions);
    if (waiting_ == 0) full_ = false;
    return true;
}

// Nothing of it waits or runs. What comes in the next moment may be its own doing.
void EventRuns::rest(Lane& lane, const Key& key) {
    lane.rested = lane.echo.forgettable();
    rested_.emplace(lane.rested, key);
}

void EventRuns::forget(Time now) {
    while (!rested_.empty() && (rested_.begin()->first <= now || rested_.size() > limits_.rested)) {
        lanes_.erase(rested_.begin()->second);
        rested_.erase(rested_.begin());
    }
}

void EventRuns::ask_again(Lane& lane, const Key& key) {
    if (lane.held == kNever) return;
    held_.erase({std::exchange(lane.held, kNever), key});
    line_up(lane, key);
}

void EventRuns::deadline(Time now, Actions& actions) {
    while (!held_.empty() && held_.begin()->first <= now) {
        Key key = held_.begin()->second;
        ask_again(lanes_.find(key)->second, key);
    }
    fill(now, actions);
}

void EventRuns::let_go(const std::string& unit, Time now, Actions& actions) {
    for (auto& [key, lane] : lanes_) {
        if (key.second != unit) continue;
        lane.echo = Lane{}.echo;
        ask_again(lane, key);
    }
    fill(now, actions);
}

void EventRuns::tell(Lane& lane, Time now, Actions& actions) {
    Echo::News news = lane.echo.take_news();
    if (lane.waiting.empty() || (news != Echo::News::Confirmed && news != Echo::News::Over)) return;
    const Run& run = lane.waiting.front();
    std::string device = printable(run.devpath);
    if (news == Echo::News::Over) {
        actions.push_back(Report{Report::Level::Info, run.unit->name, "no longer holds back the events of " + device});
        return;
    }
    const Echo& echo = lane.echo;
    actions.push_back(Report{
        Report::Level::Warning, run.unit->name,
        "its own program seems to cause the \"" + printable(run.action) + "\" of " + device + " that runs it: run " +
            std::to_string(echo.starts()) + " times in " + roughly(echo.lasts(now)) + ", each time something came " +
            "while it ran or within 1s after, and " + (echo.stray() ? "little" : "nothing") +
            " while it was held back; the next run is held back " + roughly(echo.wait())});
}

std::string EventRuns::held_back(const std::string& unit, Time now) const {
    size_t count = 0;
    std::string first;
    for (const auto& [until, key] : held_) {
        if (key.second != unit) continue;
        if (++count > 1) continue;
        const Lane& lane = lanes_.find(key)->second;
        const Run& run = lane.waiting.front();
        first = "\"" + run.action + "\" of " + printable(run.devpath) + " is held back for another " +
                roughly(std::max(until - now, Duration{})) +
                (lane.echo.braked() ? ": its own program seems to cause it"
                                    : ", to see whether its own program causes it");
    }
    return count < 2 ? first : first + "; " + std::to_string(count - 1) + " more devices";
}

EventRuns::Checkpoint EventRuns::checkpoint() const {
    Checkpoint out;
    out.full = full_;
    out.displaced = displaced_;
    std::map<uint64_t, size_t> turns;
    for (const auto& [key, lane] : lanes_) {
        if (lane.turn != 0) turns[lane.turn] = out.lanes.size();
        auto job = jobs_.find(lane.running);
        out.lanes.push_back({key.second, key.first, lane.running, job != jobs_.end() && job->second.remembered,
                             lane.echo, lane.held, lane.rested, lane.last_here,
                             {lane.waiting.begin(), lane.waiting.end()}});
        for (Run& run : out.lanes.back().waiting)
            for (JobId& first : run.behind)
                if (!order_.awaited(first)) first = 0;
    }
    for (auto [turn, place] : turns) out.ready.push_back(place);
    for (const auto& [path, last] : order_.last_of_paths()) out.left.push_back({path.second, path.first, last});
    return out;
}

void EventRuns::restore(const Checkpoint& from) {
    full_ = from.full;
    displaced_ = from.displaced;
    for (const Checkpoint::Lane& saved : from.lanes) {
        Key key{saved.devpath, saved.unit};
        bool idle = saved.running == 0 && saved.waiting.empty();
        if (lanes_.contains(key) || idle != (saved.rested != kNever)) continue;
        if (saved.running && !jobs_.try_emplace(saved.running, Job{key, saved.remembered}).second) continue;
        Lane& lane = lanes_[key];
        lane.running = saved.running;
        lane.last_here = saved.last_here;
        lane.echo = saved.echo;
        if (saved.held != kNever && saved.running == 0 && !saved.waiting.empty()) held_.emplace(lane.held = saved.held, key);
        if (idle) rested_.emplace(lane.rested = saved.rested, key);
        numbers_[saved.unit].running += saved.running != 0;
        lane.waiting.assign(saved.waiting.begin(), saved.waiting.end());
        waiting_ += lane.waiting.size();
        numbers_[saved.unit].waiting += lane.waiting.size();
    }
    for (size_t place : from.ready) {
        Key key{from.lanes[place].devpath, from.lanes[place].unit};
        if (auto it = lanes_.find(key); it != lanes_.end() && !it->second.idle()) line_up(it->second, key);
    }
    restore_order(from);
}

// Who neither runs nor waits for a time or a turn waits for another lane.
void EventRuns::restore_order(const Checkpoint& from) {
    std::set<JobId> still;
    for (const auto& [job, of] : jobs_) still.insert(job);
    for (const auto& [key, lane] : lanes_)
        for (const Run& run : lane.waiting) still.insert(run.job);
    for (const Checkpoint::Left& l : from.left)
        if (still.contains(l.last)) order_.left({l.devpath, l.unit}, l.last);
    for (auto& [key, lane] : lanes_)
        for (Run& run : lane.waiting)
            for (JobId first : run.behind)
                if (still.contains(first) && first < run.job) order_.expect(first);
    for (auto& [key, lane] : lanes_) {
        if (lane.running != 0 || lane.waiting.empty() || lane.held != kNever || lane.turn != 0) continue;
        lane.behind = order_.wait(lane.waiting.front().behind, key);
        if (lane.behind == 0) line_up(lane, key);
    }
}

EventRuns::Numbers EventRuns::of(const std::string& unit) const {
    auto it = numbers_.find(unit);
    return it == numbers_.end() ? Numbers{} : it->second;
}

}  // namespace devmux
