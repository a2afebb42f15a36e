// Which links carry / and /usr: by the route to the server, and what the links of that route stand on.
#include "engine/plan/carriers.h"

#include <doctest/doctest.h>

#include "tests/support/facts.h"
#include "tests/support/net_machine.h"

using namespace devmux;
using devmux::test::interface;

namespace {

constexpr Truth T = Truth::True, F = Truth::False, U = Truth::Unknown;
constexpr auto Usable = AddressState::Usable, None = AddressState::None;

const Mount kExt4{"/", "ext4", "/dev/vda2"}, kNfs{"/", "nfs4", "10.0.2.2:/srv", "10.0.2.2"},
    kUsr{"/usr", "nfs", "s:/usr", "2001:db8::1"};

LinkSeen link(uint64_t ifindex, const char* name, uint64_t master = 0, uint64_t lower = 0) {
    return {ifindex, name, true, true, Usable, None, master, lower};
}

struct Machine {
    KnownMounts mounts;
    KnownLinks links;

    Machine(const Mount& root, const Mount& usr, const LinksSeen& seen = {}) {
        take_in({"/", root, {}}, mounts);
        take_in({"/usr", usr, {}}, mounts);
        take_in(seen, links);
    }
    Truth carried(const char* name, uint64_t ifindex) const { return carries(carriers_of(mounts, links), links, interface(name, ifindex)); }
    std::string says(const char* name, uint64_t ifindex) const {
        return carries_text(carriers_of(mounts, links), mounts, links, interface(name, ifindex));
    }
    std::string all() const {
        std::string out;
        for (const std::string& line : carrier_lines(carriers_of(mounts, links), links)) out += line + "; ";
        return out;
    }
};

}  // namespace

