// News of facts that are no devices. See engine.h.
#include "engine/engine.h"

namespace devmux {

void Engine::take(const FileSeen& file, Time now, Actions& actions) {
    Truth& known = world_.files.try_emplace(file.path, Truth::Unknown).first->second;
    if (known == file.exists) return;
    known = file.exists;
    planner_.fact_changed({FactKind::File, file.path}, now, actions);
}

void Engine::take(const MountsSeen& seen, Time now, Actions& actions) {
    std::vector<FactKey> changed;
    for (const MountSeen& mount : seen.mounts)
        if (take_in(mount, world_.mounts)) changed.push_back({FactKind::Mounted, mount.path});
    planner_.facts_changed(changed, now, actions);
}

}  // namespace devmux
