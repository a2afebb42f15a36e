// See link_message.h. libmnl walks messages and attributes, with their bounds.
#include "engine/intake/link_message.h"

#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace devmux {
namespace {

// The attributes behind a message's own header, by type; of a repeated one the last. Null: not there.
template <size_t N>
using Attributes = std::array<const nlattr*, N>;

template <size_t N>
void take_attribute(const nlattr* attribute, Attributes<N>& out) {
    size_t type = mnl_attr_get_type(attribute);
    if (type < N) out[type] = attribute;
}

template <size_t N>
Attributes<N> attributes_of(const nlmsghdr* message, size_t header) {
    Attributes<N> out{};
    const char* tail = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
    auto* at = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, header));
    for (; mnl_attr_ok(at, static_cast<int>(tail - reinterpret_cast<const char*>(at))); at = mnl_attr_next(at))
        take_attribute(at, out);
    return out;
}

std::string_view bytes_of(const nlattr* attribute) {
    if (!attribute) return {};
    return {static_cast<const char*>(mnl_attr_get_payload(attribute)), mnl_attr_get_payload_len(attribute)};
}

std::optional<uint32_t> number_of(const nlattr* attribute) {
    if (!attribute || mnl_attr_validate(attribute, MNL_TYPE_U32) < 0) return std::nullopt;
    return mnl_attr_get_u32(attribute);
}

template <class Header>
const Header* header_of(const nlmsghdr* message) {
    if (mnl_nlmsg_get_payload_len(message) < sizeof(Header)) return nullptr;
    return static_cast<const Header*>(mnl_nlmsg_get_payload(message));
}

// A bridge says of its ports in messages of its own family that they left it, and not that they are gone.
bool read_link(const nlmsghdr* message, RtMessage& out) {
    const auto* header = header_of<ifinfomsg>(message);
    if (!header || header->ifi_family != AF_UNSPEC || header->ifi_index <= 0) return false;
    auto attributes = attributes_of<IFLA_LINK_NETNSID + 1>(message, sizeof *header);
    if (attributes[IFLA_WIRELESS]) return false;  // news of wireless(7), which leaves out all but the name
    std::string_view name = bytes_of(attributes[IFLA_IFNAME]);
    name = name.substr(0, name.find('\0')).substr(0, IFNAMSIZ - 1);
    auto lower = static_cast<int32_t>(attributes[IFLA_LINK_NETNSID] ? 0 : number_of(attributes[IFLA_LINK]).value_or(0));
    auto master = static_cast<int32_t>(number_of(attributes[IFLA_MASTER]).value_or(0));
    LinkMessage link{static_cast<uint64_t>(header->ifi_index), name, (header->ifi_flags & IFF_UP) != 0,
                     (header->ifi_flags & IFF_UP) != 0 && (header->ifi_flags & IFF_RUNNING) != 0};
    if (master > 0) link.master = static_cast<uint64_t>(master);
    if (lower > 0 && lower != header->ifi_index) link.lower = static_cast<uint64_t>(lower);
    out.what = link;
    return true;
}

AddressState state_of(const ifaddrmsg& header, uint32_t flags) {
    if (header.ifa_scope >= RT_SCOPE_LINK) return AddressState::Local;
    return (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0 ? AddressState::Tentative : AddressState::Usable;
}

// Of IPv4 a link may have the same address with several peers and prefixes; of IPv6 once, and its peer
// may change.
bool read_address(const nlmsghdr* message, RtMessage& out) {
    const auto* header = header_of<ifaddrmsg>(message);
    if (!header || header->ifa_index == 0) return false;
    if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6) return false;
    auto attributes = attributes_of<IFA_FLAGS + 1>(message, sizeof *header);
    std::string_view peer = bytes_of(attributes[IFA_ADDRESS]), local = bytes_of(attributes[IFA_LOCAL]);
    std::string key(local.empty() ? peer : local);
    if (key.empty() || key.size() > sizeof(in6_addr) || peer.size() > sizeof(in6_addr)) return false;
    if (header->ifa_family == AF_INET) key += "/" + std::to_string(header->ifa_prefixlen) + "/" + std::string(peer);
    out.what = AddressMessage{header->ifa_index, header->ifa_family, std::move(key),
                              state_of(*header, number_of(attributes[IFA_FLAGS]).value_or(header->ifa_flags))};
    return true;
}

bool is_dead(unsigned flags) { return (flags & RTNH_F_DEAD) != 0; }

