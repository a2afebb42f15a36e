// Datagrams of rtnetlink cut into messages: what concerns us, what does not, and what is cut off.
#include "engine/intake/link_message.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/support/rt_bytes.h"

using namespace devmux;
using devmux::test::RtBytes;

namespace {

std::string said(const RtMessage& m) {
    struct Say {
        std::string operator()(const LinkMessage& l) const {
            return "link " + std::to_string(l.ifindex) + " " + std::string(l.name) + (l.up ? " up" : "") + (l.running ? " running" : "") +
                       (l.master ? " master " + std::to_string(l.master) : "") + (l.lower ? " lower " + std::to_string(l.lower) : "");
        }
        std::string operator()(const AddressMessage& a) const {
            return "address " + std::to_string(a.ifindex) + (a.family == AF_INET ? " v4 " : " v6 ") +
                   std::to_string(a.key.size()) + " " + std::to_string(static_cast<int>(a.state));
        }
        std::string operator()(const RouteMessage& r) const {
            std::string out = "route " + std::string(r.family == AF_INET ? "v4/" : "v6/") + std::to_string(r.prefix) +
                              (r.unicast ? "" : " nowhere") + " " + std::to_string(r.metric);
            for (uint64_t ifindex : r.over) out += " over " + std::to_string(ifindex);
            return out;
        }
        std::string operator()(const NexthopMessage&) const { return "nexthop"; }
        std::string operator()(const DumpEnd& e) const { return "end " + std::to_string(e.error); }
    };
    return (m.gone ? "gone " : "") + std::visit(Say{}, m.what) + (m.interrupted ? " interrupted" : "") +
           (m.sequence ? " #" + std::to_string(m.sequence) : "");
}

std::string read(const RtBytes& bytes) {
    std::string out;
    bool whole = each_rt_message(bytes.bytes(), [&](const RtMessage& m) { out += said(m) + "; "; });
    return out + (whole ? "" : "cut off");
}

}  // namespace

