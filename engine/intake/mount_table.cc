// See mount_table.h. How the kernel walks is in fs/namei.c, __follow_mount_rcu(): at each step the mount
// that stands on this place of this mount is entered, and then the one that stands on its root, until
// there is none. Mountinfo has what that needs, the parent's number: proc_pid_mountinfo(5).
#include "engine/intake/mount_table.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <set>

#include "conditions/text.h"

namespace devmux {
namespace {

constexpr int kBindDepth = 8;  // of bind mounts of bind mounts

std::string cut(std::string text) { return text.size() > kMountSourceBytes ? text.substr(0, kMountSourceBytes) : text; }

// "/", "/a", "/a/b" of "/a/b"; false from `visit` ends it.
template <class Visit>
void each_prefix(std::string_view path, Visit visit) {
    if (!visit(std::string_view("/"))) return;
    for (size_t end = 1; path.size() > 1 && end != std::string_view::npos;) {
        end = path.find('/', end + 1);
        if (!visit(path.substr(0, end))) return;
    }
}

}  // namespace

bool is_of_servers(std::string_view type) {
    constexpr std::array<std::string_view, 4> kTypes{"nfs", "nfs4", "cifs", "smb3"};
    return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

std::string normal_address(std::string_view text) {
    std::string address(text.substr(0, std::min<size_t>(text.find('%'), INET6_ADDRSTRLEN)));
    in6_addr bytes{};
    std::array<char, INET6_ADDRSTRLEN> out{};
    for (int family : {AF_INET, AF_INET6}) {
        if (inet_pton(family, address.c_str(), &bytes) != 1) continue;
        bool within = family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&bytes);
        const unsigned char* from = bytes.s6_addr + (within ? 12 : 0);
        return inet_ntop(within ? AF_INET : family, from, out.data(), out.size()) ? out.data() : "";
    }
    return "";
}

void MountTable::add(Entry entry) {
    int id = entry.id;
    entry.source = cut(std::move(entry.source));
    tops_.emplace(entry.point, id);
    if (entry.parent != id) children_[{entry.parent, entry.point}] = id;
    entries_[id] = std::move(entry);
}

const MountTable::Entry* MountTable::visible(std::string_view path) const {
    const Entry* at = nullptr;
    size_t steps = entries_.size();  // a table that leads in a circle is none of the kernel's
    each_prefix(path, [&](std::string_view place) {
        std::string point(place);
        if (!at) {
            // Mounts whose parent is out of sight: the root, or what there is below it in a chroot(2).
            auto [first, last] = tops_.equal_range(point);
            for (; first != last; ++first) {
                const Entry& top = entries_.at(first->second);
                if (top.parent == top.id || !entries_.contains(top.parent)) at = &top;
            }
        }
        auto child = at ? children_.find({at->id, point}) : children_.end();
        for (; child != children_.end() && steps > 0; --steps) {
            at = &entries_.at(child->second);
            child = children_.find({at->id, point});
        }
        return true;
    });
    return at;
}

Mount MountTable::at(std::string_view path) const {
    const Entry* entry = visible(path);
    return entry ? Mount{entry->point, entry->type, entry->source, entry->server} : Mount{};
}

void MountTable::mount(Mount mount) {
    const Entry* below = visible(mount.point);
    int id = entries_.empty() ? 1 : entries_.rbegin()->first + 1;
    add({id, below ? below->id : 0, std::move(mount.point), std::move(mount.type), std::move(mount.source),
         std::move(mount.server)});
}

bool MountTable::unmount(std::string_view point) {
    const Entry* top = visible(point);
    if (!top || top->point != point) return false;
    std::set<int> gone{top->id};
    for (const auto& [id, entry] : entries_)  // children have the higher numbers
        if (gone.contains(entry.parent)) gone.insert(id);
    MountTable rest;
    for (auto& [id, entry] : entries_)
        if (!gone.contains(id)) rest.add(std::move(entry));
    *this = std::move(rest);
    return true;
}

void MountList::add(Entry entry) {
    entry.source = cut(std::move(entry.source));
    std::string point = entry.point;
    entries_[point] = std::move(entry);
}

Mount MountList::at(std::string_view path) const {
    std::string place(path), point;
    for (int depth = 0; depth < kBindDepth; ++depth) {
        const Entry* found = nullptr;
        each_prefix(place, [&](std::string_view prefix) {
            if (auto it = entries_.find(prefix); it != entries_.end()) found = &it->second;
            return true;
        });
        if (!found) break;
        if (point.empty()) point = found->point;
        if (!found->bind) return {point, found->type, found->source};
        std::string below = place.substr(found->point == "/" ? 0 : found->point.size());
        place = normal_path(found->source + "/" + below);
        if (place.empty()) break;
    }
    return {};
}

MountSeen look_at(const MountTable& table, const MountList& list, const std::string& root, const std::string& path) {
    auto below = [&](const std::string& point) { return root.empty() ? point : point == "/" ? root : root + point; };
    if (path.starts_with('/')) {
        Mount now = table.at(below(path));
        // What lies above the root is where the root itself lies.
        bool inside = !now.point.empty() && now.point.size() > root.size() && now.point.starts_with(root);
        now.point = inside ? now.point.substr(root.size()) : "/";
        return {path, std::move(now), list.at(path)};
    }
    for (const auto& [point, entry] : list.entries()) {
        bool asked = !entry.optional && point != "/" && (!entry.network || path == "$remote_fs");
        if (asked && table.at(below(point)).point != below(point)) return {path, {point, entry.type, entry.source}, {}};
    }
    return {path, {path, "", ""}, {}};
}

}  // namespace devmux
