// Verdicts: Kleene's tables, counts as intervals, latches, `for`, and the reasons.
#include "conditions/evaluate.h"

#include <doctest/doctest.h>

#include "conditions/explain.h"
#include "conditions/grammar.h"
#include "conditions/spelling.h"
#include "tests/support/facts.h"

using namespace devmux;
using namespace std::chrono_literals;
using devmux::test::TestFacts;

namespace {

Condition read(const TestFacts& facts, const std::string& text) {
    auto condition = parse_condition(text, facts.classes);
    if (!condition) throw std::runtime_error(condition.error().to_string());
    renumber(*condition);
    return *condition;
}

Truth truth(const TestFacts& facts, const std::string& text) {
    Memory memory;
    return evaluate(read(facts, text), facts, 100s, memory).truth;
}

std::string missing_text(const TestFacts& facts, const std::string& text) {
    Explanation e = explain(read(facts, text), facts, facts.classes, 100s, {});
    std::string out;
    for (const Explanation* leaf : missing(e)) out += (out.empty() ? "" : ", ") + leaf->text;
    return out;
}

}  // namespace

TEST_SUITE("conditions/evaluate") {
    constexpr Truth T = Truth::True, F = Truth::False, U = Truth::Unknown;

    TEST_CASE("Kleene's tables") {
        TestFacts facts;
        std::map<std::string, Truth> values{{"/t", T}, {"/u", U}, {"/f", F}};
        for (const auto& [path, value] : values) facts.facts[{FactKind::File, path}] = value;
        auto file = [](const std::string& path) { return "file " + path + " exists"; };
        for (const auto& [a, a_truth] : values) {
            CHECK(truth(facts, "not " + file(a)) == (a_truth == T ? F : a_truth == F ? T : U));
            for (const auto& [b, b_truth] : values) {
                const auto& a_shown = a;
                CAPTURE(a_shown);
                const auto& b_shown = b;
                CAPTURE(b_shown);
                CHECK(truth(facts, file(a) + " and " + file(b)) == std::min(a_truth, b_truth));
                CHECK(truth(facts, file(a) + " or " + file(b)) == std::max(a_truth, b_truth));
            }
        }
    }

    TEST_CASE("counts are intervals, open above until coldplug is complete") {
        struct Row {
            const char* text;
            int known, unknown;
            Truth while_walking, afterwards;
        };
        for (const Row& r : std::initializer_list<Row>{
                 {"disk", 0, 0, U, F}, {"disk", 1, 0, T, T}, {"disk", 0, 1, U, U},
                 {"no disk", 0, 0, U, T}, {"no disk", 1, 0, F, F}, {"no disk", 0, 1, U, U},
                 {"at least 2 disk", 1, 0, U, F}, {"at least 2 disk", 2, 0, T, T},
                 {"at least 2 disk", 1, 1, U, U}, {"at least 2 disk", 0, 1, U, F},
                 {"at most 1 disk", 1, 0, U, T}, {"at most 1 disk", 2, 0, F, F},
                 {"at most 1 disk", 1, 1, U, U}, {"at most 1 disk", 0, 1, U, T},
                 {"exactly 1 disk", 1, 0, U, T}, {"exactly 1 disk", 2, 0, F, F},
                 {"exactly 1 disk", 0, 0, U, F}, {"exactly 1 disk", 1, 1, U, U},
                 {"exactly 0 disk", 0, 0, U, T},
                 {"at least 0 disk", 0, 0, T, T},
             }) {
            CAPTURE(r.text);
            CAPTURE(r.known);
            CAPTURE(r.unknown);
            TestFacts facts;
            for (int i = 0; i < r.known; ++i) facts.add("disk", "/devices/k" + std::to_string(i));
            for (int i = 0; i < r.unknown; ++i)
                facts.add("disk", "/devices/u" + std::to_string(i)).is_ready = false;
            facts.complete = false;
            CHECK(truth(facts, r.text) == r.while_walking);
            facts.complete = true;
            CHECK(truth(facts, r.text) == r.afterwards);
        }
    }

    TEST_CASE("all: of none is false, one that fails decides at once") {
        TestFacts facts;
        CHECK(truth(facts, "all disk bound") == F);
        facts.complete = false;
        CHECK(truth(facts, "all disk bound") == U);
        facts.add("disk", "/devices/a").drv = "sd";
        CHECK(truth(facts, "all disk bound") == U);
        facts.complete = true;
        CHECK(truth(facts, "all disk bound") == T);
        facts.add("disk", "/devices/b");
        CHECK(truth(facts, "all disk bound") == F);
        facts.complete = false;
        CHECK(truth(facts, "all disk bound") == F);
        // The set is narrowed by the first bracket, asked by the second.
        facts.complete = true;
        CHECK(truth(facts, "all disk[name = a] bound") == T);
        facts.devices["disk"][0].attributes["removable"] = {T, "0"};
        CHECK(truth(facts, "all disk[name = a] have [attr.removable = 0]") == T);
        CHECK(truth(facts, "all disk[name = a] have [attr.removable = 1]") == F);
        CHECK(truth(facts, "all disk[name = a] have [attr.other = 1]") == U);
    }

    TEST_CASE("states and predicates") {
        TestFacts facts;
        auto& bus = facts.add("usb device", "/devices/usb1/1-1");
        bus.sub = "usb";
        bus.drv = "usb";
        bus.attributes["product"] = {T, "Logitech Mouse"};
        auto& disk = facts.add("disk", "/devices/usb1/1-1/sda");
        disk.above = &bus;
        disk.properties["ID_BUS"] = "usb";
        disk.properties["KEY"] = "70000 0 0 0 0";  // bits 272 to 274, as a mouse has them
        disk.attributes["gone"] = {F, ""};
        disk.attributes["id/vendor"] = {T, "0x1af4"};
        auto holds = [&](const std::string& predicate) { return truth(facts, "disk[" + predicate + "]"); };
        CHECK(holds("name = sda") == T);
        CHECK(holds("name ~ 'sd?'") == T);
        CHECK(holds("name !~ 'sd?'") == F);
        CHECK(holds("subsystem = test") == T);
        CHECK(holds("driver = usb") == T);      // the nearest ancestor's
        CHECK(holds("driver != usb") == F);
        CHECK(holds("bound") == T);
        CHECK(holds("virtual") == F);
        CHECK(holds("ID_BUS = usb and not ID_BUS = ata") == T);
        CHECK(holds("MISSING = x") == F);
        CHECK(holds("MISSING != x") == T);
        CHECK(holds("MISSING ~ '*'") == F);
        CHECK(holds("KEY has BTN_LEFT") == T);
        CHECK(holds("KEY has 272") == T);
        CHECK(holds("KEY has 0x112") == T);
        CHECK(holds("KEY has 275") == F);
        CHECK(holds("MISSING has 1") == F);
        CHECK(holds("attr.id/vendor = 0x1af4") == T);
        CHECK(holds("attr.unread = 1") == U);
        CHECK(holds("not attr.unread = 1") == U);
        CHECK(holds("attr.unread = 1 or name = sda") == T);
        CHECK(holds("attr.gone = 1") == F);
        CHECK(holds("attr.gone = 1 default 1") == T);
        CHECK(holds("attr.gone != 1") == T);
        CHECK(holds("parent.usb.attr.product ~ '*Logitech*'") == T);
        CHECK(holds("parent.pci.attr.product ~ '*'") == F);
        CHECK(truth(facts, "disk bound") == T);
        disk.is_ready = false;
        CHECK(truth(facts, "disk present") == U);
        CHECK(truth(facts, "disk seen") == T);
    }

    TEST_CASE("it: this very device, wherever others are") {
        TestFacts facts;
        auto set = parse_device_set("disk[driver = \"sd\"]", facts.classes);
        REQUIRE(set);
        auto it = parse_condition("it", facts.classes, {.for_each = &*set});
        auto named = parse_condition("it[name = \"b\"] bound", facts.classes, {.for_each = &*set});
        REQUIRE(it);
        REQUIRE(named);
        auto truth_of_it = [&](const Condition& condition, const std::string& path, uint64_t inode) {
            Memory memory;
            memory.it = Witness{path, {inode, 0, 0}};
            return evaluate(condition, facts, 100s, memory).truth;
        };
        facts.complete = false;
        CHECK(truth_of_it(*it, "/devices/a", 1) == U);
        facts.add("disk", "/devices/a").drv = "sd";
        facts.add("disk", "/devices/b").drv = "sr";
        CHECK(truth_of_it(*it, "/devices/a", 1) == T);
        CHECK(truth_of_it(*named, "/devices/a", 1) == U);
        CHECK(truth_of_it(*it, "/devices/a", 2) == F);  // another has its place
        facts.complete = true;
        CHECK(truth_of_it(*it, "/devices/a", 0) == T);  // nothing says that it is another
        CHECK(truth_of_it(*it, "/devices/x/a", 1) == F);
        CHECK(truth_of_it(*it, "/devices/b", 1) == F);  // not as for-each asks
        facts.devices["disk"][1].drv = "sd";
        CHECK(truth_of_it(*it, "/devices/b", 1) == T);
        CHECK(truth_of_it(*named, "/devices/b", 1) == T);
        CHECK(truth_of_it(*named, "/devices/a", 1) == F);
        facts.devices["disk"][1].is_ready = false;
        CHECK(truth_of_it(*it, "/devices/b", 1) == U);
        Memory nobody;
        CHECK(evaluate(*it, facts, 100s, nobody).truth == F);
        Memory memory;
        memory.it = Witness{"/devices/c", {1, 0, 0}};
        CHECK(explain(*it, facts, facts.classes, 100s, memory).seen == "/devices/c has gone");
        memory.it = Witness{"/devices/a", {1, 0, 0}};
        CHECK(explain(*it, facts, facts.classes, 100s, memory).seen.starts_with("a (/devices/a), for 1m40s"));
        CHECK(explain(*named, facts, facts.classes, 100s, memory).seen == "a (/devices/a): name is \"a\"");
    }

    TEST_CASE("first: the earliest in natural order wins, and is held") {
        TestFacts facts;
        Condition c = read(facts, "first network interface");
        Memory memory;
        CHECK(evaluate(c, facts, 1s, memory).truth == F);
        facts.add("network interface", "/devices/eth9").gen = {9, 0, 0};
        facts.add("network interface", "/devices/eth10").gen = {10, 0, 0};
        Verdict v = evaluate(c, facts, 2s, memory);
        CHECK(v.truth == T);
        REQUIRE(v.witness);
        CHECK(v.witness->devpath == "/devices/eth9");
        CHECK(v.witness->generation.inode == 9);
        // Held, whatever becomes of the winner; only the leaf is held.
        facts.devices.clear();
        CHECK(evaluate(c, facts, 3s, memory).truth == T);
        Condition both = read(facts, "first network interface and disk");
        Memory second;
        facts.add("network interface", "/devices/eth1");
        CHECK(evaluate(both, facts, 4s, second).truth == F);
        facts.devices.clear();
        facts.add("disk", "/devices/sda");
        CHECK(evaluate(both, facts, 5s, second).truth == T);
        facts.devices.clear();
        CHECK(evaluate(both, facts, 6s, second).truth == F);
    }

    TEST_CASE("for: begins at true, ends at false, is kept over unknown for the same device") {
        TestFacts facts;
        Condition c = read(facts, "disk for 5s");
        Memory memory;
        facts.add("disk", "/devices/sda").gen = {1, 0, 0};
        Verdict v = evaluate(c, facts, 10s, memory);
        CHECK(v.truth == F);
        CHECK(v.deadline == 15s);
        CHECK(evaluate(c, facts, 14s, memory).truth == F);
        CHECK(evaluate(c, facts, 15s, memory).truth == T);
        // False resets it.
        facts.devices.clear();
        CHECK(evaluate(c, facts, 16s, memory).truth == F);
        facts.add("disk", "/devices/sda").gen = {2, 0, 0};
        CHECK(evaluate(c, facts, 17s, memory).deadline == 22s);
        // Unknown: the verdict is unknown, the clock goes on.
        facts.devices["disk"][0].is_ready = false;
        CHECK(evaluate(c, facts, 18s, memory).truth == U);
        facts.devices["disk"][0].is_ready = true;
        CHECK(evaluate(c, facts, 23s, memory).truth == T);
        // … and starts anew when it was another device.
        facts.devices["disk"][0].is_ready = false;
        CHECK(evaluate(c, facts, 24s, memory).truth == U);
        facts.devices["disk"][0].is_ready = true;
        facts.devices["disk"][0].gen = {3, 0, 0};
        CHECK(evaluate(c, facts, 25s, memory).deadline == 30s);
    }

    TEST_CASE("both the latches and the clocks of every part see every change") {
        // `or` must not stop at its first true part: the second's latch would miss its device.
        TestFacts facts;
        Condition c = read(facts, "disk or first network interface");
        Memory memory;
        facts.add("disk", "/devices/sda");
        facts.add("network interface", "/devices/eth0");
        CHECK(evaluate(c, facts, 1s, memory).truth == T);
        facts.devices.clear();
        CHECK(evaluate(c, facts, 2s, memory).truth == T);
    }

    TEST_CASE("the smallest set of missing facts") {
        TestFacts facts;
        CHECK(missing_text(facts, "mouse and framebuffer") == "mouse, framebuffer");
        CHECK(missing_text(facts, "mouse and (framebuffer or display)") == "mouse, framebuffer");
        CHECK(missing_text(facts, "(mouse and disk) or cpu") == "cpu");
        facts.add("mouse", "/devices/m");
        CHECK(missing_text(facts, "mouse and framebuffer") == "framebuffer");
        CHECK(missing_text(facts, "(mouse and disk) or (cpu and display)") == "disk");
        CHECK(missing_text(facts, "not mouse") == "mouse");
        CHECK(missing_text(facts, "not (mouse and disk)") == "");
        CHECK(missing_text(facts, "not (mouse or disk) and cpu") == "mouse, cpu");
        CHECK(missing_text(facts, "mouse") == "");
        CHECK(missing_text(facts, "mouse for 5s") == "mouse for 5s");  // only time is missing
        CHECK(missing_text(facts, "disk for 5s") == "disk");
    }

    TEST_CASE("who could help: a card that is there needs to be switched on, and not to be bought") {
        TestFacts facts;
        auto supplier = [&](const char* text) { return explain(read(facts, text), facts, facts.classes, 100s, {}).supplier; };
        CHECK(supplier("network interface online") == "somebody");  // there is none
        facts.add("network interface", "/devices/eth0");
        for (LinkState state : {LinkState::Up, LinkState::Running, LinkState::Online}) facts.links[{"/devices/eth0", state}] = F;
        CHECK(supplier("network interface up").starts_with("whoever switches it on: ifup"));
        CHECK(supplier("first network interface running").find("a cable") != std::string::npos);
        CHECK(supplier("network interface online").starts_with("whoever configures the network"));
        CHECK(supplier("network interface[name = \"eth1\"] online") == "somebody");
        CHECK(supplier("at least 2 network interfaces") == "somebody");
        // Facts: with the name that is meant.
        CHECK(supplier("unit gdm active") == "the unit itself: devmux explain gdm");
        CHECK(supplier("mode docked") == "whoever sets it: devmux mode docked");
        CHECK(supplier("/srv mounted") == "whoever mounts it: mount /srv");
        CHECK(supplier("/srv on ext4") == "whoever mounts it: mount -t ext4");
        CHECK(supplier("runlevel 2 to 5") == "init: telinit 2");
    }

    TEST_CASE("what carries the root file system is asked of the facts, and not of the device") {
        TestFacts facts;
        auto& eth = facts.add("network interface", "/devices/eth0");
        auto says = [&](const char* text) { return explain(read(facts, text), facts, facts.classes, 100s, {}); };
        CHECK(matches(read(facts, "network interface[carries-root]").device.predicate, eth) == U);
        CHECK(truth(facts, "network interface[carries-root]") == U);
        CHECK(truth(facts, "no network interface[not carries-root]") == U);
        CHECK(says("network interface[carries-root]").seen == "none; not counted: eth0 (/devices/eth0): not known yet whether it carries the root file system or /usr");
        CHECK(says("network interface[carries-root]").supplier == "the mounts and routes to be known that tell what comes over eth0");
        facts.carriers["/devices/eth0"] = T;
        CHECK(truth(facts, "network interface[carries-root]") == T);
        CHECK(truth(facts, "all network interface have [not carries-root]") == F);
        CHECK(says("network interface[carries-root]").seen == "eth0 (/devices/eth0), carries / (NFS from 10.0.2.2), for 1m40s");
        CHECK(says("network interface[not carries-root]").seen == "none; not counted: eth0 (/devices/eth0), carries / (NFS from 10.0.2.2)");
        CHECK(says("network interface").seen == "eth0 (/devices/eth0), for 1m40s");
        facts.carriers["/devices/eth0"] = F;
        CHECK(truth(facts, "network interface[carries-root]") == F);
        CHECK(says("network interface[carries-root]").seen == "none; not counted: eth0 (/devices/eth0): not carries-root");
        CHECK(truth(facts, "network interface[not carries-root and name = eth0]") == T);
        // Something comes over the network, over another one; and on a machine on disks no card is of any help.
        CHECK(says("network interface[carries-root]").supplier == "a route over it to the server of / or /usr");
        facts.local = "/ is on ext4";
        for (const char* text : {"network interface[carries-root]", "first network interface[name = eth0 and carries-root] up"}) {
            CHECK(says(text).seen == "none: nothing of / or /usr comes over the network (/ is on ext4)");
            CHECK(says(text).supplier.empty());
        }
        CHECK(says("network interface[not carries-root and name = eth1]").supplier == "somebody");
    }

    TEST_CASE("a no says what was seen instead, how old it is, and who could help") {
        TestFacts facts;
        auto& eth = facts.add("network interface", "/devices/eth0");
        eth.drv = "e1000e";
        eth.learnt = 40s;
        Explanation e = explain(read(facts, "network interface[driver = \"igb\"]"), facts, facts.classes, 100s, {});
        CHECK(e.truth == F);
        CHECK(e.seen == "none; not counted: eth0 (/devices/eth0): driver is \"e1000e\"");
        CHECK(e.supplier == "somebody");
        CHECK(explain(read(facts, "network interface"), facts, facts.classes, 100s, {}).seen ==
              "eth0 (/devices/eth0), for 1m");
        facts.complete = false;
        CHECK(explain(read(facts, "mouse"), facts, facts.classes, 100s, {}).seen ==
              "none yet; coldplug is not complete");
        // Hostile names reach a terminal escaped.
        facts.add("disk", "/devices/\033[2J");
        CHECK(explain(read(facts, "disk"), facts, facts.classes, 100s, {}).seen.find('\033') == std::string::npos);
    }
}
