// Messages of rtnetlink(7) made into a picture of links, addresses and routes; and which dumps it still
// takes. Pure: whoever has the socket (links.h) asks what to request, and brings what comes.
//
// Links and addresses are followed message by message: each says all of its object. A dump is no single
// moment, and newer kernels make it without a lock: what a message has said since the request is not taken
// from the dump any more.
//
// Of routes the message is only the reason to dump them again. The kernel drops IPv4's without a word when
// a link goes down, an address goes that they send from, or a nexthop object changes; and a message of a
// route with several next hops says more or less than it, by family and version. Messages of prefixes that
// nobody asks about are passed over, and so a machine with a million routes keeps none of them.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "engine/intake/link_message.h"

namespace devmux {

enum class Dump : unsigned char { Links, Addresses, RoutesV4, RoutesV6 };

class LinkTable {
  public:
    LinkTable();

    // Whose routes are asked about, besides the default ones: addresses as inet_ntop(3) writes them.
    void ask(std::set<std::string> addresses);
    // Messages were lost: nothing is known until everything was dumped again.
    void lose();

    // What is to be dumped next; nothing while a dump is under way, or none is needed.
    std::optional<Dump> wanted() const;
    void begin(Dump dump, uint32_t sequence);
    void take(const RtMessage& message, bool dumped);
    bool is_dumping() const { return running_.has_value(); }
    // Of the last dump: the kernel refused it. Told once.
    std::optional<int> take_refusal() { return std::exchange(refused_, std::nullopt); }

    // All that is different from what was told last. Nothing: no difference, or it is being found out: what
    // messages said already is not told beside routes that may have gone with it. Not for ever: where
    // something changes all the time, it is told between two dumps.
    std::optional<LinksSeen> take_news();

    uint64_t interrupted() const { return interrupted_; }  // dumps that had to be made again

  private:
    using AddressKey = std::pair<uint64_t, std::string>;  // ifindex; family and key
    struct Best {  // of the routes that cover an address
        unsigned prefix = 0;
        uint32_t metric = 0;
        bool found = false;
        RouteSeen route;
    };
    using Routes = std::map<std::string, Best>;  // by destination
    struct Family {
        int number;
        std::string_view dflt;
        bool stale = true;
        int repeats = 0;
        std::map<std::string, std::string> asked;  // addresses, and their bytes
        Routes known, dumped;
    };

    void take(const LinkMessage& link, const RtMessage& message, bool dumped);
    void take(const AddressMessage& address, const RtMessage& message, bool dumped);
    void take(const RouteMessage& route, const RtMessage& message, bool dumped);
    void take(const NexthopMessage&, const RtMessage&, bool) { stale_routes(); }
    void take(const DumpEnd& end, const RtMessage& message, bool dumped);
    void forget_link(uint64_t ifindex);
    void stale_routes();
    void dump_ended(Dump dump);
    Family& family_of(Dump dump) { return families_[dump == Dump::RoutesV6]; }
    bool is_known() const;
    std::map<uint64_t, LinkSeen> links() const;

    struct Link {
        LinkSeen seen;
        uint64_t dump = 0;  // the last that it was in, or that ran when a message spoke of it
    };
    struct Address {
        AddressState state = AddressState::None;
        uint64_t dump = 0;
    };
    std::map<uint64_t, Link> links_;
    std::map<AddressKey, Address> addresses_;
    std::array<Family, 2> families_;
    std::set<AddressKey> spoken_of_;  // by messages since the dump was asked for; of links with an empty key
    bool links_stale_ = true, addresses_stale_ = true;
    bool lost_ = true;  // not everything was dumped since
    std::optional<Dump> running_;
    bool again_ = false;  // the dump that runs is to be made again
    bool void_ = false;   // … in any case: messages were lost since it began, or it looks for too little
    uint32_t sequence_ = 0;
    uint64_t dump_ = 0, told_dump_ = 0, interrupted_ = 0;
    std::optional<int> refused_;
    // What was told.
    bool told_known_ = false;
    std::map<uint64_t, LinkSeen> told_links_;
    std::map<std::string, RouteSeen> told_routes_;
};

}  // namespace devmux
