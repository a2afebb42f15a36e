// What conditions make of links: states of interfaces, `network online`, `route to`.
#include "engine/plan/known_links.h"

#include <doctest/doctest.h>

#include "tests/support/facts.h"

using namespace devmux;
using devmux::test::interface;
using devmux::test::TestDevice;

namespace {

constexpr auto None = AddressState::None, Local = AddressState::Local, Tentative = AddressState::Tentative, Usable = AddressState::Usable;
constexpr Truth T = Truth::True, F = Truth::False, U = Truth::Unknown;

struct Row {
    LinkSeen link;
    const char* states;  // up, running, online
    const char* seen;
};

}  // namespace

TEST_SUITE("plan/known_links") {
    TEST_CASE("up, running and online, and what is missing") {
        for (const Row& row : std::initializer_list<Row>{
                 {{3, "eth0", false, false, Usable, None}, "FFF", "it is down"},
                 {{3, "eth0", true, false, Usable, Usable}, "TFF", "it is up, without a carrier"},
                 {{3, "eth0", true, true, None, None}, "TTF", "it is up and running, without an address"},
                 {{3, "eth0", true, true, None, Local}, "TTF", "with an address of link scope alone"},
                 {{3, "eth0", true, true, Local, Tentative}, "TTF", "may not be used yet (tentative)"},
                 {{3, "eth0", true, true, None, Usable}, "TTT", "it is online"},
                 {{3, "eth0", true, true, Usable, Tentative}, "TTT", "it is online"},
                 // Between the two announcements of a rename, or of an index that is used again.
                 {{3, "lan0", true, true, Usable, None}, "UUU", "not known yet"},
                 {{4, "eth0", true, true, Usable, None}, "UUU", "not known yet"},
             }) {
            KnownLinks known;
            take_in({true, {row.link}, {}, {}}, known);
            TestDevice device = interface("eth0", 3);
            std::string states;
            for (LinkState state : {LinkState::Up, LinkState::Running, LinkState::Online})
                states += "FUT"[static_cast<int>(link_is(known, device, state))];
            CHECK(states == row.states);
            CHECK_MESSAGE(link_seen(known, device).find(row.seen) != std::string::npos, link_seen(known, device));
            known.known = false;
            CHECK(link_is(known, device, LinkState::Up) == U);
        }
    }

    TEST_CASE("the network is online by an address and a default route of one family, over links that run") {
        KnownLinks known;
        auto now = [&](const LinksSeen& seen) {
            take_in(seen, known);
            return network_is_online(known);
        };
        auto says = [&](const char* part) {
            CHECK_MESSAGE(seen_of_network(known).find(part) != std::string::npos, seen_of_network(known));
        };
        CHECK(network_is_online(known) == U);
        says("not known yet");
        CHECK(now({true, {{2, "eth0", true, true, Usable, None}}, {}, {{"default4", F, {}}, {"default6", F, {}}}}) == F);
        says("IPv4: an address, and no default route");
        CHECK(now({true, {}, {}, {{"default6", T, {2}}}}) == F);  // of the other family
        says("IPv6: a default route over eth0, and no address beyond link scope");
        CHECK(now({true, {}, {}, {{"default4", T, {2}}}}) == T);
        CHECK(now({true, {{2, "eth0", true, false, Usable, None}}, {}, {}}) == F);
        says("IPv4: a default route over eth0, which does not run");
        // The route over one link, the address on another: a tunnel without one of its own.
        CHECK(now({true, {{3, "lo", true, true, Usable, None}, {4, "wg0", true, true, None, None}}, {}, {{"default4", T, {2, 4}}}}) == T);
        says("an address, and a default route over eth0, wg0");
        CHECK(now({true, {}, {4}, {}}) == F);
        CHECK(now({true, {}, {}, {{"default4", T, {0}}}}) == T);  // a nexthop object that the kernel does not name
        CHECK(now({true, {{3, "lo", true, true, Local, Local}}, {}, {}}) == F);
        CHECK(now({}) == U);
    }

    TEST_CASE("routes: yes, no, and not asked about") {
        KnownLinks known;
        CHECK(has_route(known, "192.0.2.1") == U);
        take_in({true, {{2, "eth0", true, true, None, None}}, {}, {{"192.0.2.1", T, {2}}, {"192.0.2.2", F, {}}}}, known);
        CHECK(has_route(known, "192.0.2.1") == T);
        CHECK(seen_of_route(known, "192.0.2.1") == "over eth0");
        CHECK(has_route(known, "192.0.2.2") == F);
        CHECK(seen_of_route(known, "192.0.2.2") == "no route of the main table leads there");
        CHECK(has_route(known, "192.0.2.3") == U);
        take_in({true, {}, {}, {{"192.0.2.1", U, {}}}}, known);
        CHECK(has_route(known, "192.0.2.1") == U);
    }

    TEST_CASE("news name what changed, and nothing else") {
        KnownLinks known;
        LinksSeen first{true, {{2, "a", true, true, Usable, None}, {3, "b", false, false, None, None}}, {}, {{"default4", T, {2}}, {"::1", F, {}}}};
        LinkNews news = take_in(first, known);
        CHECK(news.links == std::vector<uint64_t>{2, 3});
        CHECK(news.facts == std::vector<FactKey>{kAnyLink, {FactKind::RouteTo, "default4"}, {FactKind::RouteTo, "::1"}, kNetworkOnline, kNetworkFacility});
        news = take_in(first, known);
        CHECK((news.links.empty() && news.facts.empty()));
        news = take_in({true, {}, {3, 9}, {}}, known);
        CHECK(news.links == std::vector<uint64_t>{3});
        CHECK(news.facts.empty());
        news = take_in({}, known);
        CHECK(news.facts.front() == kAnyLink);
        CHECK(std::count(news.facts.begin(), news.facts.end(), kNetworkOnline) == 1);
        CHECK(known == KnownLinks{});
    }
}
