// The picture of links made of messages and dumps: what is known when, and what is dumped again.
#include "engine/intake/link_table.h"

#include <doctest/doctest.h>

#include "engine/recording/event_links.h"
#include "tests/support/rt_bytes.h"

using namespace devmux;
using devmux::test::RtBytes;

namespace {

constexpr unsigned kRuns = IFF_UP | IFF_RUNNING;

// The kernel's side: what there is, dumped when it is asked for.
struct Machine {
    LinkTable table;
    RtBytes links, addresses, routes4, routes6;
    uint32_t sequence = 0;
    std::string dumps;

    static void feed(LinkTable& table, const RtBytes& bytes, bool dumped) {
        REQUIRE(each_rt_message(bytes.bytes(), [&](const RtMessage& m) { table.take(m, dumped); }));
    }
    void hear(const RtBytes& bytes) { feed(table, bytes, false); }
    // `between`: what is heard after the request.
    bool answer(const RtBytes& between = {}, bool interrupted = false) {
        auto dump = table.wanted();
        if (!dump) return false;
        table.begin(*dump, ++sequence);
        dumps += "LA46"[static_cast<int>(*dump)];
        hear(between);
        const RtBytes& all = *dump == Dump::Links ? links : *dump == Dump::Addresses ? addresses : *dump == Dump::RoutesV4 ? routes4 : routes6;
        each_rt_message(all.bytes(), [&](const RtMessage& m) {
            RtMessage copy = m;
            copy.sequence = sequence;
            copy.interrupted = interrupted;
            table.take(copy, true);
        });
        feed(table, RtBytes().answers(sequence).done(), true);
        return true;
    }
    void settle() {
        while (answer()) {}
    }
    std::string news() {
        auto seen = table.take_news();
        return seen ? links_text(*seen) : "";
    }
};

}  // namespace

