// What the shell does about mounts: which paths somebody asks about, and what is seen of them.
#include <algorithm>

#include "engine/shell.h"

namespace devmux {
namespace {

constexpr size_t kAskedMounts = 64;  // paths of eval that are watched on; the oldest are forgotten

template <class Visit>
void each_mount(const Condition& condition, Visit visit) {
    each_leaf(condition, [&](const Condition& leaf) {
        if (leaf.kind == Condition::Kind::Fact && is_of_mounts(leaf.fact.kind)) visit(std::string(mount_path(leaf.fact)));
        if (leaf.kind != Condition::Kind::Device || !asks_what_it_carries(leaf.device)) return;
        for (std::string_view path : {kRootPath, kUsrPath}) visit(std::string(path));
    });
}

}  // namespace

void Shell::open_mounts() {
    mounts_.emplace(config_.root, config_.proc + "/self/mountinfo");
    loop_.on_readable(mounts_->fd(), "mounts", Loop::Priority::Files, [this] {
        MountsSeen seen = mounts_->take();
        if (auto trouble = mounts_->take_trouble()) report(*trouble, Report::Level::Warning);
        std::set<std::string> before = servers_of(engine_->world().mounts);
        if (!seen.mounts.empty()) feed(seen);
        if (servers_of(engine_->world().mounts) != before) watch_links();
        turn_ended();
    });
}

void Shell::watch_mounts() {
    std::set<std::string> paths(asked_mounts_.begin(), asked_mounts_.end());
    for (const FactKey& fact : engine_->planner().conditions_index().facts(FactKind::Mounted)) paths.insert(fact.name);
    for (const auto& [ticket, wait] : truth_waits_)
        each_mount(wait.condition, [&](std::string path) { paths.insert(std::move(path)); });
    if (asks_for_carriers()) paths.insert({std::string(kRootPath), std::string(kUsrPath)});
    // As with files: what nobody watches is not known any more.
    MountsSeen forgotten;
    for (const auto& [path, seen] : engine_->world().mounts)
        if (!paths.contains(path)) forgotten.mounts.push_back({path, {}, {}});
    mounts_->watch(std::move(paths));
    if (!forgotten.mounts.empty()) feed(forgotten);
}

// True: one of them is asked about for the first time.
bool Shell::ask_mounts(const Condition& condition) {
    bool fresh = false;
    each_mount(condition, [&](std::string path) {
        if (std::find(asked_mounts_.begin(), asked_mounts_.end(), path) != asked_mounts_.end()) return;
        asked_mounts_.push_back(std::move(path));
        if (asked_mounts_.size() > kAskedMounts) asked_mounts_.pop_front();
        fresh = true;
    });
    return fresh;
}

bool Shell::waits_for_mount(const Condition& condition) const {
    bool waits = false;
    each_mount(condition, [&](const std::string& path) { waits |= !engine_->world().mounts.contains(path); });
    return waits;
}

}  // namespace devmux
