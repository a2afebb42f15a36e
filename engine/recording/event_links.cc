// See event_links.h.
#include "engine/recording/event_links.h"

#include <algorithm>
#include <array>

#include "engine/recording/line_text.h"

namespace devmux {
namespace {

constexpr std::array<std::string_view, 4> kAddresses{"none", "local", "tentative", "usable"};
constexpr std::array<std::string_view, 3> kTruths{"no", "unknown", "yes"};

std::string word_of(AddressState state) { return std::string(kAddresses[static_cast<size_t>(state)]); }

template <class Enum, size_t N>
bool read(const std::array<std::string_view, N>& words, std::string_view word, Enum& out) {
    auto it = std::find(words.begin(), words.end(), word);
    if (it == words.end()) return false;
    out = static_cast<Enum>(it - words.begin());
    return true;
}

}  // namespace

static_assert(Truth::False < Truth::Unknown && Truth::Unknown < Truth::True);

std::string link_text(const LinkSeen& link) {
    std::string out = std::to_string(link.ifindex) + " " + escaped_word(link.name) + " " +
                      (link.running ? "running" : link.up ? "up" : "down");
    if (link.v4 != AddressState::None || link.v6 != AddressState::None) out += " " + word_of(link.v4) + " " + word_of(link.v6);
    if (link.master != 0) out += " master=" + std::to_string(link.master);
    if (link.lower != 0) out += " lower=" + std::to_string(link.lower);
    return out;
}

std::optional<LinkSeen> link_of(std::string_view words) {
    std::vector<std::string_view> w = words_of(words);
    LinkSeen below;
    auto number_behind = [&w](std::string_view key, uint64_t& out) {
        auto number = w.size() > 3 && w.back().starts_with(key) ? number_of(w.back().substr(key.size())) : std::nullopt;
        if (number) out = *number, w.pop_back();
    };
    number_behind("lower=", below.lower);
    number_behind("master=", below.master);
    if (w.size() < 3 || w.size() > 5) return std::nullopt;
    auto ifindex = number_of(w[0]);
    auto name = unescaped(w[1]);
    LinkSeen out{.ifindex = ifindex.value_or(0), .name = name.value_or(""), .master = below.master, .lower = below.lower};
    out.running = w[2] == "running";
    out.up = out.running || w[2] == "up";
    bool good = ifindex && *ifindex > 0 && name && (out.up || w[2] == "down") &&
                (w.size() < 4 || read(kAddresses, w[3], out.v4)) && (w.size() < 5 || read(kAddresses, w[4], out.v6));
    return good ? std::optional(out) : std::nullopt;
}

std::string route_text(const RouteSeen& route) {
    std::string out = escaped_word(route.to) + " " + std::string(kTruths[static_cast<size_t>(route.there)]);
    for (uint64_t ifindex : route.over) out += " " + std::to_string(ifindex);
    return out;
}

std::optional<RouteSeen> route_of(std::string_view words) {
    std::vector<std::string_view> w = words_of(words);
    auto to = w.size() >= 2 ? unescaped(w[0]) : std::nullopt;
    RouteSeen out{.to = to.value_or(""), .over = {}};
    if (!to || !read(kTruths, w[1], out.there)) return std::nullopt;
    for (size_t i = 2; i < w.size(); ++i) {
        auto ifindex = number_of(w[i]);
        if (!ifindex) return std::nullopt;
        out.over.push_back(*ifindex);
    }
    return out;
}

std::string links_text(const LinksSeen& seen) {
    std::string out;
    for (const LinkSeen& link : seen.links) out += "link " + link_text(link) + "\n";
    for (uint64_t ifindex : seen.gone) out += "link " + std::to_string(ifindex) + " gone\n";
    for (const RouteSeen& route : seen.routes) out += "route " + route_text(route) + "\n";
    return out + (seen.known ? "links\n" : "links unknown\n");
}

bool take_link_line(std::string_view word, std::string_view rest, LinksSeen& out) {
    if (word == "route") {
        auto route = route_of(rest);
        if (route) out.routes.push_back(std::move(*route));
        return route.has_value();
    }
    std::vector<std::string_view> w = words_of(rest);
    if (w.size() == 2 && w[1] == "gone") {
        auto ifindex = number_of(w[0]);
        if (ifindex) out.gone.push_back(*ifindex);
        return ifindex.has_value();
    }
    auto link = link_of(rest);
    if (link) out.links.push_back(std::move(*link));
    return link.has_value();
}

}  // namespace devmux