TEST_SUITE("intake/link_table") {
    TEST_CASE("nothing is known before everything was dumped once") {
        Machine m;
        m.links.link(2, "eth0", kRuns);
        m.addresses.address(2, "10.0.0.2").address(2, "fe80::1", 64, false, RT_SCOPE_LINK);
        m.routes4.route("default4", 2);
        for (int i = 0; i < 4; ++i) {
            CHECK(m.news() == "");
            CHECK(m.answer());
        }
        CHECK_FALSE(m.answer());
        CHECK(m.dumps == "LA46");
        CHECK(m.news() == "link 2 eth0 running usable local\nroute default4 yes 2\nroute default6 no\nlinks\n");
        CHECK(m.news() == "");
    }

    TEST_CASE("messages: renamed, without a carrier, addresses that come and go, gone") {
        Machine m;
        m.links.link(2, "eth0", kRuns);
        m.settle();
        m.news();
        m.hear(RtBytes().link(2, "lan0", IFF_UP));
        CHECK(m.news() == "link 2 lan0 up\nlinks\n");
        m.hear(RtBytes().address(2, "2001:db8::2", 64, false, RT_SCOPE_UNIVERSE, IFA_F_TENTATIVE).link(2, "lan0", kRuns));
        CHECK(m.news() == "link 2 lan0 running none tentative\nlinks\n");
        m.hear(RtBytes().address(2, "2001:db8::2", 64, false, RT_SCOPE_UNIVERSE, IFA_F_PERMANENT));
        CHECK(m.news() == "link 2 lan0 running none usable\nlinks\n");
        m.hear(RtBytes().address(2, "10.0.0.2").address(2, "10.0.0.3").address(2, "10.0.0.2", 24, true));
        m.settle();
        CHECK(m.news() == "link 2 lan0 running usable usable\nlinks\n");
        m.hear(RtBytes().link(2, "lan0", 0, true));
        m.settle();
        CHECK(m.news() == "link 2 gone\nlinks\n");
    }

    TEST_CASE("a port that is enslaved later, a VLAN, and a port that leaves") {
        Machine m;
        m.links.link(2, "eth0", kRuns).link(3, "br0", kRuns).link(4, "vlan7", kRuns, false, AF_UNSPEC, 0, 2);
        m.settle();
        CHECK(m.news() == "link 2 eth0 running\nlink 3 br0 running\nlink 4 vlan7 running lower=2\nroute default4 no\nroute default6 no\nlinks\n");
        m.hear(RtBytes().link(2, "eth0", kRuns, false, AF_UNSPEC, 3));
        CHECK(m.news() == "link 2 eth0 running master=3\nlinks\n");
        m.hear(RtBytes().wireless(2, "eth0", kRuns));
        CHECK(m.news() == "");
        m.hear(RtBytes().link(2, "eth0", kRuns, false, AF_BRIDGE, 3).link(2, "eth0", kRuns));
        CHECK(m.news() == "link 2 eth0 running\nlinks\n");
    }

    TEST_CASE("an index that is used again brings no address along") {
        Machine m;
        m.links.link(2, "eth0", kRuns);
        m.addresses.address(2, "10.0.0.2");
        m.settle();
        m.news();
        m.addresses = {};
        m.hear(RtBytes().link(2, "eth0", kRuns, true).link(2, "eth0", kRuns));
        m.settle();
        CHECK(m.news() == "link 2 eth0 running\nlinks\n");
    }

    TEST_CASE("what a message has said since the request is not taken from the dump") {
        Machine m;
        m.links.link(2, "eth0", 0).link(3, "old", kRuns);  // older than what is heard
        CHECK(m.answer(RtBytes().link(2, "eth0", kRuns).link(3, "old", 0, true).link(4, "new", IFF_UP)));
        m.addresses.address(2, "10.0.0.2").address(3, "10.0.0.3").address(4, "10.0.0.4");
        CHECK(m.answer(RtBytes().address(2, "10.0.0.2", 24, true)));
        m.settle();
        CHECK(m.news() == "link 2 eth0 running\nlink 4 new up usable none\nroute default4 no\nroute default6 no\nlinks\n");
    }

    TEST_CASE("a dump that was interrupted is made again; of routes not for ever") {
        Machine m;
        m.links.link(2, "eth0", kRuns);
        for (int i = 0; i < 10; ++i) CHECK(m.answer({}, true));
        CHECK(m.dumps == "LLLLLLLLLL");
        m.settle();
        CHECK(m.table.interrupted() == 10);
        m.news();
        m.routes4.route("default4", 2);
        m.hear(RtBytes().route("default4", 2));
        m.dumps.clear();
        while (m.answer({}, true)) {}
        CHECK(m.dumps == "4444");
        CHECK(m.news() == "route default4 yes 2\nlinks\n");
    }

    TEST_CASE("after a loss nothing is known, until everything was dumped again") {
        Machine m;
        m.links.link(2, "eth0", kRuns);
        m.addresses.address(2, "10.0.0.2");
        m.routes4.route("default4", 2);
        m.settle();
        m.news();
        m.table.lose();
        CHECK(m.news() == "links unknown\n");
        CHECK(m.news() == "");
        m.links = RtBytes().link(3, "eth1", 0);
        m.addresses = m.routes4 = {};
        m.dumps.clear();
        CHECK(m.answer());
        CHECK(m.news() == "");
        m.settle();
        CHECK(m.dumps == "LA46");
        CHECK(m.news() == "link 3 eth1 down\nroute default4 no\nroute default6 no\nlinks\n");
    }

    TEST_CASE("a loss in the middle of a dump makes that one worth nothing") {
        for (int at = 0; at < 4; ++at) {
            Machine m;
            m.settle();
            m.news();
            m.table.lose();
            CHECK(m.news() == "links unknown\n");
            for (int i = 0; i < at; ++i) m.answer();
            auto dump = *m.table.wanted();
            m.table.begin(dump, ++m.sequence);
            m.table.lose();
            Machine::feed(m.table, RtBytes().answers(m.sequence).done(), true);
            m.dumps.clear();
            m.settle();
            CHECK(m.dumps == "LA46");
            CHECK(m.news() != "");
        }
    }

    TEST_CASE("routes are dumped again when they may have changed, and no more often") {
        Machine m;
        m.table.ask({"192.0.2.7", "2001:db8::7"});
        m.links.link(2, "eth0", kRuns);
        m.addresses.address(2, "10.0.0.2");
        m.settle();
        m.news();
        auto after = [&](const RtBytes& bytes) {
            m.dumps.clear();
            m.hear(bytes);
            m.settle();
            return m.dumps;
        };
        CHECK(after(RtBytes().route("198.51.100.0/24", 2)) == "");
        CHECK(after(RtBytes().route("192.0.2.0/24", 2)) == "4");
        CHECK(after(RtBytes().route("2001:db8::/32", 2, true)) == "6");
        CHECK(after(RtBytes().route("default4", 2, true)) == "4");
        CHECK(after(RtBytes().route("192.0.2.0/24", 2, false, 0, RTN_UNICAST, 100)) == "");
        CHECK(after(RtBytes().link(2, "eth0", IFF_UP)) == "");  // the kernel keeps them without a carrier
        CHECK(after(RtBytes().link(2, "eth0", 0)) == "46");
        CHECK(after(RtBytes().address(2, "10.0.0.9", 24)) == "");
        CHECK(after(RtBytes().address(2, "10.0.0.9", 24, true)) == "4");
        CHECK(after(RtBytes().nexthop()) == "46");
        m.table.ask({"192.0.2.7", "2001:db8::7", "192.0.2.8"});
        CHECK(after({}) == "4");
        m.table.ask({"192.0.2.7"});
        CHECK(after({}) == "");
    }

    TEST_CASE("the longest prefix decides, and then the smallest metric") {
        auto way = [](const RtBytes& routes) {
            Machine m;
            m.table.ask({"192.0.2.7"});
            m.routes4 = routes;
            m.settle();
            std::string news = m.news();
            size_t at = news.find("route 192.0.2.7 ");
            return news.substr(at + 16, news.find('\n', at) - at - 16);
        };
        CHECK(way({}) == "no");
        CHECK(way(RtBytes().route("default4", 2)) == "yes 2");
        CHECK(way(RtBytes().route("default4", 2).route("192.0.2.0/24", 3)) == "yes 3");
        CHECK(way(RtBytes().route("192.0.2.0/24", 3).route("default4", 2)) == "yes 3");
        CHECK(way(RtBytes().route("default4", 2).route("192.0.2.0/24", 0, false, 0, RTN_UNREACHABLE)) == "no");
        CHECK(way(RtBytes().route("192.0.2.0/24", 2, false, 20).route("192.0.2.0/24", 3, false, 10)) == "yes 3");
        CHECK(way(RtBytes().route("192.0.2.0/24", 3, false, 10).route("192.0.2.0/24", 0, false, 20, RTN_PROHIBIT)) == "yes 3");
        CHECK(way(RtBytes().route("192.0.2.0/24", 3).route("192.0.2.0/24", 2)) == "yes 2 3");  // IPv6 lists them so
        CHECK(way(RtBytes().multipath("default4", {{0, 0, 0, 5}, {0, 0, 0, 4}})) == "yes 4 5");
        CHECK(way(RtBytes().multipath("default4", {{0, RTNH_F_DEAD, 0, 5}})) == "no");
        CHECK(way(RtBytes().route("192.0.3.0/24", 2)) == "no");
    }

    TEST_CASE("a routing table that is not there yet is empty; other refusals are told") {
        Machine m;
        m.answer();
        m.answer();
        for (int error : {ENOENT, EOPNOTSUPP}) {
            m.table.begin(*m.table.wanted(), ++m.sequence);
            Machine::feed(m.table, RtBytes().answers(m.sequence).done(error), true);
            CHECK_FALSE(m.table.take_refusal());
        }
        CHECK(m.news() == "route default4 no\nroute default6 no\nlinks\n");
        m.table.lose();
        m.table.begin(*m.table.wanted(), ++m.sequence);
        Machine::feed(m.table, RtBytes().answers(m.sequence).done(EPERM), true);
        CHECK(m.table.take_refusal() == EPERM);
        CHECK_FALSE(m.table.take_refusal());
    }

    TEST_CASE("news waits for routes that may have gone, and not for ever") {
        Machine m;
        m.links.link(2, "eth0", kRuns);
        m.routes4.route("default4", 2);
        m.settle();
        m.news();
        // Down and up: the kernel has dropped the route without a word.
        m.routes4 = {};
        m.hear(RtBytes().link(2, "eth0", 0).link(2, "eth0", kRuns));
        CHECK(m.news() == "");
        m.settle();
        CHECK(m.news() == "route default4 no\nlinks\n");
        bool told = false;
        for (int i = 0; i < 20 && !told; ++i) {
            m.hear(RtBytes().link(2, "eth0", i % 2 ? kRuns : 0));
            m.answer();
            told = m.news() != "";
        }
        CHECK(told);
    }

    TEST_CASE("answers to an older request, and dumps that nobody asked for, are passed over") {
        Machine m;
        m.settle();
        m.news();
        Machine::feed(m.table, RtBytes().answers(m.sequence).link(9, "x", kRuns).done(), true);
        m.hear(RtBytes().done());
        CHECK(m.news() == "");
        CHECK_FALSE(m.table.wanted());
    }
}
