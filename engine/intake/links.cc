// See links.h.
//
// After an overrun the kernel keeps back every message until the socket has been read empty (netlink.h),
// and so only then are dumps asked for again. The answers to a dump are not lost by an overrun: the kernel
// makes the next part when there is room (netlink_dump() in net/netlink/af_netlink.c).
#include "engine/intake/links.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "engine/system/errno_error.h"

namespace devmux {
namespace {

// The kernel makes parts of a dump of up to 32 KiB where there is a buffer for them.
constexpr size_t kBufferBytes = 32768;
constexpr std::array kGroups{RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                             RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_NEXTHOP};

Error error_of(const char* what, int error) {
    return Error{.where = {}, .what = std::string(what) + ": " + errno_text(error), .source = "", .caret = -1,
                 .hint = "conditions about links, addresses and routes stay unknown; devmux reload tries again"};
}

nlmsghdr* dump_of(char* buffer, unsigned short type, uint32_t sequence) {
    nlmsghdr* message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = sequence;
    return message;
}

// The kernel checks these strictly where it can (NETLINK_GET_STRICT_CHK), and then leaves out of its
// answers what is not asked for: statistics, other tables, IPv6's cached routes.
nlmsghdr* request_of(Dump dump, char* buffer, uint32_t sequence) {
    switch (dump) {
        case Dump::Links: {
            nlmsghdr* message = dump_of(buffer, RTM_GETLINK, sequence);
            mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg));
            mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
            return message;
        }
        case Dump::Addresses: {
            nlmsghdr* message = dump_of(buffer, RTM_GETADDR, sequence);
            mnl_nlmsg_put_extra_header(message, sizeof(ifaddrmsg));
            return message;
        }
        case Dump::RoutesV4:
        case Dump::RoutesV6: break;
    }
    nlmsghdr* message = dump_of(buffer, RTM_GETROUTE, sequence);
    auto* route = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(rtmsg)));
    route->rtm_family = dump == Dump::RoutesV4 ? AF_INET : AF_INET6;
    route->rtm_table = RT_TABLE_MAIN;
    return message;
}

}  // namespace

Result<LinkWatch> LinkWatch::open(int receive_buffer_bytes) {
    Descriptor fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    if (!fd) return error_of("opening the kernel's routing socket", errno);
    int size = receive_buffer_bytes;
    if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0 &&
        setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0)
        return error_of("setting the receive buffer of the routing socket", errno);
    int on = 1;
    setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);  // Linux 4.20
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return error_of("binding the routing socket", errno);
    for (int group : kGroups)
        if (setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0 &&
            group != RTNLGRP_NEXTHOP)  // Linux 5.3
            return error_of("joining the groups of the routing socket", errno);
    LinkWatch out(std::move(fd));
    if (!out.request()) return out.trouble_;
    return out;
}

LinkWatch::LinkWatch(Descriptor fd) : fd_(std::move(fd)), buffer_(new char[kBufferBytes]) {}
LinkWatch::LinkWatch(LinkWatch&&) noexcept = default;
LinkWatch& LinkWatch::operator=(LinkWatch&&) noexcept = default;
LinkWatch::~LinkWatch() = default;

LinkWatch::Counters LinkWatch::counters() const {
    Counters out = counters_;
    out.interrupted = table_.interrupted();
    return out;
}

void LinkWatch::ask(std::set<std::string> addresses) {
    table_.ask(std::move(addresses));
    // A request that cannot be sent is told by the next read().
    request();
}

LinkWatch::Step LinkWatch::failed(const char* what, int error) {
    trouble_ = error_of(what, error);
    return Step::Failed;
}

// False: it cannot be sent.
bool LinkWatch::request() {
    auto dump = table_.wanted();
    if (!dump) return true;
    alignas(nlmsghdr) std::array<char, 128> buffer{};
    const nlmsghdr* message = request_of(*dump, buffer.data(), ++sequence_);
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    ssize_t sent = sendto(fd_.get(), message, message->nlmsg_len, 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
    if (sent < 0) {
        // No room for the answer: when there is, it is asked for again.
        if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) return true;
        failed("asking the routing socket", errno);
        return false;
    }
    ++counters_.dumps;
    table_.begin(*dump, sequence_);
    return true;
}

LinkWatch::Step LinkWatch::read(int most) {
    for (int i = 0; i < most;) {
        sockaddr_nl sender{};
        iovec vector{buffer_.get(), kBufferBytes};
        msghdr header{};
        header.msg_name = &sender;
        header.msg_namelen = sizeof sender;
        header.msg_iov = &vector;
        header.msg_iovlen = 1;
        ssize_t length = recvmsg(fd_.get(), &header, MSG_DONTWAIT);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0 && (errno == ENOBUFS || errno == ENOMEM)) {
            ++counters_.lost;
            table_.lose();
            continue;
        }
        if (length < 0 && errno == EAGAIN) {
            uint64_t asked = counters_.dumps;
            if (!request()) return Step::Failed;
            if (counters_.dumps == asked) return Step::Empty;
            continue;
        }
        if (length < 0) return failed("reading the routing socket", errno);
        ++i;
        ++counters_.messages;
        // Anyone may send to our port; the kernel's is 0.
        if (header.msg_namelen != sizeof sender || sender.nl_family != AF_NETLINK || sender.nl_pid != 0) {
            ++counters_.refused;
            continue;
        }
        bool dumped = sender.nl_groups == 0;
        bool whole = (header.msg_flags & MSG_TRUNC) == 0 &&
                     each_rt_message({buffer_.get(), static_cast<size_t>(length)},
                                     [&](const RtMessage& message) { table_.take(message, dumped); });
        if (!whole) {
            ++counters_.lost;
            table_.lose();
        }
        if (auto refusal = table_.take_refusal()) return failed("the kernel refuses to list links, addresses or routes", *refusal);
    }
    return Step::More;
}

}  // namespace devmux