// RTA_MULTIPATH: one rtnexthop behind the other, each with attributes of its own.
void read_hops(std::string_view bytes, std::vector<uint64_t>& over) {
    while (bytes.size() >= sizeof(rtnexthop)) {
        rtnexthop hop;
        std::memcpy(&hop, bytes.data(), sizeof hop);
        if (hop.rtnh_len < sizeof hop || hop.rtnh_len > bytes.size()) return;
        if (!is_dead(hop.rtnh_flags) && hop.rtnh_ifindex > 0) over.push_back(static_cast<uint64_t>(hop.rtnh_ifindex));
        bytes.remove_prefix(std::min<size_t>(RTNH_ALIGN(hop.rtnh_len), bytes.size()));
    }
}

bool read_route(const nlmsghdr* message, RtMessage& out) {
    const auto* header = header_of<rtmsg>(message);
    if (!header || (header->rtm_family != AF_INET && header->rtm_family != AF_INET6)) return false;
    if ((header->rtm_flags & RTM_F_CLONED) != 0) return false;
    auto attributes = attributes_of<RTA_NH_ID + 1>(message, sizeof *header);
    if (number_of(attributes[RTA_TABLE]).value_or(header->rtm_table) != RT_TABLE_MAIN) return false;
    // For packets of one type of service, or from one source, alone: it leads nobody else anywhere.
    if (header->rtm_tos != 0 || header->rtm_src_len != 0) return false;
    unsigned bits = header->rtm_family == AF_INET ? 32 : 128;
    RouteMessage route{.family = header->rtm_family, .prefix = header->rtm_dst_len,
                       .destination = bytes_of(attributes[RTA_DST]), .unicast = header->rtm_type == RTN_UNICAST,
                       .metric = number_of(attributes[RTA_PRIORITY]).value_or(0)};
    if (route.prefix > bits || route.destination.size() > bits / 8) return false;
    if (attributes[RTA_MULTIPATH]) {
        read_hops(bytes_of(attributes[RTA_MULTIPATH]), route.over);
    } else if (!is_dead(header->rtm_flags)) {
        // Of a nexthop object the kernel may say no more than its number (net.ipv4.nexthop_compat_mode = 0).
        auto oif = number_of(attributes[RTA_OIF]);
        if (oif || attributes[RTA_NH_ID]) route.over.push_back(oif.value_or(0));
    }
    out.what = std::move(route);
    return true;
}

bool read_end(const nlmsghdr* message, RtMessage& out) {
    int error = 0;
    if (mnl_nlmsg_get_payload_len(message) >= sizeof error)
        std::memcpy(&error, mnl_nlmsg_get_payload(message), sizeof error);
    // The kernel gives -errno; nobody else is heard, and still it is not to be turned round.
    out.what = DumpEnd{error < 0 && error > -4096 ? -error : 0};
    return true;
}

bool read_message(const nlmsghdr* message, RtMessage& out) {
    switch (message->nlmsg_type) {
        case RTM_DELLINK: out.gone = true; [[fallthrough]];
        case RTM_NEWLINK: return read_link(message, out);
        case RTM_DELADDR: out.gone = true; [[fallthrough]];
        case RTM_NEWADDR: return read_address(message, out);
        case RTM_DELROUTE: out.gone = true; [[fallthrough]];
        case RTM_NEWROUTE: return read_route(message, out);
        case RTM_NEWNEXTHOP:
        case RTM_DELNEXTHOP: out.what = NexthopMessage{}; return true;
        case NLMSG_DONE:
        case NLMSG_ERROR: return read_end(message, out);
        default: return false;
    }
}

}  // namespace

bool each_rt_message(std::string_view bytes, const std::function<void(const RtMessage&)>& visit) {
    while (!bytes.empty()) {
        const auto* message = reinterpret_cast<const nlmsghdr*>(bytes.data());
        // Not by mnl_nlmsg_ok(), which takes a length of 2 GiB and more for a negative one.
        if (bytes.size() < sizeof *message || message->nlmsg_len < sizeof *message || message->nlmsg_len > bytes.size())
            return false;
        RtMessage out{.sequence = message->nlmsg_seq, .interrupted = (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0};
        if (read_message(message, out)) visit(out);
        bytes.remove_prefix(std::min<size_t>(MNL_ALIGN(size_t{message->nlmsg_len}), bytes.size()));
    }
    return true;
}

bool same_prefix(std::string_view a, std::string_view b, unsigned bits) {
    auto byte = [](std::string_view text, size_t i) -> unsigned char { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
    for (size_t i = 0; bits > 0; ++i) {
        unsigned here = std::min(bits, 8U), mask = (0xff00U >> here) & 0xffU;
        if ((byte(a, i) & mask) != (byte(b, i) & mask)) return false;
        bits -= here;
    }
    return true;
}

}  // namespace devmux
