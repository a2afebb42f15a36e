// The walk finds every device, parents first, in a made-up tree and on this machine.
#include "engine/intake/coldplug.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>

#include "tests/intake/temp_tree.h"

using namespace devmux;

namespace {

std::vector<std::string> paths(const std::vector<FoundDevice>& devices) {
    std::vector<std::string> out;
    for (const FoundDevice& device : devices) out.push_back(device.devpath);
    return out;
}

std::vector<std::string> sorted(std::vector<std::string> list) {
    std::ranges::sort(list);
    return list;
}

bool parents_first(const std::vector<FoundDevice>& devices) {
    std::set<std::string> all, before;
    for (const FoundDevice& device : devices) all.insert(device.devpath);
    for (const FoundDevice& device : devices) {
        std::string_view path = device.devpath;
        while (!(path = path.substr(0, path.rfind('/'))).empty())
            if (all.contains(std::string(path)) && !before.contains(std::string(path)))
                return false;
        before.insert(device.devpath);
    }
    return true;
}

struct Tree : TempTree {
    Tree() {
        file("devices/pci0/uevent");
        file("devices/pci0/power/control", "auto\n");
        file("devices/pci0/usb1/uevent", "DEVTYPE=usb_device\n");
        file("devices/pci0/usb1/speed", "480\n");
        link("devices/pci0/usb1/subsystem", "../../../bus/usb");
        file("devices/pci0/usb1/net/eth0/uevent", "IFINDEX=2\n");
        file("devices/pci0/usb1/net/eth0/statistics/rx_bytes", "0\n");
        file("devices/pci0/usb1/net/eth0/queues/rx-0/rps_cpus", "0\n");
        file("devices/pci0/usb1/power/power/odd/uevent");  // a device below what looks like groups
        file("devices/system/cpu/cpu0/uevent");
        file("devices/uevent");  // the top itself is no device
        link("devices/loop", ".");
        link("devices/pci0/elsewhere", "../../bus/usb/drivers/usb");
        file("bus/usb/drivers/usb/uevent");
        file("module/usbcore/uevent");
        file("devices/pci0/fake/uevent/file");  // a directory of that name is no uevent file
        file("kernel/uevent_seqnum", "1234\n");
    }
    Sysfs sysfs{path()};
    AttributeNeeds needs;
};

}  // namespace

TEST_SUITE_BEGIN("intake/coldplug");

TEST_CASE_FIXTURE(Tree, "every device, parents first, nothing else") {
    Result<Snapshot> snapshot = walk_sysfs(sysfs, needs);
    REQUIRE(snapshot);
    CHECK(snapshot->seqnum == 1234);
    CHECK(sorted(paths(snapshot->devices)) ==
          sorted({"/devices/pci0", "/devices/pci0/usb1", "/devices/pci0/usb1/net/eth0",
                  "/devices/pci0/usb1/power/power/odd", "/devices/system/cpu/cpu0"}));
    CHECK(parents_first(snapshot->devices));
}

TEST_CASE_FIXTURE(Tree, "each as a look at it alone finds it") {
    needs.need("usb", "speed");
    needs.need("", "missing");
    Result<Snapshot> snapshot = walk_sysfs(sysfs, needs);
    REQUIRE(snapshot);
    for (const FoundDevice& device : snapshot->devices) {
        CAPTURE(device.devpath);
        std::optional<FoundDevice> alone = sysfs.read(device.devpath, needs);
        REQUIRE(alone);
        CHECK(alone->block == device.block);
        CHECK(alone->subsystem == device.subsystem);
        CHECK(alone->standing.generation == device.standing.generation);
        REQUIRE(alone->standing.attributes.size() == device.standing.attributes.size());
        bool usb = device.subsystem == "usb";
        REQUIRE(device.standing.attributes.size() == (usb ? 2 : 1));
        if (usb) CHECK(device.standing.attributes[1].text == "480");
    }
}

TEST_CASE_FIXTURE(Tree, "without a number every event is younger") {
    remove("kernel");
    Result<Snapshot> snapshot = walk_sysfs(sysfs, needs);
    REQUIRE(snapshot);
    CHECK(snapshot->seqnum == 0);
}

TEST_CASE_FIXTURE(Tree, "no devices/ at all is an error, not an empty machine") {
    remove("devices");
    Result<Snapshot> snapshot = walk_sysfs(sysfs, needs);
    REQUIRE_FALSE(snapshot);
    CHECK(snapshot.error().where.file == "/devices");
    CHECK(snapshot.error().what.find("No such file") != std::string::npos);
    CHECK_FALSE(walk_sysfs(Sysfs("/nonexistent"), needs));
}