TEST_SUITE("plan/carriers") {
    TEST_CASE("a machine on disks: no link carries it, whatever is known of links") {
        Machine m(kExt4, kExt4);
        CHECK(m.carried("eth0", 2) == F);
        CHECK(m.says("eth0", 2) == "carries neither / nor /usr: / is on ext4");
        CHECK(lies_on(carriers_of(m.mounts, m.links), m.mounts, m.links) == "/ is on ext4");
        CHECK(servers_of(m.mounts).empty());
        CHECK(m.all().empty());
    }

    TEST_CASE("nothing is known of one of the two: unknown") {
        CHECK(Machine({}, kExt4).carried("eth0", 2) == U);
        CHECK(Machine(kExt4, {}).carried("eth0", 2) == U);
        CHECK(Machine({"/", "", ""}, kExt4).carried("eth0", 2) == U);  // a root out of sight
        CHECK(Machine({}, {}).says("eth0", 2) == "not known yet whether it carries / or /usr");
    }

    TEST_CASE("the route to the server leads over it") {
        Machine m(kNfs, kNfs, {true, {link(2, "eth0"), link(3, "eth1")}, {}, {{"10.0.2.2", T, {2}}}});
        CHECK(servers_of(m.mounts) == std::set<std::string>{"10.0.2.2"});
        CHECK(m.carried("eth0", 2) == T);
        CHECK(m.carried("eth1", 3) == F);
        CHECK(m.carried("lan0", 2) == U);  // between the two announcements of a rename
        CHECK(m.carried("eth2", 4) == U);  // its link was not announced yet
        CHECK(m.says("eth0", 2) == "carries / (NFS from 10.0.2.2)");
        CHECK(m.says("eth1", 3) == "carries neither / nor /usr: / is on nfs4 from 10.0.2.2 over eth0");
        CHECK(m.all() == "eth0 carries / (NFS from 10.0.2.2); ");
        take_in({true, {}, {}, {{"10.0.2.2", T, {3}}}}, m.links);
        CHECK(m.carried("eth0", 2) == F);
        CHECK(m.carried("eth1", 3) == T);
    }

    TEST_CASE("unknown: no route, not all links, a next hop without a name, a server without an address") {
        Machine m(kNfs, kExt4, {true, {link(2, "eth0")}, {}, {{"10.0.2.2", F, {}}}});
        CHECK(m.carried("eth0", 2) == U);
        CHECK(m.says("eth0", 2) == "not known yet whether it carries / or /usr: no route leads to 10.0.2.2, the server of /");
        take_in({true, {}, {}, {{"10.0.2.2", T, {0, 2}}}}, m.links);
        CHECK(m.carried("eth0", 2) == U);
        take_in({}, m.links);
        CHECK(m.carried("eth0", 2) == U);
        m = Machine({"/", "nfs", "s:/"}, kExt4, {true, {link(2, "eth0")}, {}, {}});
        CHECK(m.carried("eth0", 2) == U);
        CHECK(m.says("eth0", 2) == "not known yet whether it carries / or /usr: the address of the server of / is not known");
        CHECK(servers_of(m.mounts).empty());
    }

    TEST_CASE("what it stands on: ports of a bridge and of a bond, the link below a VLAN; circles end") {
        // br0 has the ports vlan7 and eth9; vlan7 is on bond0, whose ports are eth0 and eth1.
        Machine m(kNfs, kNfs, {true, {link(2, "eth0", 4), link(3, "eth1", 4), link(4, "bond0"), link(5, "vlan7", 6, 4), link(6, "br0"),
                                      link(7, "eth2"), link(9, "eth9", 6)}, {}, {{"10.0.2.2", T, {6}}}});
        for (auto [name, ifindex] : {std::pair("eth0", 2), {"eth1", 3}, {"bond0", 4}, {"vlan7", 5}, {"br0", 6}, {"eth9", 9}})
            CHECK(m.carried(name, static_cast<uint64_t>(ifindex)) == T);
        CHECK(m.carried("eth2", 7) == F);
        CHECK(m.says("br0", 6) == "carries / (NFS from 10.0.2.2)");
        CHECK(m.says("eth0", 2) == "carries / (NFS from 10.0.2.2, by way of br0)");
        // A port that comes later, and one that leaves.
        take_in({true, {link(7, "eth2", 6), link(3, "eth1")}, {}, {}}, m.links);
        CHECK(m.carried("eth2", 7) == T);
        CHECK(m.carried("eth1", 3) == F);
        take_in({true, {link(6, "br0", 5, 6)}, {}, {}}, m.links);
        CHECK(m.carried("br0", 6) == T);
    }

    TEST_CASE("over several links; and / and /usr each from its own server") {
        Machine m(kNfs, kUsr, {true, {link(2, "eth0"), link(3, "eth1"), link(4, "eth2")}, {}, {{"10.0.2.2", T, {2, 3}}, {"2001:db8::1", T, {3}}}});
        CHECK(m.all() == "eth0 carries / (NFS from 10.0.2.2); eth1 carries / (NFS from 10.0.2.2), and /usr (NFS from 2001:db8::1); ");
        Carriers carriers = carriers_of(m.mounts, m.links);
        CHECK(carried_text(carriers, m.links, interface("eth0", 2)) == "carries the root file system (NFS from 10.0.2.2)");
        CHECK(carried_text(carriers, m.links, interface("eth2", 4)).empty());
        // One of the two is not known to lead anywhere: who carries the other is.
        take_in({true, {}, {}, {{"2001:db8::1", F, {}}}}, m.links);
        CHECK(m.carried("eth0", 2) == T);
        CHECK(m.carried("eth2", 4) == U);
        Machine usr(kExt4, kUsr, {true, {link(3, "eth1"), link(4, "eth2")}, {}, {{"2001:db8::1", T, {3}}}});
        CHECK(usr.says("eth2", 4) == "carries neither / nor /usr: / is on ext4, /usr is on nfs from 2001:db8::1 over eth1");
    }

    TEST_CASE("what carried it counts until others have done so steadily, it has gone, or the mount has") {
        auto at = [](int seconds) { return Time(std::chrono::seconds(seconds)); };
        constexpr int kMinutes = 5 * 60;
        struct Following : Machine {
            using Machine::Machine;
            Carriers known{};
            void look(Time now) {
                Carriers fresh = carriers_of(mounts, links);
                remember(known, links, now, fresh);
                known = std::move(fresh);
            }
            Truth carried(const char* name, uint64_t ifindex) const { return carries(known, links, interface(name, ifindex)); }
        };
        Following m(kNfs, kExt4, {true, {link(2, "eth0"), link(3, "eth1"), link(4, "eth2")}, {}, {{"10.0.2.2", T, {2}}}});
        auto route = [&](Truth there, std::vector<uint64_t> over, Time now) {
            take_in({true, {}, {}, {{"10.0.2.2", there, std::move(over)}}}, m.links);
            m.look(now);
        };
        m.look(at(10));
        CHECK(next_change(m.known) == kNever);
        route(F, {}, at(20));
        CHECK(m.carried("eth0", 2) == T);
        CHECK(m.carried("eth1", 3) == U);
        CHECK(carried_text(m.known, m.links, interface("eth0", 2)) ==
              "carried the root file system (NFS from 10.0.2.2), which no other interface has done for 5m");
        CHECK(next_change(m.known) == kNever);
        m.look(at(20 + 10 * kMinutes));
        CHECK(m.carried("eth0", 2) == T);
        // It moves, and moves on: each counts until the last has stayed.
        route(T, {3}, at(5000));
        CHECK(next_change(m.known) == at(5000 + kMinutes));
        CHECK(m.carried("eth0", 2) == T);
        CHECK(m.carried("eth1", 3) == T);
        CHECK(m.carried("eth2", 4) == F);
        route(T, {4}, at(5000 + kMinutes - 1));
        CHECK(next_change(m.known) == at(5000 + 2 * kMinutes - 1));
        take_in({}, m.links);  // messages lost
        m.look(at(5600));
        CHECK(next_change(m.known) == kNever);
        CHECK(all_carriers(m.known) == std::set<uint64_t>{2, 3, 4});
        take_in({true, {link(2, "eth0"), link(4, "eth2")}, {}, {{"10.0.2.2", T, {4}}}}, m.links);
        m.look(at(6000));
        CHECK(all_carriers(m.known) == std::set<uint64_t>{2, 4});  // the other has gone meanwhile
        m.look(at(6000 + kMinutes - 1));
        CHECK(m.carried("eth0", 2) == T);
        m.look(at(6000 + kMinutes));
        CHECK(m.carried("eth0", 2) == F);
        CHECK(m.carried("eth2", 4) == T);
        CHECK(next_change(m.known) == kNever);
        // Not known for a while on what it lies, and then from another server, and from a disk.
        take_in({"/", {}, {}}, m.mounts);
        m.look(at(7000));
        CHECK(m.carried("eth2", 4) == U);
        route(T, {2}, at(7001));
        take_in({"/", kNfs, {}}, m.mounts);
        m.look(at(7002));
        CHECK(all_carriers(m.known) == std::set<uint64_t>{2, 4});
        take_in({"/", {"/", "nfs", "s", "10.0.2.3"}, {}}, m.mounts);
        m.look(at(7003));
        CHECK(all_carriers(m.known).empty());
        CHECK(m.carried("eth2", 4) == U);  // no route is known yet
        route(T, {2}, at(7004));
        take_in({"/", kExt4, {}}, m.mounts);
        m.look(at(7005));
        CHECK(m.carried("eth0", 2) == F);
        CHECK(m.known == Carriers{.mounts = true, .carried = {}, .known = true});
    }

    TEST_CASE("before the mounts were read in this boot nothing that may take an interface down is stopped, and then it is") {
        struct Boot {
            Time now{std::chrono::seconds(100)};
            Engine engine{test::NetMachine::with({{"net", "{while: file /run/want exists, takes-down: link, command: {start: [/a], stop: [/b]}}"}}), "", now};
            size_t stops = 0;

            // What boot had started is taken up, and is not wanted any more.
            explicit Boot(Truth carried) {
                SavedState saved;
                saved.carried = carried;
                saved.units["net"] = {.unit = "net", .verdict = Truth::True, .wanted = Wanted::Up, .actual = Actual::Active};
                Actions actions;
                engine.start(saved, now, actions);
                feed(UdevSeen{UdevPresence::Absent, true});
                feed(Snapshot{.devices = {test::NetMachine::found("eth0", 2)}});
                feed(CaughtUp{});
                feed(ColdplugComplete{});
                feed(FileSeen{"/run/want", Truth::False});
            }
            void feed(const Event& event) {
                Actions actions;
                engine.handle(event, now, actions);
                for (const PlanAction& action : actions) stops += std::holds_alternative<RunJob>(action);
            }
        };
        CHECK(Boot(F).stops == 1);  // known from a former engine
        for (auto [root, stops] : {std::pair(Mount{}, 1U), {kExt4, 1U}, {kNfs, 0U}}) {
            Boot boot(U);
            CHECK(boot.stops == 0);
            CHECK(boot.engine.planner().units()[0].kept == "held: it is not known whether eth0 carries the root file system or /usr");
            boot.feed(MountsSeen{{{"/srv", kExt4, {}}}});  // nobody asked about these two yet
            CHECK(boot.stops == 0);
            boot.feed(MountsSeen{{{"/", root, {}}, {"/usr", root, {}}}});
            CHECK(boot.stops == stops);
        }
    }

    TEST_CASE("news of links are for who asks, and not for who may take one down") {
        test::NetMachine m({{"down", "{for-each: link, command: {start: [/a], stop: [/b]}}"},
                            {"asks", "{for-each: 'link[not carries-root]', command: {start: [/a], stop: [/b]}}"},
                            {"none", "{while: settled, command: {start: [/a], stop: [/b]}}"}});
        const WatchIndex& index = m.engine.planner().conditions_index();
        REQUIRE(index.asking_carriers().size() == 1);
        CHECK(m.engine.planner().units()[index.asking_carriers()[0]].unit->name == "asks");
        test::NetMachine down(test::NetMachine::Units{{"down", "{for-each: link, command: {start: [/a], stop: [/b]}}"}});
        const WatchIndex& of_down = down.engine.planner().conditions_index();
        CHECK(of_down.asking_carriers().empty());
        CHECK(of_down.asks_carriers());
        CHECK(of_down.facts(FactKind::Mounted) == std::vector<FactKey>{{FactKind::Mounted, "/"}, {FactKind::Mounted, "/usr"}});
    }

    TEST_CASE("a server on this very machine is carried by nobody") {
        Machine m({"/", "nfs", "localhost:/", "127.0.0.1"}, kExt4, {true, {link(2, "eth0")}, {}, {}});
        CHECK(m.carried("eth0", 2) == F);
        CHECK(servers_of(m.mounts).empty());
    }

    TEST_CASE("what hostile names say is escaped") {
        Machine m({"/", "nfs", "s", "10.0.2.2"}, kExt4, {true, {link(2, "\033[31m"), link(3, "eth1", 2)}, {}, {{"10.0.2.2", T, {2}}}});
        CHECK(m.says("eth1", 3) == "carries / (NFS from 10.0.2.2, by way of \\x1b[31m)");
    }
}
