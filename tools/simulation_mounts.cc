// The mounts of a simulation: a table like the kernel's, of which the core is told what it asks about.
// See simulation.h.
#include <algorithm>

#include "tools/simulation.h"

namespace devmux {

void Simulation::mounted(Mount mount) {
    if (!mounts_) mounts_.emplace();
    mounts_->mount(std::move(mount));
    tell_mounts();
}

bool Simulation::unmounted(std::string_view point) {
    if (!mounts_ || !mounts_->unmount(point)) return false;
    tell_mounts();
    return true;
}

void Simulation::listed(MountList::Entry line) {
    listed_.add(std::move(line));
    tell_mounts();
}

void Simulation::tell_mounts() {
    if (!engine_ || !mounts_) return;
    MountsSeen seen;
    for (const FactKey& fact : engine_->planner().conditions_index().facts(FactKind::Mounted)) {
        Mount now = mounts_->at(fact.name);
        if (now.point.empty()) now.point = "/";
        seen.mounts.push_back({fact.name, std::move(now), listed_.at(fact.name)});
    }
    if (!seen.mounts.empty()) feed(seen);
}

// What a core that runs knows of them is all that there is.
void Simulation::take_over_mounts(const KnownMounts& known) {
    std::map<std::string, Mount> points;  // those below follow
    for (const auto& [path, seen] : known) {
        points[seen.now.point] = seen.now;
        if (!seen.listed.point.empty()) listed_.add({seen.listed.point, seen.listed.type, seen.listed.source, false});
    }
    if (!points.empty()) mounts_.emplace();
    for (auto& [point, mount] : points) mounts_->mount(std::move(mount));
}

}  // namespace devmux
