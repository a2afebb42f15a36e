// The links and routes of a simulation, of which the core is told as long as some unit asks. See simulation.h.
#include <algorithm>
#include <array>

#include "conditions/text.h"
#include "engine/intake/mount_table.h"
#include "engine/recording/event_links.h"
#include "engine/recording/line_text.h"
#include "tools/simulation.h"

namespace devmux {
namespace {

using Mistake = Simulation::Mistake;
using Words = std::vector<std::string_view>;

bool is_number(std::string_view word) { return number_of(word).value_or(0) > 0; }

// Where one of `words` was expected.
Mistake other_word(std::string_view found, const char* expected, const std::vector<std::string>& words, const char* hint) {
    std::string near = nearest(found, words);
    return {found, "expected " + std::string(expected) + ", found " + quoted(printable(found)),
            near.empty() ? hint : "did you mean " + quoted(near) + "?"};
}

std::optional<Mistake> in_route(const Words& w, std::string_view end) {
    constexpr const char* kLine = "route default4 yes 3: the default route of IPv4 leads over the link 3";
    if (w.size() < 2) return Mistake{end, "expected \"route TO yes IFINDEX\" or \"route TO no\"", kLine};
    if (w[0] == "default")
        return Mistake{w[0], "expected default4, default6 or an IP address behind \"route\", found \"default\"",
                       "IPv4 and IPv6 have a default route each"};
    if (w[0] != kDefaultV4 && w[0] != kDefaultV6 && normal_address(w[0]).empty())
        return other_word(w[0], "default4, default6 or an IP address behind \"route\"", {"default4", "default6"},
                          "an address is that of one machine, as a condition asks about it: 192.0.2.1");
    if (w[1] != "yes" && w[1] != "no" && w[1] != "unknown") return other_word(w[1], "yes or no behind where the route leads to", {"yes", "no"}, kLine);
    for (size_t i = 2; i < w.size(); ++i)
        if (!number_of(w[i])) return Mistake{w[i], "expected the number of a link, found " + quoted(printable(w[i])), kLine};
    if (w[1] == "yes" && w.size() == 2) return Mistake{end, "expected the number of the link that the route leads over", kLine};
    return std::nullopt;
}

std::optional<Mistake> in_link(const Words& w, std::string_view end) {
    constexpr const char* kLine = "link 3 eth0 running usable none: its number, its name, what it is, and its addresses of IPv4 and IPv6";
    if (!w.empty() && !is_number(w[0]))
        return Mistake{w[0], "expected the number of a link (IFINDEX of the interface), found " + quoted(printable(w[0])), kLine};
    if (w.size() == 2 && w[1] == "gone") return std::nullopt;
    if (w.size() < 3) return Mistake{end, std::string("expected ") + kLinkLines, kLine};
    if (w[2] != "down" && w[2] != "up" && w[2] != "running")
        return other_word(w[2], "down, up or running", {"down", "up", "running"},
                          w[2] == "online" ? "what is running, and has a usable address, is online: link 3 eth0 running usable none" : kLine);
    size_t next = 3;
    for (; next < w.size() && next < 5 && w[next].find('=') == w[next].npos; ++next)
        if (w[next] != "none" && w[next] != "local" && w[next] != "tentative" && w[next] != "usable")
            return other_word(w[next], "none, local, tentative or usable for an address", {"none", "local", "tentative", "usable"}, kLine);
    for (std::string_view key : {"master=", "lower="})
        if (next < w.size() && w[next].starts_with(key) && is_number(w[next].substr(key.size()))) ++next;
    if (next < w.size()) return Mistake{w[next], "expected master=IFINDEX, lower=IFINDEX or the end, found " + quoted(printable(w[next])), kLine};
    return std::nullopt;
}

}  // namespace

std::optional<Mistake> Simulation::links(std::string_view word, std::string_view rest) {
    LinksSeen news;
    const Words w = words_of(rest);
    const std::string_view end = rest.substr(rest.size());
    if (word == "links") {
        if (rest != "lost" && rest != "found")
            return Mistake{rest, "expected \"links lost\" or \"links found\"", "lost: messages were lost, and nothing is known of links any more"};
        links_lost_ = rest == "lost";
        if (links_lost_ && engine_ && engine_->world().links.known) feed(LinksSeen{});
    } else if (auto mistake = word == "route" ? in_route(w, end) : in_link(w, end)) {
        return mistake;
    } else if (take_link_line(word, rest, news)) {
        for (RouteSeen& route : news.routes)
            if (std::string address = normal_address(route.to); !address.empty()) route.to = address;
        news.known = links_.known = true;
        take_in(news, links_);
    } else {
        return Mistake{end, std::string("expected ") + kLinkLines, ""};
    }
    tell_links();
    return std::nullopt;
}

void Simulation::tell_links() {
    if (!engine_ || !links_.known || links_lost_) return;
    const WatchIndex& index = engine_->planner().conditions_index();
    std::set<std::string> asked;
    if (index.asks_carriers()) asked = servers_of(engine_->world().mounts);
    for (const FactKey& key : index.facts(FactKind::RouteTo)) asked.insert(key.name);
    bool nobody = asked.empty() && index.facts(FactKind::NetworkOnline).empty();
    const KnownLinks& told = engine_->world().links;
    if (nobody) {
        if (told.known) feed(LinksSeen{});
        return;
    }
    LinksSeen seen{.known = true, .links = {}, .gone = {}, .routes = {}};
    for (const auto& [ifindex, link] : links_.links) seen.links.push_back(link);
    for (const auto& [ifindex, link] : told.links)
        if (!links_.links.contains(ifindex)) seen.gone.push_back(ifindex);
    auto route = [&](const std::string& to) {
        auto it = links_.routes.find(to);
        seen.routes.push_back(it == links_.routes.end() ? RouteSeen{to, Truth::False, {}} : it->second);
    };
    route(std::string(kDefaultV4));
    route(std::string(kDefaultV6));
    for (const std::string& address : asked) route(address);
    feed(seen);
}

}  // namespace devmux
