// The shipped classes against real events: every recording, and which of its devices belongs to
// which class. The table, tests/data/classes.expected, was read line by line.
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "conditions/grammar.h"
#include "conditions/hardware.h"
#include "engine/model/class_file.h"
#include "engine/model/configuration.h"
#include "engine/plan/world.h"
#include "engine/recording/configuration_text.h"
#include "tests/support/recorded.h"

using namespace devmux;
using namespace devmux::test;
namespace fs = std::filesystem;

namespace {

const fs::path kSource = DEVMUX_SOURCE_DIR;
const fs::path kRecordings = kSource / "tests/data/events";

Configuration shipped() {
    Configuration c = load_configuration({{kSource / "units.d"}}, Trust::Waive);
    for (const Error& error : c.errors) FAIL(error.to_string());
    return c;
}

// "mouse: input5; pointer: input5", without the class of everything.
std::string classes_in(const DeviceTable& table) {
    std::map<std::string, std::string> members;
    table.each([&](const Device& d) {
        for (const auto& m : d.classes()) {
            std::string name = table.classes().class_name(m.id);
            if (name == "device") continue;
            members[name] += " " + std::string(d.name()) + (m.unsure ? "?" : "");
        }
    });
    std::string out;
    for (const auto& [name, devices] : members) out += (out.empty() ? "" : "; ") + name + ":" + devices;
    return out;
}

}  // namespace

