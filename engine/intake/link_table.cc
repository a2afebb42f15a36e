// See link_table.h.
#include "engine/intake/link_table.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>

namespace devmux {
namespace {

// So often a dump of routes is made again because it was interrupted. What matters of them is announced as
// well, and on a machine whose routes never rest it would be made for ever.
constexpr int kMostRepeats = 3;
// So many dumps may news wait for.
constexpr uint64_t kMostDumps = 8;

std::string address_key(const AddressMessage& address) {
    return (address.family == AF_INET ? "4" : "6") + address.key;
}

std::vector<uint64_t> merged(std::vector<uint64_t> a, const std::vector<uint64_t>& b) {
    a.insert(a.end(), b.begin(), b.end());
    std::sort(a.begin(), a.end());
    a.erase(std::unique(a.begin(), a.end()), a.end());
    return a;
}

}  // namespace

LinkTable::LinkTable()
    : families_{Family{.number = AF_INET, .dflt = kDefaultV4, .asked = {}, .known = {}, .dumped = {}},
                Family{.number = AF_INET6, .dflt = kDefaultV6, .asked = {}, .known = {}, .dumped = {}}} {}

void LinkTable::ask(std::set<std::string> addresses) {
    for (Family& family : families_) {
        std::map<std::string, std::string> asked;
        for (const std::string& text : addresses) {
            std::array<char, sizeof(in6_addr)> bytes{};
            if (inet_pton(family.number, text.c_str(), bytes.data()) != 1) continue;
            asked[text] = std::string(bytes.data(), family.number == AF_INET ? 4 : 16);
        }
        // Whose routes were never looked for makes another dump; who is asked about no more makes none.
        for (const auto& [text, bytes] : asked) family.stale |= !family.known.contains(text);
        std::erase_if(family.known, [&](const auto& k) { return k.first != family.dflt && !asked.contains(k.first); });
        std::erase_if(family.dumped, [&](const auto& k) { return k.first != family.dflt && !asked.contains(k.first); });
        // A dump that runs has passed routes by that are asked about now.
        if (asked != family.asked && running_ && &family_of(*running_) == &family && *running_ >= Dump::RoutesV4) void_ = true;
        family.asked = std::move(asked);
    }
}

void LinkTable::lose() {
    links_stale_ = addresses_stale_ = lost_ = true;
    void_ = running_.has_value();
    stale_routes();
    for (Family& family : families_) family.known.clear();
}

std::optional<Dump> LinkTable::wanted() const {
    if (running_) return std::nullopt;
    if (links_stale_) return Dump::Links;
    if (addresses_stale_) return Dump::Addresses;
    if (families_[0].stale) return Dump::RoutesV4;
    return families_[1].stale ? std::optional(Dump::RoutesV6) : std::nullopt;
}

void LinkTable::begin(Dump dump, uint32_t sequence) {
    running_ = dump;
    sequence_ = sequence;
    again_ = void_ = false;
    ++dump_;
    spoken_of_.clear();
    switch (dump) {
        case Dump::Links: links_stale_ = false; break;
        case Dump::Addresses: addresses_stale_ = false; break;
        case Dump::RoutesV4:
        case Dump::RoutesV6:
            Family& family = family_of(dump);
            family.stale = false;
            family.dumped.clear();
            family.dumped[std::string(family.dflt)].route = {std::string(family.dflt), Truth::False, {}};
            for (const auto& [text, bytes] : family.asked) family.dumped[text].route = {text, Truth::False, {}};
    }
}

void LinkTable::take(const RtMessage& message, bool dumped) {
    if (dumped && (!running_ || message.sequence != sequence_)) return;
    if (dumped && message.interrupted) again_ = true;
    std::visit([&](const auto& what) { take(what, message, dumped); }, message.what);
}

void LinkTable::forget_link(uint64_t ifindex) {
    links_.erase(ifindex);
    auto first = addresses_.lower_bound({ifindex, ""});
    addresses_.erase(first, addresses_.lower_bound({ifindex + 1, ""}));
}

void LinkTable::take(const LinkMessage& link, const RtMessage& message, bool dumped) {
    if (dumped && (running_ != Dump::Links || spoken_of_.contains({link.ifindex, ""}))) return;
    if (!dumped && running_) spoken_of_.insert({link.ifindex, ""});
    if (message.gone) {
        stale_routes();
        return forget_link(link.ifindex);
    }
    Link& known = links_[link.ifindex];
    if (known.seen.up != link.up) stale_routes();
    known.dump = dump_;
    known.seen.ifindex = link.ifindex;
    known.seen.name = link.name;
    known.seen.up = link.up;
    known.seen.running = link.running;
    known.seen.master = link.master;
    known.seen.lower = link.lower;
}

void LinkTable::take(const AddressMessage& address, const RtMessage& message, bool dumped) {
    AddressKey key{address.ifindex, address_key(address)};
    if (dumped && (running_ != Dump::Addresses || spoken_of_.contains(key))) return;
    if (!dumped && running_) spoken_of_.insert(key);
    if (message.gone) {
        addresses_.erase(key);
        if (address.family == AF_INET) families_[0].stale = true;
        return;
    }
    // Its link has gone in the meantime, and with it the address.
    if (!links_stale_ && running_ != Dump::Links && !links_.contains(address.ifindex)) return;
    addresses_[std::move(key)] = {address.state, dump_};
}

void LinkTable::take(const RouteMessage& route, const RtMessage&, bool dumped) {
    Family& family = families_[route.family != AF_INET];
    auto covers = [&](const std::string& bytes) { return same_prefix(route.destination, bytes, route.prefix); };
    if (!dumped) {
        for (const auto& [text, bytes] : family.asked) family.stale |= covers(bytes);
        family.stale |= route.prefix == 0;
        return;
    }
    // Where the kernel does not have the family, it dumps all that it has.
    if (*running_ < Dump::RoutesV4 || &family_of(*running_) != &family) return;
    bool leads = route.unicast && !route.over.empty();
    if (route.prefix == 0 && leads) {
        RouteSeen& dflt = family.dumped[std::string(family.dflt)].route;
        dflt.there = Truth::True;
        dflt.over = merged(std::move(dflt.over), route.over);
    }
    for (const auto& [text, bytes] : family.asked) {
        if (!covers(bytes)) continue;
        Best& best = family.dumped[text];
        bool same = best.found && route.prefix == best.prefix && route.metric == best.metric;
        if (best.found && !same &&
            (route.prefix < best.prefix || (route.prefix == best.prefix && route.metric > best.metric)))
            continue;
        // IPv6 may list the next hops of one route as routes of their own.
        if (same && (!leads || best.route.there == Truth::False)) continue;
        best = {route.prefix, route.metric, true,
                {text, truth_of(leads), leads ? merged(same ? best.route.over : std::vector<uint64_t>(), route.over)
                                              : std::vector<uint64_t>()}};
    }
}

void LinkTable::take(const DumpEnd& end, const RtMessage&, bool dumped) {
    if (!dumped) return;
    Dump dump = *std::exchange(running_, std::nullopt);
    bool routes = dump >= Dump::RoutesV4;
    // A table that nothing was put into yet is not there (fib_get_table() in net/ipv4/fib_frontend.c); nor
    // is a family that was switched off.
    bool none = routes && (end.error == ENOENT || end.error == EOPNOTSUPP || end.error == EAFNOSUPPORT);
    bool refused = end.error != 0 && !none;
    if (refused) refused_ = end.error;
    bool repeat = again_ && !(routes && ++family_of(dump).repeats > kMostRepeats);
    if (!repeat && !void_ && !refused) return dump_ended(dump);
    ++interrupted_;
    if (dump == Dump::Links) links_stale_ = true;
    else if (dump == Dump::Addresses) addresses_stale_ = true;
    else family_of(dump).stale = true;
}

// What was not in it, and no message has spoken of since, is not there.
void LinkTable::dump_ended(Dump dump) {
    switch (dump) {
        case Dump::Links: {
            std::vector<uint64_t> gone;
            for (const auto& [ifindex, link] : links_)
                if (link.dump != dump_) gone.push_back(ifindex);
            for (uint64_t ifindex : gone) forget_link(ifindex);
            break;
        }
        case Dump::Addresses:
            std::erase_if(addresses_, [&](const auto& a) { return a.second.dump != dump_; });
            break;
        case Dump::RoutesV4:
        case Dump::RoutesV6: {
            Family& family = family_of(dump);
            family.repeats = 0;
            family.known = std::move(family.dumped);
            family.dumped.clear();
        }
    }
    if (!links_stale_ && !addresses_stale_ && !families_[0].known.empty() && !families_[1].known.empty()) lost_ = false;
}

void LinkTable::stale_routes() {
    for (Family& family : families_) family.stale = true;
}

std::map<uint64_t, LinkSeen> LinkTable::links() const {
    std::map<uint64_t, LinkSeen> out;
    for (const auto& [ifindex, link] : links_) out.emplace(ifindex, link.seen);
    for (const auto& [key, address] : addresses_) {
        auto it = out.find(key.first);
        if (it == out.end()) continue;
        AddressState& state = key.second[0] == '4' ? it->second.v4 : it->second.v6;
        state = std::max(state, address.state);
    }
    return out;
}

std::optional<LinksSeen> LinkTable::take_news() {
    LinksSeen news;
    if (lost_) {
        if (!std::exchange(told_known_, false)) return std::nullopt;
        told_links_.clear();
        told_routes_.clear();
        return news;
    }
    bool idle = !running_ && !wanted();
    if (!idle && (running_ || dump_ - told_dump_ < kMostDumps)) return std::nullopt;
    if (idle) told_dump_ = dump_;
    news.known = true;
    auto now = links();
    for (const auto& [ifindex, link] : now) {
        auto told = told_links_.find(ifindex);
        if (told == told_links_.end() || told->second != link) news.links.push_back(link);
    }
    for (const auto& [ifindex, link] : told_links_)
        if (!now.contains(ifindex)) news.gone.push_back(ifindex);
    std::map<std::string, RouteSeen> routes;
    for (const Family& family : families_)
        for (const auto& [to, best] : family.known) routes.emplace(to, best.route);
    for (const auto& [to, route] : routes) {
        auto told = told_routes_.find(to);
        if (told == told_routes_.end() || told->second != route) news.routes.push_back(route);
    }
    for (const auto& [to, route] : told_routes_)
        if (!routes.contains(to)) news.routes.push_back({to, Truth::Unknown, {}});
    bool fresh = !std::exchange(told_known_, true);
    if (!fresh && news.links.empty() && news.gone.empty() && news.routes.empty()) return std::nullopt;
    told_dump_ = dump_;
    told_links_ = std::move(now);
    told_routes_ = std::move(routes);
    return news;
}

}  // namespace devmux
