// See carriers.h.
#include "engine/plan/carriers.h"

#include <algorithm>
#include <array>

#include "conditions/text.h"
#include "engine/intake/mount_table.h"

namespace devmux {
namespace {

constexpr std::array kPaths{kRootPath, kUsrPath};

// A server on this very machine: packets to it go over no interface.
bool is_here(std::string_view server) { return server.starts_with("127.") || server == "::1"; }

const Mount* mount_of(const KnownMounts& mounts, std::string_view path) {
    auto it = mounts.find(std::string(path));
    // Without a type: a root that is out of this process's sight.
    return it == mounts.end() || it->second.now.point.empty() || it->second.now.type.empty() ? nullptr : &it->second.now;
}

// These links and all that they stand on. A circle, as two ends of a veth pair make one, is walked once.
std::set<uint64_t> with_lower(const KnownLinks& links, std::vector<uint64_t> todo) {
    std::multimap<uint64_t, uint64_t> ports;  // by master
    for (const auto& [ifindex, link] : links.links)
        if (link.master != 0) ports.emplace(link.master, ifindex);
    std::set<uint64_t> out;
    while (!todo.empty()) {
        uint64_t at = todo.back();
        todo.pop_back();
        if (!out.insert(at).second) continue;
        if (auto link = links.links.find(at); link != links.links.end() && link->second.lower != 0) todo.push_back(link->second.lower);
        for (auto [port, end] = ports.equal_range(at); port != end; ++port) todo.push_back(port->second);
    }
    return out;
}

std::string spelled(std::string_view type) {
    return type == "nfs" || type == "nfs4" ? "NFS" : type == "cifs" || type == "smb3" ? "SMB" : printable(type);
}

std::string from(const Carried& carried, const KnownLinks& links, uint64_t ifindex) {
    std::string out = " (" + spelled(carried.type) + " from " + carried.server;
    bool itself = carried.former.contains(ifindex) || std::find(carried.over.begin(), carried.over.end(), ifindex) != carried.over.end();
    return out + (itself ? "" : ", by way of " + names_of(links, carried.over)) + ")";
}

// In the words of `path`: what it carries, and then what it carried.
template <class Words>
std::string texts(const Carriers& carriers, const KnownLinks& links, uint64_t ifindex, Words words) {
    std::string now, former;
    for (const Carried& carried : carriers.carried) {
        bool is_now = carried.links.contains(ifindex);
        if (!is_now && !carried.former.contains(ifindex)) continue;
        std::string& out = is_now ? now : former;
        out += (!out.empty() ? ", and " : is_now ? "carries " : "carried ") + words(carried.path) + from(carried, links, ifindex);
    }
    if (!former.empty()) former += ", which no other interface has done for " + to_string(kSteady);
    return now + (now.empty() || former.empty() ? "" : "; it ") + former;
}

std::string as_it_is(std::string_view path) { return std::string(path); }

}  // namespace

Carriers carriers_of(const KnownMounts& mounts, const KnownLinks& links) {
    Carriers out{.mounts = true, .carried = {}, .known = true};
    const Mount* before = nullptr;
    for (std::string_view path : kPaths) {
        const Mount* mount = mount_of(mounts, path);
        if (!mount) {
            out.mounts = out.known = false;
            continue;
        }
        bool new_one = !before || *before != *mount;
        before = mount;
        if (!is_of_servers(mount->type) || is_here(mount->server) || !new_one) continue;
        Carried carried{.path = std::string(path), .type = mount->type, .server = mount->server, .over = {}, .links = {}};
        auto route = links.known ? links.routes.find(mount->server) : links.routes.end();
        bool leads = route != links.routes.end() && route->second.there == Truth::True &&
                     std::find(route->second.over.begin(), route->second.over.end(), 0) == route->second.over.end();
        out.known &= leads;
        if (leads) {
            carried.over = route->second.over;
            carried.links = with_lower(links, carried.over);
        }
        out.carried.push_back(std::move(carried));
    }
    return out;
}

void remember(const Carriers& before, const KnownLinks& links, Time at, Carriers& now) {
    now.before = before.before;
    // Which path is not known any more does not matter: once all are, nothing of this is left.
    if (!now.mounts) now.before.merge(all_carriers(before));
    for (Carried& carried : now.carried) {
        auto was = std::find_if(before.carried.begin(), before.carried.end(), [&](const Carried& c) {
            return c.path == carried.path && c.server == carried.server;
        });
        bool is_same = was != before.carried.end();
        carried.former = now.before;
        if (is_same) {
            carried.former.insert(was->former.begin(), was->former.end());
            carried.former.insert(was->links.begin(), was->links.end());
        }
        std::erase_if(carried.former, [&](uint64_t link) {
            return carried.links.contains(link) || (links.known && !links.links.contains(link));
        });
        if (carried.former.empty() || carried.links.empty()) continue;
        carried.since = is_same && was->links == carried.links && was->since != kNever ? was->since : at;
        if (at - carried.since < kSteady) continue;
        carried.former.clear();
        carried.since = kNever;
    }
    if (now.mounts) now.before.clear();
}

void recall(const Carriers& kept, Carriers& now) {
    now.before = kept.before;
    for (Carried& carried : now.carried)
        for (const Carried& was : kept.carried) {
            if (was.path != carried.path) continue;
            carried.former = was.former;
            // What is added to it stays a time.
            bool is_time = !was.former.empty() && was.since >= Time{} && was.since < kNever / 4;
            carried.since = is_time ? was.since : kNever;
        }
}

Time next_change(const Carriers& carriers) {
    Time next = kNever;
    for (const Carried& carried : carriers.carried)
        if (carried.since != kNever) next = std::min(next, carried.since + kSteady);
    return next;
}

std::set<uint64_t> all_carriers(const Carriers& carriers) {
    std::set<uint64_t> all = carriers.before;
    for (const Carried& carried : carriers.carried) {
        all.insert(carried.links.begin(), carried.links.end());
        all.insert(carried.former.begin(), carried.former.end());
    }
    return all;
}

std::set<std::string> servers_of(const KnownMounts& mounts) {
    std::set<std::string> out;
    for (std::string_view path : kPaths)
        if (const Mount* mount = mount_of(mounts, path); mount && is_of_servers(mount->type) && !is_here(mount->server))
            if (!mount->server.empty()) out.insert(mount->server);
    return out;
}

Truth carries(const Carriers& carriers, const KnownLinks& links, const DeviceFacts& device) {
    if (carriers.carried.empty()) return carriers.mounts ? Truth::False : Truth::Unknown;
    const LinkSeen* link = link_of(links, device);
    if (!link) return Truth::Unknown;
    for (const Carried& carried : carriers.carried)
        if (carried.links.contains(link->ifindex) || carried.former.contains(link->ifindex)) return Truth::True;
    return carriers.known ? Truth::False : Truth::Unknown;
}

std::string carried_text(const Carriers& carriers, const KnownLinks& links, const DeviceFacts& device) {
    const LinkSeen* link = link_of(links, device);
    if (!link) return "";
    return texts(carriers, links, link->ifindex,
                 [](std::string_view path) { return std::string(path == kRootPath ? "the root file system" : path); });
}

std::string carries_text(const Carriers& carriers, const KnownMounts& mounts, const KnownLinks& links, const DeviceFacts& device) {
    switch (carries(carriers, links, device)) {
        case Truth::True: return texts(carriers, links, link_of(links, device)->ifindex, as_it_is);
        case Truth::Unknown: {
            std::string why = "not known yet whether it carries / or /usr";
            for (const Carried& carried : carriers.carried)
                if (carried.over.empty() && links.known)
                    return why + (carried.server.empty() ? ": the address of the server of " + carried.path + " is not known"
                                                         : ": no route leads to " + carried.server + ", the server of " + carried.path);
            return why;
        }
        case Truth::False: break;
    }
    return "carries neither / nor /usr: " + lies_on(carriers, mounts, links);
}

std::string lies_on(const Carriers& carriers, const KnownMounts& mounts, const KnownLinks& links) {
    std::string out;
    for (std::string_view path : kPaths)
        if (const Mount* mount = mount_of(mounts, path)) {
            std::string server = mount->server.empty() ? "" : " from " + mount->server;
            for (const Carried& carried : carriers.carried)
                if (carried.server == mount->server) server += " over " + names_of(links, carried.over);
            if (path == kRootPath || mount->point != "/") out += (out.empty() ? "" : ", ") + std::string(path) + " is on " + printable(mount->type) + server;
        }
    return out;
}

std::vector<std::string> carrier_lines(const Carriers& carriers, const KnownLinks& links) {
    std::vector<std::string> out;
    for (uint64_t ifindex : all_carriers(carriers)) {
        auto link = links.links.find(ifindex);
        std::string name = link == links.links.end() ? "a link" : printable(link->second.name);
        std::string what = texts(carriers, links, ifindex, as_it_is);
        if (!what.empty()) out.push_back(name + " " + what);
    }
    return out;
}

}  // namespace devmux
