// The shipped units: each loads, and is quiet where what it starts is not installed.
#include <doctest/doctest.h>

#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "engine/model/configuration.h"
#include "engine/plan/placeholders.h"

using namespace devmux;
namespace fs = std::filesystem;

namespace {

Configuration shipped(std::optional<std::string> root = {}) {
    return load_configuration({{fs::path(DEVMUX_SOURCE_DIR) / "units.d"}, std::move(root)}, Trust::Waive);
}

// A machine's /etc/X11/default-display-manager.
struct Machine {
    fs::path root;
    explicit Machine(const std::string& choice) {
        std::string name = (fs::temp_directory_path() / "devmux-root-XXXXXX").string();
        root = mkdtemp(name.data());
        fs::create_directories(root / "etc/X11");
        if (!choice.empty()) std::ofstream(root / "etc/X11/default-display-manager") << choice;
    }
    ~Machine() { fs::remove_all(root); }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    std::shared_ptr<const Unit> unit() const { return shipped(root.string()).units.at("gdm"); }
};

}  // namespace

TEST_SUITE("model/shipped") {
    TEST_CASE("all of them load without a warning") {
        Configuration c = shipped();
        CHECK(c.broken.empty());
        CHECK(c.errors.empty());
        for (const char* name : {"alsa", "bluez", "fetchmail", "gdm", "ifrename", "mountnfs", "ntpdate", "powernowd", "remote-fs"})
            CHECK_MESSAGE(c.units.contains(name), name);
        for (const auto& [name, unit] : c.units)
            for (const Error& warning : unit->warnings) FAIL_CHECK(warning.to_string());
    }

    TEST_CASE("none is an error where its package is not installed") {
        const Configuration c = shipped();
        for (const auto& [name, unit] : c.units) {
            const std::string& shown = name;
            CAPTURE(shown);
            bool waits_for_it = false;
            each_leaf(unit->condition, [&](const Condition& leaf) {
                bool file = leaf.kind == Condition::Kind::Fact && leaf.fact.kind == FactKind::File;
                waits_for_it |= file && (leaf.fact.name.starts_with("/usr/sbin/") || leaf.fact.name.starts_with("/sbin/"));
            });
            CHECK((unit->service.may_be_missing || waits_for_it));
            CHECK(unit->condition_kind != ConditionKind::None);
            CHECK(!unit->documentation.empty());
        }
    }

    TEST_CASE("the arguments of an instance's start") {
        const Configuration c = shipped();
        auto start = [&](const char* unit, const char* device) {
            Service service = c.units.at(unit)->service;
            return fill_in(service, Verb::Start, device, "", "").value_or(service.start.back());
        };
        CHECK(start("alsa", "card0") == "0");
        CHECK(start("alsa", "card12") == "12");
        CHECK(start("ifrename", "eth0") == "eth0");
    }

    TEST_CASE("ifrename: what it says of a card decides, and its exit status does not") {
        const std::vector<std::string> start = shipped().units.at("ifrename")->service.start;
        REQUIRE(start.size() == 5);
        Machine machine("");
        const fs::path program = machine.root / "ifrename", ran = machine.root / "ran";
        // As ifrename(8): 255 and not a word of a card that /etc/iftab does not name.
        std::ofstream(program) << "#!/bin/sh\n[ \"$1\" = -D ] || echo \"$*\" >" << ran.string() << "\n"
                               << "case $* in *named) exit 255;; *torn) echo Error >&2; exit 255;; esac\necho lan0\n";
        fs::permissions(program, fs::perms::owner_all);
        for (auto [card, status, does] : std::initializer_list<std::tuple<std::string, int, bool>>{
                 {"eth0", 0, true}, {"unnamed", 0, false}, {"torn", 255, true}}) {
            const std::string& shown = card;
            CAPTURE(shown);
            std::string command = "PATH=" + machine.root.string() + ":$PATH " + start[0] + " " + start[1] + " '" + start[2] + "' " +
                                  start[3] + " " + card + " >" + (machine.root / "out").string() + " 2>&1";
            int how = system(command.c_str());
            CHECK(WEXITSTATUS(how) == status);
            CHECK(fs::exists(ran) == does);
            if (does) {
                std::ifstream in(ran);
                std::string line;
                std::getline(in, line);
                CHECK(line == "-t -i " + card);
            }
            fs::remove(ran);
        }
    }

    TEST_CASE("the display manager is the one that was chosen on this machine") {
        for (auto [choice, script] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"", "gdm3"}, {"/usr/sbin/lightdm\n", "lightdm"}, {"/usr/bin/xdm", "xdm"}, {"/usr/bin/sddm \r\n", "sddm"}}) {
            const char* shown = choice;
            CAPTURE(shown);
            Machine machine(choice);
            CHECK(machine.unit()->service.init_script == script);
            CHECK(machine.unit()->warnings.empty());
        }
        // Nothing that could be a script, or no file at all that is read: the unit's own.
        for (const char* choice : {"lightdm\n", "\n/usr/bin/xdm\n", "/usr/sbin/\n", "/usr/sbin/..\n", "/usr/sbin/a b\n"}) {
            CAPTURE(choice);
            Machine machine(choice);
            CHECK(machine.unit()->service.init_script == "gdm3");
            CHECK(machine.unit()->warnings.size() == 1);
        }
        Machine large(std::string(5000, '/'));
        CHECK(large.unit()->warnings.size() == 1);
        CHECK(shipped().units.at("gdm")->service.init_script == "gdm3");
    }
}
