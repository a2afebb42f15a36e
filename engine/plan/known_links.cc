// See known_links.h.
#include "engine/plan/known_links.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "conditions/text.h"

namespace devmux {
namespace {

constexpr size_t kNamed = 3;  // links named in an explanation

uint64_t ifindex_of(const DeviceFacts& device) {
    if (uint64_t ifindex = device.generation().ifindex; ifindex != 0) return ifindex;
    std::string_view text = device.property("IFINDEX").value_or("");
    uint64_t ifindex = 0;
    std::from_chars(text.data(), text.data() + text.size(), ifindex);
    return ifindex;
}

bool is_online(const LinkSeen& link) {
    return link.running && (link.v4 == AddressState::Usable || link.v6 == AddressState::Usable);
}

struct Family {
    const char* name;
    AddressState LinkSeen::*state;
    std::string_view dflt;
};
constexpr std::array kFamilies{Family{"IPv4", &LinkSeen::v4, kDefaultV4}, Family{"IPv6", &LinkSeen::v6, kDefaultV6}};

// Somebody of the family has an address that may be used. lo may be the one: a router has its address there.
bool has_address(const KnownLinks& links, const Family& family) {
    return std::any_of(links.links.begin(), links.links.end(), [&](const auto& link) {
        return link.second.running && link.second.*family.state == AddressState::Usable;
    });
}

const RouteSeen* route(const KnownLinks& links, std::string_view to) {
    auto it = links.routes.find(std::string(to));
    return it == links.routes.end() || it->second.there != Truth::True ? nullptr : &it->second;
}

// Over a link that the kernel does not name, it leads if it is there.
bool leads(const KnownLinks& links, const RouteSeen& route) {
    return std::any_of(route.over.begin(), route.over.end(), [&](uint64_t ifindex) {
        auto link = links.links.find(ifindex);
        return ifindex == 0 || (link != links.links.end() && link->second.running);
    });
}

}  // namespace

const LinkSeen* link_of(const KnownLinks& links, const DeviceFacts& device) {
    auto it = links.known ? links.links.find(ifindex_of(device)) : links.links.end();
    return it == links.links.end() || it->second.name != device.name() ? nullptr : &it->second;
}

std::string names_of(const KnownLinks& links, const std::vector<uint64_t>& over) {
    std::string out;
    for (size_t i = 0; i < over.size() && i < kNamed; ++i) {
        auto link = links.links.find(over[i]);
        if (link != links.links.end()) out += (out.empty() ? "" : ", ") + printable(link->second.name);
    }
    return out.empty() ? "a link" : over.size() > kNamed ? out + " and others" : out;
}

LinkNews take_in(const LinksSeen& seen, KnownLinks& known) {
    LinkNews news;
    Truth online = network_is_online(known);
    if (!seen.known || !known.known) {
        news.facts.push_back(kAnyLink);
        for (const auto& [to, route] : known.routes) news.facts.push_back({FactKind::RouteTo, to});
        known = {};
    }
    known.known = seen.known;
    for (uint64_t ifindex : seen.gone)
        if (known.links.erase(ifindex) > 0) news.links.push_back(ifindex);
    for (const LinkSeen& link : seen.links) {
        LinkSeen& now = known.links[link.ifindex];
        if (now == link) continue;
        now = link;
        news.links.push_back(link.ifindex);
    }
    for (const RouteSeen& route : seen.routes) {
        RouteSeen& now = known.routes[route.to];
        if (now == route) continue;
        if (route.there == Truth::Unknown) known.routes.erase(route.to);
        else now = route;
        news.facts.push_back({FactKind::RouteTo, route.to});
    }
    if (network_is_online(known) != online) {
        news.facts.push_back(kNetworkOnline);
        news.facts.push_back(kNetworkFacility);
    }
    return news;
}

Truth link_is(const KnownLinks& links, const DeviceFacts& device, LinkState state) {
    const LinkSeen* link = link_of(links, device);
    if (!link) return Truth::Unknown;
    switch (state) {
        case LinkState::Up: return truth_of(link->up);
        case LinkState::Running: return truth_of(link->running);
        case LinkState::Online: return truth_of(is_online(*link));
    }
    return Truth::Unknown;
}

std::string link_seen(const KnownLinks& links, const DeviceFacts& device) {
    const LinkSeen* link = link_of(links, device);
    if (!link) return "the state of its link is not known yet";
    if (!link->up) return "it is down";
    if (!link->running) return "it is up, without a carrier";
    if (is_online(*link)) return "it is online";
    AddressState best = std::max(link->v4, link->v6);
    return best == AddressState::Tentative ? "it is up and running, and its address may not be used yet (tentative)"
           : best == AddressState::Local   ? "it is up and running, with an address of link scope alone"
                                           : "it is up and running, without an address";
}

std::string link_word(const KnownLinks& links, const DeviceFacts& device) {
    const LinkSeen* link = link_of(links, device);
    if (!link) return "";
    return !link->up ? "down" : !link->running ? "up" : is_online(*link) ? "online" : "running";
}

Truth network_is_online(const KnownLinks& links) {
    if (!links.known) return Truth::Unknown;
    return truth_of(std::any_of(kFamilies.begin(), kFamilies.end(), [&](const Family& family) {
        const RouteSeen* dflt = route(links, family.dflt);
        return dflt && leads(links, *dflt) && has_address(links, family);
    }));
}

std::string seen_of_network(const KnownLinks& links) {
    if (!links.known) return "the state of the network is not known yet";
    std::string out;
    for (const Family& family : kFamilies) {
        const RouteSeen* dflt = route(links, family.dflt);
        bool address = has_address(links, family);
        if (!dflt && !address) continue;
        out += (out.empty() ? "" : "; ") + std::string(family.name) + ": ";
        if (!dflt) out += "an address, and no default route";
        else if (!leads(links, *dflt)) out += "a default route over " + names_of(links, dflt->over) + ", which does not run";
        else if (!address) out += "a default route over " + names_of(links, dflt->over) + ", and no address beyond link scope";
        else out += "an address, and a default route over " + names_of(links, dflt->over);
    }
    return out.empty() ? "no address beyond link scope, and no default route" : out;
}

Truth has_route(const KnownLinks& links, const std::string& address) {
    auto it = links.known ? links.routes.find(address) : links.routes.end();
    return it == links.routes.end() ? Truth::Unknown : it->second.there;
}

std::string seen_of_route(const KnownLinks& links, const std::string& address) {
    switch (has_route(links, address)) {
        case Truth::Unknown: return "the routes are not known yet";
        case Truth::False: return "no route of the main table leads there";
        case Truth::True: break;
    }
    return "over " + names_of(links, links.routes.at(address).over);
}

}  // namespace devmux
