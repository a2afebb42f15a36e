// See run_order.h.
#include "engine/plan/run_order.h"

namespace devmux {

void RunOrder::left(const Key& path, JobId last) {
    JobId& now = last_[path];
    if (now != 0) awaited_[now].paths.erase(path);
    now = last;
    awaited_[last].paths.insert(path);
}

JobId RunOrder::last_at(const Key& path) const {
    auto it = last_.find(path);
    return it == last_.end() ? 0 : it->second;
}

JobId RunOrder::wait(const Behind& behind, const Key& queue) {
    for (JobId job : behind) {
        auto it = awaited_.find(job);
        if (it == awaited_.end()) continue;
        it->second.queues.insert(queue);
        return job;
    }
    return 0;
}

void RunOrder::renamed(JobId waits_for, const Key& from, const Key& to) {
    std::set<Key>& queues = awaited_[waits_for].queues;
    queues.erase(from);
    queues.insert(to);
}

std::set<RunOrder::Key> RunOrder::ended(JobId job) {
    auto it = awaited_.find(job);
    if (it == awaited_.end()) return {};
    for (const Key& path : it->second.paths) last_.erase(path);
    std::set<Key> queues = std::move(it->second.queues);
    awaited_.erase(it);
    return queues;
}

}  // namespace devmux