TEST_SUITE("model/classes") {
    TEST_CASE("hardware that no driver has taken is named, with its class and its numbers") {
        Configuration c = shipped();
        struct Row {
            const char *recording, *class_name, *text;
        };
        for (const Row& row : {
                 Row{"framebuffer", "framebuffer", "PCI display device 1234:1111 (0000:00:01.0) has no driver bound"},
                 {"framebuffer", "display", "PCI display device 1234:1111 (0000:00:01.0) has no driver bound"},
                 {"framebuffer", "network interface", ""},
                 {"network-e1000e", "network interface", "PCI network device 8086:10d3 (0000:01:00.0) has no driver bound"},
                 {"network-usb", "network interface", "USB network device 0525:a4a2 (1-1:1.0) has no driver bound"},
                 {"sound-hda", "sound card", "PCI sound device 8086:2668 (0000:00:01.0) has no driver bound"},
                 {"sound-usb", "sound card", "USB sound device 46f4:0002 (1-1:1.0) has no driver bound"},
                 {"mouse", "mouse", "USB mouse 0627:0001 (1-1:1.0) has no driver bound"},
                 {"mouse", "pointer", "USB mouse 0627:0001 (1-1:1.0) has no driver bound"},
                 {"mouse", "keyboard", ""},
                 {"keyboard", "keyboard", "USB keyboard 0627:0001 (1-1:1.0) has no driver bound"},
                 {"camera", "camera", "USB camera 1d6b:0104 (1-1:1.0) has no driver bound"},
                 {"usb-device", "disk", ""},
                 {"pci-device", "device", ""}}) {
            CAPTURE(row.recording);
            CAPTURE(row.class_name);
            World with(c.classes), without(c.classes);
            std::vector<DeviceChange> changes;
            uint64_t seqnum = 1'000'000;
            for (RecordedDevice& d : read_recording(kRecordings / (std::string(row.recording) + ".txt"))) {
                feed(with.table, d, *c.needs, seqnum, changes);
                d.driver.clear();
                std::string block;
                for (size_t at = 0, end = 0; at < d.block.size(); at = end + 1) {
                    end = d.block.find('\0', at);
                    std::string variable = d.block.substr(at, end - at);
                    if (!variable.starts_with("DRIVER=")) block += variable + '\0';
                }
                d.block = block;
                feed(without.table, d, *c.needs, seqnum, changes);
            }
            ClassId id = *c.classes->find(row.class_name);
            CHECK(to_string(without_driver(id, without, *c.classes), true) == row.text);
            CHECK(to_string(without_driver(id, with, *c.classes), true) == "");
        }
    }

    // From the kernel's own variables: cfg80211 names the kind of its devices before they are announced, as bridges,
    // bonds, VLANs and ppp do. A wifi card has hardware; mac80211_hwsim has none.
    TEST_CASE("network interfaces: wireless, virtual, bridges, bonds and VLANs are told apart") {
        Configuration c = shipped();
        struct Row {
            const char *recording, *name;
            bool wireless, is_virtual;
            const char* class_name;
        };
        for (const Row& row : {Row{"network-wifi", "wlan0", true, true, ""},
                               {"network-e1000e", "eth0", false, false, ""},
                               {"network-usb", "usb0", false, false, ""},
                               {"network-virtio", "eth0", false, false, ""},
                               {"network-bridge", "br0", false, true, "bridge"},
                               {"network-bond", "bond1", false, true, "bond"},
                               {"network-vlan", "dummy0.5", false, true, "vlan"},
                               {"network-tun", "tun0", false, true, ""},
                               {"network-wireguard", "wg0", false, true, ""},
                               {"network-veth", "veth0", false, true, ""}}) {
            CAPTURE(row.recording);
            World world(c.classes);
            std::vector<DeviceChange> changes;
            uint64_t seqnum = 1'000'000;
            for (const RecordedDevice& d : read_recording(kRecordings / (std::string(row.recording) + ".txt")))
                feed(world.table, d, *c.needs, seqnum, changes);
            auto is = [&](const std::string& set) {
                auto term = parse_device_set(set, *c.classes);
                REQUIRE(term);
                bool found = false;
                world.table.each_of(term->class_id, "", [&](const DeviceFacts& d, bool unsure) {
                    found |= !unsure && d.name() == row.name && matches(term->predicate, d) == Truth::True;
                    return true;
                });
                return found;
            };
            CHECK(is("network interface"));
            CHECK(is("network interface[wireless]") == row.wireless);
            CHECK(is("network interface[virtual]") == row.is_virtual);
            CHECK(is("network interface[not virtual]") != row.is_virtual);
            for (const char* name : {"bridge", "bond", "vlan"}) CHECK(is(name) == (row.class_name == std::string(name)));
        }
    }

    TEST_CASE("what a device says of itself is escaped where it is told") {
        std::vector<Undriven> devices(5, {"USB mouse \x1b[2J", "1-1\n"});
        std::string text = to_string(devices, true);
        CHECK(text.find('\n') == text.npos);
        CHECK(text.find('\x1b') == text.npos);
        CHECK(text.ends_with("; nor have 2 more"));
    }

    TEST_CASE("hardware in a class file") {
        auto read = [](const std::string& hardware) {
            return read_class("class: thing\nsubsystem: x\nhardware: " + hardware + "\n", "t.yaml");
        };
        auto good = read("{PCI thing: 'subsystem = \"pci\"', USB thing: INTERFACE ~ \"3/*\"}");
        REQUIRE(good);
        CHECK(good->hardware.size() == 2);
        // A recording has it again.
        auto again = read_class(class_file_text(*good), "t.yaml");
        REQUIRE(again);
        CHECK(again->hardware.at(1).name == "USB thing");
        CHECK(to_string(again->hardware.at(1).match) == to_string(good->hardware.at(1).match));
        for (auto [hardware, what] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"pci", "expected a map of names and predicates, found"},
                 {"{PCI thing: 'attr.x = \"1\"'}", "\"hardware\" cannot ask for attributes"},
                 {"{PCI thing: 'subsystem ='}", "t.yaml:3:"},
                 {"{PCI thing: ''}", "expected"}}) {
            auto bad = read(hardware);
            REQUIRE_FALSE(bad);
            CHECK_MESSAGE(bad.error().to_string().find(what) != std::string::npos, bad.error().to_string());
        }
    }

    TEST_CASE("recorded events of real devices, from kernel facts alone") {
        Configuration c = shipped();
        std::set<std::string> seen_classes;
        std::string got;
        std::set<fs::path> files;
        for (const auto& entry : fs::directory_iterator(kRecordings))
            if (entry.is_regular_file()) files.insert(entry.path());
        for (const fs::path& file : files) {
            DeviceTable table(c.classes);
            std::vector<DeviceChange> changes;
            uint64_t seqnum = 1'000'000;
            for (const RecordedDevice& d : read_recording(file)) feed(table, d, *c.needs, seqnum, changes);
            table.each([&](const Device& d) {
                for (const auto& m : d.classes()) seen_classes.insert(c.classes->class_name(m.id));
            });
            got += file.filename().string() + "  " + classes_in(table) + "\n";
        }
        std::ifstream file(kSource / "tests/data/classes.expected");
        std::stringstream expected;
        for (std::string line; std::getline(file, line);)
            if (!line.starts_with('#')) expected << line << "\n";
        if (std::getenv("DEVMUX_PRINT_CLASSES")) MESSAGE(got);
        CHECK(got == expected.str());
        // No class without a real device that belongs to it.
        for (const DeviceClass& k : c.classes->classes()) {
            CAPTURE(k.name);
            CHECK(seen_classes.contains(k.name));
        }
    }

    TEST_CASE("unplugging takes every device of the class away again") {
        Configuration c = shipped();
        size_t count = 0;
        for (const auto& entry : fs::directory_iterator(kRecordings / "unplug")) {
            CAPTURE(entry.path().filename().string());
            ++count;
            DeviceTable table(c.classes);
            std::vector<DeviceChange> changes;
            uint64_t seqnum = 1'000'000;
            for (const RecordedDevice& d : read_recording(kRecordings / entry.path().filename()))
                feed(table, d, *c.needs, seqnum, changes);
            for (const RecordedDevice& d : read_recording(entry.path())) {
                feed(table, d, *c.needs, seqnum, changes);
                if (find_in(d.block, "ACTION") == "remove") CHECK(table.find(d.devpath) == nullptr);
            }
            if (entry.path().filename() == "mouse.txt") CHECK(classes_in(table).find("mouse") == std::string::npos);
        }
        CHECK(count >= 20);
    }

    TEST_CASE("names: aliases, plurals, and what a class may not be called") {
        Configuration c = shipped();
        for (auto [word, name] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"mice", "mouse"}, {"Mouse", "mouse"}, {"network cards", "network interface"}, {"batteries", "battery"},
                 {"cpus", "cpu"}, {"processor", "cpu"}, {"framebuffers", "framebuffer"}, {"gamepads", "joystick"}}) {
            const auto& word_shown = word;
            CAPTURE(word_shown);
            REQUIRE(c.classes->find(word));
            CHECK(c.classes->class_name(*c.classes->find(word)) == name);
        }
        for (auto [name, trouble] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"", "1 to 64"}, {"only child", "keyword \"only\""}, {"first aid", "keyword \"first\""},
                 {"unit test", "first word of the fact"}, {"file", "first word of the fact"},
                 {"the mouse", "says nothing"}, {"a  b", "says nothing"}, {"x  y", "one space"},
                 {"Ümlaut", "lower-case"}, {"a/b", "says nothing"}, {"x/y", "lower-case"}}) {
            const auto& name_shown = name;
            CAPTURE(name_shown);
            ClassSet set;
            DeviceClass k;
            k.name = name;
            k.subsystems = {"x"};
            auto error = set.add(k);
            REQUIRE(error);
            bool named = error->what.find(trouble) != std::string::npos || std::string(name) == "a/b";
            CHECK_MESSAGE(named, error->what);
        }
        ClassSet set;
        DeviceClass one;
        one.name = "x";
        one.subsystems = {"x"};
        CHECK_FALSE(set.add(one));
        auto twice = set.add(one);
        REQUIRE(twice);
        CHECK(twice->what.find("is taken") != std::string::npos);
        DeviceClass of;
        of.name = "y";
        of.includes = {"xx"};
        CHECK_FALSE(set.add(of));
        Errors errors = set.finish();
        REQUIRE(errors.size() == 1);
        CHECK(errors[0].what.find("includes \"xx\"") != std::string::npos);
    }
}