TEST_CASE_FIXTURE(Tree, "depth is bounded") {
    std::string deep = "devices";
    for (int i = 0; i < 64; ++i) deep += "/d";
    file(deep + "/uevent");
    CHECK(walk_sysfs(sysfs, needs));
    file(deep + "/d/uevent");
    Result<Snapshot> snapshot = walk_sysfs(sysfs, needs);
    REQUIRE_FALSE(snapshot);
    CHECK(snapshot.error().what == "more than 64 directories deep");
}

TEST_CASE_FIXTURE(Tree, "ancestors that are not known, parents first") {
    const std::string eth0 = "/devices/pci0/usb1/net/eth0";
    auto ancestors = [&](std::string_view path, const std::set<std::string, std::less<>>& known) {
        return paths(unknown_ancestors(sysfs, needs, path,
                                       [&](std::string_view p) { return known.contains(p); }));
    };
    using Paths = std::vector<std::string>;
    CHECK(ancestors(eth0, {}) == Paths{"/devices/pci0", "/devices/pci0/usb1"});
    CHECK(ancestors(eth0, {"/devices/pci0"}) == Paths{"/devices/pci0/usb1"});
    CHECK(ancestors(eth0, {"/devices/pci0/usb1"}) == Paths{"/devices/pci0"});
    CHECK(ancestors(eth0, {"/devices/pci0", "/devices/pci0/usb1"}) == Paths{});
    CHECK(ancestors("/devices/pci0", {}) == Paths{});
    // The device itself may be gone already: its ancestors are not.
    CHECK(ancestors("/devices/pci0/gone/x/y", {}) == Paths{"/devices/pci0"});
    CHECK(ancestors("/module/usbcore/x", {}) == Paths{});
    CHECK(ancestors("/devices/../devices/pci0/usb1", {}) == Paths{});
    CHECK(ancestors("", {}) == Paths{});
}

TEST_CASE_FIXTURE(Tree, "whether there is an ancestor that is not known") {
    const std::string eth0 = "/devices/pci0/usb1/net/eth0";
    std::vector<std::string> asked;
    auto unknown = [&](std::string_view path, const std::set<std::string, std::less<>>& known) {
        return has_unknown_ancestor(sysfs, path, [&](std::string_view p) {
            asked.emplace_back(p);
            return known.contains(p);
        });
    };
    CHECK(unknown(eth0, {}));
    CHECK(asked == std::vector<std::string>{"/devices/pci0"});
    CHECK(unknown(eth0, {"/devices/pci0"}));
    CHECK(unknown(eth0, {"/devices/pci0/usb1"}));
    // ".../net" is not known either, but no device.
    CHECK_FALSE(unknown(eth0, {"/devices/pci0", "/devices/pci0/usb1"}));
    CHECK_FALSE(unknown("/devices/pci0", {}));
    CHECK(unknown("/devices/pci0/gone/x/y", {}));
    CHECK_FALSE(unknown("/devices/gone/x/y", {}));
    CHECK_FALSE(unknown("/module/usbcore/x", {}));
    CHECK_FALSE(unknown("/devices/../devices/pci0/usb1", {}));
    CHECK_FALSE(unknown("", {}));
}

// Nothing where a folder went while it was searched.
std::vector<std::string> search_for_devices() {
    std::vector<std::string> found;
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator at("/sys/devices", error), end; !error && at != end; at.increment(error))
        if (at->path().filename() == "uevent")
            found.push_back(at->path().parent_path().string().substr(4));
    return error ? std::vector<std::string>() : sorted(std::move(found));
}

TEST_CASE("this machine: the same devices as a search for uevent files finds") {
    Result<Snapshot> snapshot = walk_sysfs(Sysfs("/sys"), {});
    std::vector<std::string> expected = search_for_devices();
    // Other tests make interfaces meanwhile.
    auto differ = [&] { return !snapshot || expected.empty() || sorted(paths(snapshot->devices)) != expected; };
    for (auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
         differ() && std::chrono::steady_clock::now() < end;) {
        snapshot = walk_sysfs(Sysfs("/sys"), {});
        expected = search_for_devices();
    }
    REQUIRE(expected.size() > 10);
    REQUIRE_MESSAGE(snapshot, snapshot.error().to_string());
    CHECK(sorted(paths(snapshot->devices)) == expected);
    CHECK(parents_first(snapshot->devices));
    CHECK(snapshot->seqnum > 0);
    for (const FoundDevice& device : snapshot->devices)
        CHECK(device.standing.generation.inode != 0);
}

TEST_SUITE_END();
