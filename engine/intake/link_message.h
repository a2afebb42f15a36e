// One datagram of rtnetlink(7), cut into what conditions ask about: links, addresses, routes. Pure: bytes
// in, plain data out; nothing in them is believed to be longer than it is.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/intake/event.h"

namespace devmux {

// RTM_NEWLINK, RTM_DELLINK. Views are into the datagram.
struct LinkMessage {
    uint64_t ifindex = 0;
    std::string_view name;
    bool up = false, running = false;
    uint64_t master = 0, lower = 0;  // as of LinkSeen
};

// RTM_NEWADDR, RTM_DELADDR. `key` tells addresses of one link and one family apart.
struct AddressMessage {
    uint64_t ifindex = 0;
    unsigned char family = 0;  // AF_INET or AF_INET6
    std::string key;
    AddressState state = AddressState::None;
};

// RTM_NEWROUTE, RTM_DELROUTE of the main table; of others there is no message here.
struct RouteMessage {
    unsigned char family = 0;
    unsigned prefix = 0;           // bits
    std::string_view destination;  // of the default route empty, or zeros
    bool unicast = false;          // it leads somewhere: it is no blackhole, prohibition or the like
    uint32_t metric = 0;           // the smallest wins
    std::vector<uint64_t> over;    // of next hops that live; 0: the kernel does not say which link
};

// A nexthop object has changed (ip-nexthop(8)): the kernel does not say which routes with it.
struct NexthopMessage {};

// A dump is over. `error`: errno of the kernel's answer, or 0.
struct DumpEnd {
    int error = 0;
};

struct RtMessage {
    std::variant<LinkMessage, AddressMessage, RouteMessage, NexthopMessage, DumpEnd> what;
    bool gone = false;         // RTM_DEL…
    uint32_t sequence = 0;     // of the request that it answers
    bool interrupted = false;  // NLM_F_DUMP_INTR: the dump is of no single moment
};

// Visits what concerns us, in order. False: the datagram makes no sense from some point on; what came
// before was visited. `bytes` must be aligned as nlmsghdr.
bool each_rt_message(std::string_view bytes, const std::function<void(const RtMessage&)>& visit);

// Whether the first `bits` of both are the same. Missing bytes are zeros.
bool same_prefix(std::string_view a, std::string_view b, unsigned bits);

}  // namespace devmux