TEST_SUITE("intake/link_message") {
    TEST_CASE("links: up, running, gone; a bridge's word on a port that left it is none") {
        CHECK(read(RtBytes().link(3, "eth0", 0).link(4, "eth1", IFF_UP).link(5, "eth2", IFF_UP | IFF_RUNNING)) ==
              "link 3 eth0; link 4 eth1 up; link 5 eth2 up running; ");
        CHECK(read(RtBytes().link(3, "eth0", IFF_RUNNING)) == "link 3 eth0; ");
        CHECK(read(RtBytes().link(3, "eth0", 0, true)) == "gone link 3 eth0; ");
        CHECK(read(RtBytes().link(3, "eth0", IFF_UP, true, AF_BRIDGE)) == "");
        CHECK(read(RtBytes().link(0, "eth0", IFF_UP)) == "");
        CHECK(read(RtBytes().link(3, std::string(40, 'x'), 0)) == "link 3 xxxxxxxxxxxxxxx; ");
    }

    TEST_CASE("links: whose port it is, and what it stands on in this network namespace") {
        CHECK(read(RtBytes().link(3, "eth0", 0, false, AF_UNSPEC, 9).link(4, "vlan7", 0, false, AF_UNSPEC, 0, 3)) ==
              "link 3 eth0 master 9; link 4 vlan7 lower 3; ");
        CHECK(read(RtBytes().link(4, "veth0", 0, false, AF_UNSPEC, 0, 3, true)) == "link 4 veth0; ");
        CHECK(read(RtBytes().link(4, "self", 0, false, AF_UNSPEC, 0, 4)) == "link 4 self; ");
        CHECK(read(RtBytes().link(4, "odd", 0, false, AF_UNSPEC, 0xffffffff, 0x80000000)) == "link 4 odd; ");
    }

    TEST_CASE("links: news of wireless(7) says nothing of master and lower, and is none of ours") {
        CHECK(read(RtBytes().wireless(3, "wlan0", IFF_UP).link(4, "eth0", IFF_UP)) == "link 4 eth0 up; ");
    }

    TEST_CASE("addresses: scope, and those that may not be used") {
        auto state = [](int scope, uint32_t flags) {
            std::string text = read(RtBytes().address(3, "2001:db8::1", 64, false, scope, flags));
            return text.substr(0, text.size() - 2);
        };
        CHECK(state(RT_SCOPE_UNIVERSE, 0) == "address 3 v6 16 3");
        CHECK(state(RT_SCOPE_SITE, IFA_F_DEPRECATED) == "address 3 v6 16 3");
        CHECK(state(RT_SCOPE_UNIVERSE, IFA_F_TENTATIVE) == "address 3 v6 16 2");
        CHECK(state(RT_SCOPE_UNIVERSE, IFA_F_DADFAILED) == "address 3 v6 16 2");
        CHECK(state(RT_SCOPE_LINK, 0) == "address 3 v6 16 1");
        CHECK(state(RT_SCOPE_HOST, IFA_F_TENTATIVE) == "address 3 v6 16 1");
        CHECK(read(RtBytes().address(3, "10.0.0.1", 8, true)) == "gone address 3 v4 11 3; ");
    }

    TEST_CASE("routes of the main table alone, with the links of next hops that live") {
        CHECK(read(RtBytes().route("default4", 3).route("default6", 4, true, 1024)) ==
              "route v4/0 0 over 3; gone route v6/0 1024 over 4; ");
        CHECK(read(RtBytes().route("192.0.2.0/24", 0, false, 0, RTN_BLACKHOLE)) == "route v4/24 nowhere 0; ");
        CHECK(read(RtBytes().route("192.0.2.0/24", 3, false, 0, RTN_UNICAST, 51820)) == "");
        CHECK(read(RtBytes().route("192.0.2.0/24", 3, false, 0, RTN_LOCAL, RT_TABLE_LOCAL)) == "");
        CHECK(read(RtBytes().multipath("default4", {{0, 0, 0, 3}, {0, RTNH_F_DEAD, 0, 4}, {0, RTNH_F_LINKDOWN, 0, 5}})) ==
              "route v4/0 0 over 3 over 5; ");
        CHECK(read(RtBytes().route("192.0.2.0/99", 3)) == "");
    }

    TEST_CASE("ends of dumps, nexthop objects, numbers of requests") {
        CHECK(read(RtBytes().answers(7, true).link(3, "a", 0).done()) == "link 3 a interrupted #7; end 0 interrupted #7; ");
        CHECK(read(RtBytes().done(ENOENT).nexthop()) == "end 2; nexthop; ");
    }

    TEST_CASE("cut off anywhere, nothing is read beyond the end") {
        RtBytes all;
        all.link(3, "eth0", IFF_UP).address(3, "10.0.0.1").route("192.0.2.0/24", 3).multipath("default6", {{0, 0, 0, 3}}).done();
        for (size_t size = 0; size < all.bytes().size(); ++size) {
            // A buffer that ends there, for the sanitizers; aligned as the kernel's is.
            std::vector<uint32_t> copy((size + 3) / 4);
            if (size > 0) std::memcpy(copy.data(), all.bytes().data(), size);
            each_rt_message({reinterpret_cast<const char*>(copy.data()), size}, [](const RtMessage& m) { said(m); });
        }
    }

    TEST_CASE("a length that is negative to libmnl") {
        RtBytes one;
        one.link(3, "eth0", IFF_UP);
        for (uint32_t length : {0U, 15U, 0x7fffffffU, 0x80000000U, 0xe2e2e2e2U, 0xffffffffU}) {
            std::vector<uint32_t> copy((one.bytes().size() + 3) / 4);
            std::memcpy(copy.data(), one.bytes().data(), one.bytes().size());
            copy[0] = length;
            bool whole = each_rt_message({reinterpret_cast<const char*>(copy.data()), one.bytes().size()}, [](const RtMessage&) { FAIL("visited"); });
            CHECK_FALSE(whole);
        }
    }

    TEST_CASE("prefixes") {
        auto v4 = [](const char* text) { return test::bytes_of_address(AF_INET, text); };
        CHECK(same_prefix(v4("10.1.2.3"), v4("10.1.2.255"), 24));
        CHECK_FALSE(same_prefix(v4("10.1.2.3"), v4("10.1.3.3"), 24));
        CHECK(same_prefix(v4("10.1.2.3"), v4("10.1.3.3"), 23));
        CHECK(same_prefix(v4("10.1.2.3"), v4("10.1.2.3"), 32));
        CHECK_FALSE(same_prefix(v4("10.1.2.3"), v4("10.1.2.2"), 32));
        CHECK(same_prefix("", v4("255.255.255.255"), 0));
        CHECK_FALSE(same_prefix("", v4("128.0.0.0"), 1));
    }
}
