// What is known of links, addresses and routes, and what conditions make of them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/facts.h"
#include "engine/intake/event.h"

namespace devmux {

struct KnownLinks {
    bool known = false;  // all of it; else nothing is
    std::map<uint64_t, LinkSeen> links;  // by ifindex
    std::map<std::string, RouteSeen> routes;
    bool operator==(const KnownLinks&) const = default;
};

// What conditions watch, besides `network online` itself and each `route to`: that anything became known, or
// unknown; and the facility $network, for units that require it.
inline const FactKey kAnyLink{FactKind::NetworkOnline, "links"}, kNetworkOnline{FactKind::NetworkOnline, ""},
    kNetworkFacility{FactKind::NetworkOnline, "$network"};

// What the news were about.
struct LinkNews {
    std::vector<uint64_t> links;  // by ifindex
    std::vector<FactKey> facts;
};
LinkNews take_in(const LinksSeen& seen, KnownLinks& links);

// The link of a network interface; null where it is not known. It is the one of its ifindex, as long as both have the same name: between
// the two announcements of a rename, and of an index that is used again, nobody can tell, and it is unknown.
const LinkSeen* link_of(const KnownLinks& links, const DeviceFacts& device);
Truth link_is(const KnownLinks& links, const DeviceFacts& device, LinkState state);
// "it is up and running, without an address"
std::string link_seen(const KnownLinks& links, const DeviceFacts& device);
// "up", "up, running", "online", "down", or nothing where it is not known.
std::string link_word(const KnownLinks& links, const DeviceFacts& device);

// "eth0, eth1 and others"; "a link" where none of them is known.
std::string names_of(const KnownLinks& links, const std::vector<uint64_t>& over);

Truth network_is_online(const KnownLinks& links);
// "eth0 has an address, and no default route leads over IPv4"
std::string seen_of_network(const KnownLinks& links);

Truth has_route(const KnownLinks& links, const std::string& address);
std::string seen_of_route(const KnownLinks& links, const std::string& address);

}  // namespace devmux
