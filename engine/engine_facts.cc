// News of facts that are no devices. See engine.h.
#include <algorithm>
#include <utility>

#include "engine/engine.h"

namespace devmux {

void Engine::take(const FileSeen& file, Time now, Actions& actions) {
    Truth& known = world_.files.try_emplace(file.path, Truth::Unknown).first->second;
    if (known == file.exists) return;
    known = file.exists;
    planner_.fact_changed({FactKind::File, file.path}, now, actions);
}

// News of mounts or of links, and time, may have changed which links carry / and /usr.
void Engine::look_at_carriers(Time now, Actions& actions) {
    std::set<uint64_t> before = all_carriers(world_.carriers);
    if (!world_.renew_carriers(now)) return;
    const Carriers& carriers = world_.carriers;
    Truth was_carried = world_.was_carried;
    if (carriers.mounts || !carriers.carried.empty()) world_.was_carried = truth_of(!carriers.carried.empty());
    std::set<uint64_t> all = all_carriers(carriers);
    if (world_.was_carried != was_carried || all != before)
        actions.push_back(Record{SavedCarried{world_.was_carried == Truth::True, {all.begin(), all.end()}}});
    planner_.carriers_changed(now, actions);
}

void Engine::take(const MountsSeen& seen, Time now, Actions& actions) {
    std::vector<FactKey> changed;
    for (const MountSeen& mount : seen.mounts)
        if (take_in(mount, world_.mounts)) changed.push_back({FactKind::Mounted, mount.path});
    look_at_carriers(now, actions);
    auto is_root = [](const MountSeen& mount) { return mount.path == kRootPath; };
    bool looked = std::any_of(seen.mounts.begin(), seen.mounts.end(), is_root);
    if (looked && world_.was_carried == Truth::Unknown) world_.was_carried = Truth::False;
    planner_.facts_changed(changed, now, actions);
}

void Engine::take(const LinksSeen& seen, Time now, Actions& actions) {
    LinkNews news = take_in(seen, world_.links);
    std::vector<const Device*> devices;
    for (uint64_t ifindex : news.links)
        world_.table.each_of_ifindex(ifindex, [&](const Device& device) { devices.push_back(&device); });
    // In one order, whatever the table was made of.
    std::sort(devices.begin(), devices.end(), [](const Device* a, const Device* b) { return a->devpath() < b->devpath(); });
    look_at_carriers(now, actions);
    planner_.links_changed(devices, news.facts, now, actions);
}

}  // namespace devmux
