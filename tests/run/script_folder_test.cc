// Folders of scripts as /etc/dev.d and /etc/hotplug.d: which are run for a device, and in which order.
#include "engine/run/script_folder.h"

#include <doctest/doctest.h>

#include "tests/run/shop.h"

using namespace devmux;
using namespace std::string_literals;

namespace {

struct Scripts {
    TempDir dir;
    void add(const std::string& name, mode_t mode = 0755) const {
        std::filesystem::create_directories(std::filesystem::path(dir / name).parent_path());
        dir.write(name, "#!/bin/sh\necho \"$0 $*\"\n", mode);
    }
    // Their names below the folder, in order.
    std::string of(const std::string& block) const {
        std::string out;
        for (const std::string& script : scripts_for(dir.path(), block).scripts)
            out += (out.empty() ? "" : " ") + script.substr(dir.path().size() + 1);
        return out;
    }
};

}  // namespace

TEST_SUITE("run/script_folder") {
    TEST_CASE("the name's folders, the subsystem's, default; each by the bytes of the names") {
        Scripts s;
        for (const char* name : {"default/20-b.dev", "default/9-a.dev", "default/10-c.dev", "default/x.hotplug",
                                 "input/i.dev", "input/event0/e.dev", "input/event1/no.dev", "block/no.dev",
                                 "sda/d.dev", "eth0/n.dev", "net/n.hotplug"})
            s.add(name);
        CHECK(s.of("SUBSYSTEM=input\0DEVNAME=input/event0\0"s) ==
              "input/i.dev input/event0/e.dev default/10-c.dev default/20-b.dev default/9-a.dev default/x.hotplug");
        CHECK(s.of("SUBSYSTEM=scsi\0DEVNAME=/dev/sda\0"s).starts_with("sda/d.dev default/10-c.dev"));
        CHECK(s.of("SUBSYSTEM=net\0INTERFACE=eth0\0"s).starts_with("eth0/n.dev net/n.hotplug default/10-c.dev"));
    }

    TEST_CASE("what has no node and no interface gets *.hotplug alone, as hotplug called them") {
        Scripts s;
        for (const char* name : {"default/a.dev", "default/b.hotplug", "usb/c.dev", "usb/d.hotplug"}) s.add(name);
        CHECK(s.of("SUBSYSTEM=usb\0"s) == "usb/d.hotplug default/b.hotplug");
        CHECK(s.of("") == "default/b.hotplug");
    }

    TEST_CASE("what is no script, or is switched off") {
        Scripts s;
        for (const char* name : {"default/a.dev~", "default/a.bak", "default/README", "default/.hidden.dev"}) s.add(name);
        s.add("default/off.dev", 0644);
        CHECK(s.of("SUBSYSTEM=x\0DEVNAME=y\0"s).empty());
        CHECK(scripts_for("/nowhere/at/all", "SUBSYSTEM=x\0"s).scripts.empty());
    }

    TEST_CASE("what a device calls itself leads nowhere else") {
        Scripts s;
        s.add("default/a.hotplug");
        s.add("a/x.dev");
        for (const char* name : {"../default", "..", "a/../a", "./a", "a//a", "/a", "a\n", "a b", ".", ""}) {
            CAPTURE(name);
            CHECK(s.of("DEVNAME="s + name + '\0' + "SUBSYSTEM=" + name + '\0') == "default/a.hotplug");
        }
        CHECK(s.of("DEVNAME=a\0"s) == "a/x.dev default/a.hotplug");
    }

    TEST_CASE("what others could have written is not run, and told; the rest is") {
        Scripts s;
        s.add("default/a.hotplug", 0777);
        s.add("default/b.hotplug");
        ScriptsFound found = scripts_for(s.dir.path(), "SUBSYSTEM=x\0"s);
        REQUIRE(found.refused.size() == 1);
        CHECK(found.refused[0].what.find("may be written by everybody") != std::string::npos);
        REQUIRE(found.scripts.size() == 1);
        chmod((s.dir / "default").c_str(), 0777);
        CHECK(scripts_for(s.dir.path(), "SUBSYSTEM=x\0"s).scripts.empty());
    }

    TEST_CASE("they are one job, with the subsystem as their argument; none of them is no job") {
        Shop shop;
        Unit unit{.name = "devd"};
        unit.service = {.kind = Service::Kind::Scripts, .scripts = shop.dir / "dev.d"};
        RunJob job{.job = 1, .unit = std::make_shared<Unit>(unit), .verb = Verb::Run};
        job.block = "SUBSYSTEM=block\0DEVNAME=sda\0"s;
        Started none = shop.runner.start(job);
        REQUIRE(none.ended);
        CHECK(none.ended->ok());
        CHECK(shop.spawner.commands.empty());
        for (const char* folder : {"dev.d", "dev.d/default"}) mkdir((shop.dir / folder).c_str(), 0755);
        std::string a = shop.dir.write("dev.d/default/a.dev", "", 0755), b = shop.dir.write("dev.d/default/b.dev", "", 0755);
        CHECK_FALSE(shop.runner.start(job).ended);
        const std::vector<std::string>& argv = shop.spawner.commands.at(0).argv;
        CHECK(std::vector(argv.begin() + 3, argv.end()) == std::vector<std::string>{"devmux-scripts", "block", a, b});
    }
}
