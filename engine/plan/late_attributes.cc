// See late_attributes.h.
#include "engine/plan/late_attributes.h"

#include <algorithm>
#include <utility>

namespace devmux {

bool LateAttributes::concerns(const Device& device, Time now) const {
    return device.awaits_attributes() || (now < device.expected() + times_.window && device.misses_attributes());
}

void LateAttributes::await(const Device& device, Time now) {
    Waiting fresh{times_.first, device.expected(), false};
    auto [known, is_new] = waiting_.try_emplace(std::string(device.devpath()), fresh);
    if (!is_new && known->second.expected == fresh.expected) return;
    // Another had this path, or it had another driver: what was to come then is of no interest any more.
    if (!is_new) std::erase_if(due_, [&](const auto& due) { return due.second == device.devpath(); });
    known->second = fresh;
    due_.emplace(now + times_.first, device.devpath());
}

bool LateAttributes::is_over(const Device& device) const {
    auto it = waiting_.find(device.devpath());
    return it != waiting_.end() && it->second.expected == device.expected() && it->second.last;
}

void LateAttributes::wake(Time now) {
    std::multimap<Time, std::string> sooner;
    for (auto& [when, devpath] : due_) sooner.emplace(std::min(when, now), std::move(devpath));
    due_ = std::move(sooner);
}

std::vector<const Device*> LateAttributes::due(const DeviceTable& table, Time now) {
    std::vector<const Device*> out;
    while (!due_.empty() && due_.begin()->first <= now) {
        std::string devpath = std::move(due_.begin()->second);
        due_.erase(due_.begin());
        auto waiting = waiting_.find(devpath);
        const Device* device = table.find(devpath);
        if (!device || !concerns(*device, now)) {
            waiting_.erase(waiting);
            continue;
        }
        out.push_back(device);
        // The last look is made when the time is over: after it, what is missing does not exist.
        Time end = device->expected() + times_.window;
        Time next = now + waiting->second.delay;
        waiting->second.last = now >= end;
        if (now >= end) next = now + times_.afterwards;
        else if (next > end) next = end;
        waiting->second.delay = std::min(2 * waiting->second.delay, times_.longest);
        due_.emplace(next, std::move(devpath));
    }
    return out;
}

std::vector<LateAttributes::Due> LateAttributes::checkpoint() const {
    std::vector<Due> out;
    for (const auto& [at, devpath] : due_) {
        const Waiting& waiting = waiting_.find(devpath)->second;
        out.push_back({at, devpath, waiting.delay, waiting.expected, waiting.last});
    }
    return out;
}

void LateAttributes::restore(const std::vector<Due>& from) {
    for (const Due& due : from)
        if (waiting_.try_emplace(due.devpath, Waiting{due.delay, due.expected, due.last}).second) due_.emplace(due.at, due.devpath);
}

}  // namespace devmux
