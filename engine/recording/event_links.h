// What is known of links and routes as words of a line, and back: of an event, of a checkpoint, and of a
// trace that people write.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/intake/event.h"

namespace devmux {

// "3 eth0 running usable none": ifindex, name, down, up or running, and the addresses of IPv4 and IPv6,
// which may be left out; behind them "master=4" of a port and "lower=2" of a VLAN and its like. "3 gone" is a
// line of its own.
std::string link_text(const LinkSeen& link);
std::optional<LinkSeen> link_of(std::string_view words);
// "default4 yes 3 4", "192.0.2.1 no"
std::string route_text(const RouteSeen& route);
std::optional<RouteSeen> route_of(std::string_view words);

std::string links_text(const LinksSeen& seen);  // whole lines; the last is "links" or "links unknown"
inline constexpr const char* kLinkLines =
    "\"link IFINDEX NAME down\", up or running, \"link IFINDEX gone\" or \"route TO yes IFINDEX\"";
// Takes a line "link …" or "route …" into `out`; false when it is none.
bool take_link_line(std::string_view word, std::string_view rest, LinksSeen& out);

}  // namespace devmux
