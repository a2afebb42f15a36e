// Datagrams of rtnetlink(7), as the kernel makes them, for tests.
#pragma once

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace devmux::test {

inline std::string bytes_of_address(int family, const std::string& text) {
    std::string out(family == AF_INET ? 4 : 16, '\0');
    inet_pton(family, text.c_str(), out.data());
    return out;
}

class RtBytes {
  public:
    // Aligned as nlmsghdr.
    std::string_view bytes() const { return {reinterpret_cast<const char*>(words_.data()), size_}; }

    RtBytes& link(uint32_t ifindex, const std::string& name, unsigned flags, bool gone = false, int family = AF_UNSPEC,
                  uint32_t master = 0, uint32_t lower = 0, bool elsewhere = false) {
        begin(gone ? RTM_DELLINK : RTM_NEWLINK);
        auto* header = extra<ifinfomsg>();
        header->ifi_family = static_cast<unsigned char>(family);
        header->ifi_index = static_cast<int>(ifindex);
        header->ifi_flags = flags;
        mnl_attr_put_strz(message(), IFLA_IFNAME, name.c_str());
        if (master) mnl_attr_put_u32(message(), IFLA_MASTER, master);
        if (lower) mnl_attr_put_u32(message(), IFLA_LINK, lower);
        if (elsewhere) mnl_attr_put_u32(message(), IFLA_LINK_NETNSID, 0);
        return end();
    }
    // News of wireless(7), "custom" or the like: the flags, the name, and nothing else of the link.
    RtBytes& wireless(uint32_t ifindex, const std::string& name, unsigned flags) {
        link(ifindex, name, flags);
        size_ -= MNL_ALIGN(message_len_);
        put(IFLA_WIRELESS, std::string(16, '\0'));
        return end();
    }
    RtBytes& address(uint32_t ifindex, const std::string& text, unsigned prefix = 24, bool gone = false,
                     int scope = RT_SCOPE_UNIVERSE, uint32_t flags = IFA_F_PERMANENT, const std::string& peer = "") {
        int family = text.find(':') == text.npos ? AF_INET : AF_INET6;
        begin(gone ? RTM_DELADDR : RTM_NEWADDR);
        auto* header = extra<ifaddrmsg>();
        header->ifa_family = static_cast<unsigned char>(family);
        header->ifa_prefixlen = static_cast<unsigned char>(prefix);
        header->ifa_flags = static_cast<unsigned char>(flags);
        header->ifa_scope = static_cast<unsigned char>(scope);
        header->ifa_index = ifindex;
        put(IFA_ADDRESS, bytes_of_address(family, peer.empty() ? text : peer));
        if (family == AF_INET || !peer.empty()) put(IFA_LOCAL, bytes_of_address(family, text));
        mnl_attr_put_u32(message(), IFA_FLAGS, flags);
        return end();
    }
    // `to`: "default4", "default6", or "192.0.2.0/24".
    RtBytes& route(const std::string& to, uint32_t ifindex, bool gone = false, uint32_t metric = 0, int type = RTN_UNICAST,
                   uint32_t table = RT_TABLE_MAIN) {
        route_head(to, gone, metric, type, table);
        if (ifindex != 0) mnl_attr_put_u32(message(), RTA_OIF, ifindex);
        return end();
    }
    RtBytes& multipath(const std::string& to, const std::vector<rtnexthop>& hops) {
        route_head(to, false, 0, RTN_UNICAST, RT_TABLE_MAIN);
        std::string all;
        for (rtnexthop hop : hops) {
            hop.rtnh_len = sizeof hop;
            all.append(reinterpret_cast<const char*>(&hop), sizeof hop);
        }
        put(RTA_MULTIPATH, all);
        return end();
    }
    RtBytes& done(int error = 0) {
        begin(error == 0 ? NLMSG_DONE : NLMSG_ERROR);
        *static_cast<int*>(mnl_nlmsg_put_extra_header(message(), sizeof(int))) = -error;
        return end();
    }
    RtBytes& nexthop() {
        begin(RTM_NEWNEXTHOP);
        return end();
    }
    RtBytes& answers(uint32_t sequence, bool interrupted = false) {
        sequence_ = sequence;
        flags_ = static_cast<unsigned short>(NLM_F_MULTI | (interrupted ? NLM_F_DUMP_INTR : 0));
        return *this;
    }

  private:
    nlmsghdr* message() { return reinterpret_cast<nlmsghdr*>(reinterpret_cast<char*>(words_.data()) + size_); }
    void begin(int type) {
        words_.resize(size_ / 4 + 256);
        mnl_nlmsg_put_header(message());
        message()->nlmsg_type = static_cast<unsigned short>(type);
        message()->nlmsg_seq = sequence_;
        message()->nlmsg_flags = flags_;
    }
    template <class Header>
    Header* extra() { return static_cast<Header*>(mnl_nlmsg_put_extra_header(message(), sizeof(Header))); }
    void put(uint16_t type, std::string_view bytes) { mnl_attr_put(message(), type, bytes.size(), bytes.data()); }
    void route_head(const std::string& to, bool gone, uint32_t metric, int type, uint32_t table) {
        size_t slash = to.find('/');
        bool v6 = to == "default6" || to.find(':') != to.npos;
        begin(gone ? RTM_DELROUTE : RTM_NEWROUTE);
        auto* header = extra<rtmsg>();
        header->rtm_family = v6 ? AF_INET6 : AF_INET;
        header->rtm_type = static_cast<unsigned char>(type);
        header->rtm_table = static_cast<unsigned char>(table < 256 ? table : RT_TABLE_COMPAT);
        if (slash != to.npos) {
            header->rtm_dst_len = static_cast<unsigned char>(std::stoi(to.substr(slash + 1)));
            put(RTA_DST, bytes_of_address(header->rtm_family, to.substr(0, slash)));
        }
        mnl_attr_put_u32(message(), RTA_TABLE, table);
        if (metric) mnl_attr_put_u32(message(), RTA_PRIORITY, metric);
    }
    RtBytes& end() {
        message_len_ = message()->nlmsg_len;
        size_ += MNL_ALIGN(message()->nlmsg_len);
        return *this;
    }

    std::vector<uint32_t> words_;
    size_t size_ = 0, message_len_ = 0;
    uint32_t sequence_ = 0;
    unsigned short flags_ = 0;
};

}  // namespace devmux::test
