// Which links carry the file systems that this machine lives on, / and /usr, where these come from a server:
// the links that the route to it leads over, and what these stand on: the ports of a bridge, bond or team, and
// the link below a VLAN and its like. Whoever takes one of them down takes the machine with it.
//
// What is carried is read from the table of mounts, whose server is an address: no name is ever looked up. Of a
// root that lies over another one (an overlay, as live systems have it) the one below is not seen.
//
// A route that is absent for a moment, or leads elsewhere, is no reason to take down the link by which the file
// system came: what carried it goes on counting as a carrier until others have carried it for kSteady without a
// change, until it comes from elsewhere, or until the link has gone.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "conditions/duration.h"
#include "engine/plan/known_links.h"
#include "engine/plan/known_mounts.h"

namespace devmux {

// The paths in question, which are looked at where somebody asks for carriers.
inline constexpr std::string_view kRootPath = "/", kUsrPath = "/usr";
// Longer than a switch or a router takes to start again.
inline constexpr Duration kSteady = std::chrono::minutes(5);

struct Carried {
    std::string path, type;      // kRootPath or kUsrPath
    std::string server;          // empty: not known
    std::vector<uint64_t> over;  // links of the route
    std::set<uint64_t> links;    // these, and what they stand on
    std::set<uint64_t> former{};  // not among these, and count still
    Time since = kNever;          // while there are such: since when `links` is what it is; kNever: it is empty
    bool operator==(const Carried&) const = default;
};

struct Carriers {
    bool mounts = false;           // it is known what the paths lie on; else nothing is
    std::vector<Carried> carried;  // those that come from a server
    bool known = false;            // … and over which links, all of them
    // Links that carried something when it was known last what the paths lie on, by a former engine too.
    std::set<uint64_t> before{};
    bool operator==(const Carriers&) const = default;
};

// As it is now. Without a route to the server nobody knows which link will carry it: that is unknown, and not none.
Carriers carriers_of(const KnownMounts& mounts, const KnownLinks& links);
// Puts into `now` what was known before.
void remember(const Carriers& before, const KnownLinks& links, Time at, Carriers& now);
// What a checkpoint kept of the links that count still.
void recall(const Carriers& kept, Carriers& now);
// When links that carried something count no more, if nothing else changes.
Time next_change(const Carriers& carriers);
// All that carry something, or count still.
std::set<uint64_t> all_carriers(const Carriers& carriers);
// The servers whose routes have to be known.
std::set<std::string> servers_of(const KnownMounts& mounts);

// Of a network interface.
Truth carries(const Carriers& carriers, const KnownLinks& links, const DeviceFacts& device);
// "carries the root file system (NFS from 10.0.2.2, by way of br0)"; empty where it carries nothing.
std::string carried_text(const Carriers& carriers, const KnownLinks& links, const DeviceFacts& device);
// "carries / (NFS from 10.0.2.2)"; or why it does not, or why that is not known.
std::string carries_text(const Carriers& carriers, const KnownMounts& mounts, const KnownLinks& links, const DeviceFacts& device);
// What the paths in question lie on: "/ is on ext4, /usr is on nfs4 from 10.0.2.2 over eth0".
std::string lies_on(const Carriers& carriers, const KnownMounts& mounts, const KnownLinks& links);
// One line for each link that carries something: "eth0 carries / (NFS from 10.0.2.2)".
std::vector<std::string> carrier_lines(const Carriers& carriers, const KnownLinks& links);

}  // namespace devmux
