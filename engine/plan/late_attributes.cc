// See late_attributes.h.
#include "engine/plan/late_attributes.h"

#include <algorithm>
#include <utility>

namespace devmux {

void LateAttributes::await(const Device& device, Time now) {
    if (delays_.contains(device.devpath())) return;
    delays_.emplace(device.devpath(), times_.first);
    due_.emplace(now + times_.first, device.devpath());
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
        auto delay = delays_.find(devpath);
        const Device* device = table.find(devpath);
        if (!device || !device->awaits_attributes()) {
            delays_.erase(delay);
            continue;
        }
        out.push_back(device);
        // The last look is made when the time is over: after it, what is missing does not exist.
        Time end = device->expected() + times_.window;
        Time next = now + delay->second;
        if (now >= end) next = now + times_.afterwards;
        else if (next > end) next = end;
        delay->second = std::min(2 * delay->second, times_.longest);
        due_.emplace(next, std::move(devpath));
    }
    return out;
}

std::vector<LateAttributes::Due> LateAttributes::checkpoint() const {
    std::vector<Due> out;
    for (const auto& [at, devpath] : due_) out.push_back({at, devpath, delays_.find(devpath)->second});
    return out;
}

void LateAttributes::restore(const std::vector<Due>& from) {
    for (const Due& due : from)
        if (delays_.emplace(due.devpath, due.delay).second) due_.emplace(due.at, due.devpath);
}

}  // namespace devmux
