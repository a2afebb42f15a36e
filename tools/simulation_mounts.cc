// The mounts of a simulation: a table like the kernel's, of which the core is told what it asks about.
// See simulation.h.
#include <algorithm>

#include "tools/simulation.h"

namespace devmux {

void Simulation::mounted(Mount mount) {
    if (!mounts_) mounts_.emplace();
    mounts_->mount(std::move(mount));
    tell_mounts();
    tell_links();  // it may be another server
}

bool Simulation::unmounted(std::string_view point) {
    if (!mounts_ || !mounts_->unmount(point)) return false;
    tell_mounts();
    tell_links();
    return true;
}

void Simulation::listed(MountList::Entry line) {
    listed_.add(std::move(line));
    tell_mounts();
}

void Simulation::tell_mounts() {
    if (!engine_ || !mounts_) return;
    MountsSeen seen;
    for (const FactKey& fact : engine_->planner().conditions_index().facts(FactKind::Mounted))
        seen.mounts.push_back(look_at(*mounts_, listed_, "", fact.name));
    if (!seen.mounts.empty()) feed(seen);
}

// What a core that runs knows of them is all that there is.
void Simulation::take_over_mounts(const KnownMounts& known) {
    std::map<std::string, Mount> points;  // those below follow
    for (const auto& [path, seen] : known) {
        bool facility = stands_for_mounts(path);
        const Mount& listed = facility ? seen.now : seen.listed;
        if (!facility) points[seen.now.point] = seen.now;
        if (listed.point.starts_with('/'))
            listed_.add({.point = listed.point, .type = listed.type, .source = listed.source,
                         .network = path == "$remote_fs", .optional = !facility});
    }
    if (!points.empty()) mounts_.emplace();
    for (auto& [point, mount] : points) mounts_->mount(std::move(mount));
}

}  // namespace devmux
