// The links and routes of a simulation, of which the core is told as long as some unit asks. See simulation.h.
#include "engine/recording/event_links.h"
#include "tools/simulation.h"

namespace devmux {

std::optional<std::string> Simulation::links(std::string_view word, std::string_view rest) {
    LinksSeen news;
    if (word == "links") {
        if (rest != "lost" && rest != "found") return "\"links lost\" or \"links found\"";
        links_lost_ = rest == "lost";
        if (links_lost_ && engine_ && engine_->world().links.known) feed(LinksSeen{});
    } else if (take_link_line(word, rest, news)) {
        news.known = links_.known = true;
        take_in(news, links_);
    } else {
        return kLinkLines;
    }
    tell_links();
    return std::nullopt;
}

void Simulation::tell_links() {
    if (!engine_ || !links_.known || links_lost_) return;
    const WatchIndex& index = engine_->planner().conditions_index();
    std::set<std::string> asked;
    if (!index.watching_carriers().empty()) asked = servers_of(engine_->world().mounts);
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
