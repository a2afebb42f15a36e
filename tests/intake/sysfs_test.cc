// One look at a made-up sysfs, and at this machine's.
#include "engine/intake/sysfs.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/intake/temp_tree.h"

using namespace devmux;
using std::string_literals::operator""s;

namespace {

// A USB interface with a driver, a link and a disk; a driver's and a module's directory.
struct FakeSysfs : TempTree {
    FakeSysfs() {
        file("devices/pci0/uevent", "");
        file("devices/pci0/usb1/uevent", "MAJOR=189\nDEVTYPE=usb_device\nDRIVER=usb\n");
        link("devices/pci0/usb1/subsystem", "../../../bus/usb");
        link("devices/pci0/usb1/driver", "../../../bus/usb/drivers/usb");
        file("devices/pci0/usb1/idVendor", "046d\n");
        file("devices/pci0/usb1/two", "one\ntwo\n\n");
        file("devices/pci0/usb1/none", "");
        file("devices/pci0/usb1/id/bus", "3");
        file("devices/pci0/usb1/net/eth0/uevent", "INTERFACE=eth0\nIFINDEX=7\nDISKSEQ=1\n");
        link("devices/pci0/usb1/net/eth0/subsystem", "../../../../../class/net");
        link("devices/pci0/usb1/net/eth0/device", "../../../usb1");
        file("devices/pci0/block/sda/uevent", "DISKSEQ=12\nIFINDEX=3\nDEVTYPE=disk\n");
        link("devices/pci0/block/sda/subsystem", "../../../../class/block");
        file("devices/pci0/usb1/net/eth0/queues/rx-0/rps_cpus", "0\n");
        file("bus/usb/drivers/usb/uevent", "");
        file("module/usbcore/uevent", "");
        file("secret", "from outside of the device\n");
        link("devices/shortcut", "pci0");
    }
    Sysfs sysfs{path()};
    AttributeNeeds nothing;
    uint64_t inode(std::string_view name) const {
        struct stat status {};
        return stat(at(name).c_str(), &status) == 0 ? status.st_ino : 0;
    }
};

}  // namespace

TEST_SUITE_BEGIN("intake/sysfs");

TEST_CASE_FIXTURE(FakeSysfs, "what is a device") {
    struct Row {
        const char* path;
        bool device;
    };
    for (const Row& row :
         {Row{"/devices/pci0", true}, Row{"/devices/pci0/usb1", true},
          Row{"/devices/pci0/usb1/net", false}, Row{"/devices", false}, Row{"/devices/", false},
          Row{"/devices/none", false}, Row{"/devices/pci0/usb1/uevent", false},
          Row{"/devices/pci0/usb1/net/eth0/queues/rx-0", false}, Row{"/module/usbcore", false},
          Row{"/bus/usb/drivers/usb", false},
          // Links never lead to a device, at the end of a path or before it.
          Row{"/devices/shortcut", false}, Row{"/devices/shortcut/usb1", false},
          Row{"/devices/pci0/usb1/net/eth0/device", false}, Row{"/devices/../devices/pci0", false},
          Row{"/devices/./pci0", false}, Row{"/devices//pci0", false}, Row{"devices/pci0", false},
          Row{"", false}}) {
        CAPTURE(row.path);
        CHECK(sysfs.is_device(row.path) == row.device);
        CHECK(sysfs.read(row.path, nothing).has_value() == row.device);
        CHECK(sysfs.standing(row.path).device == row.device);
    }
    CHECK_FALSE(sysfs.is_device("/devices/pci0\0/usb1"s));
}

TEST_CASE_FIXTURE(FakeSysfs, "a device, read in full") {
    std::optional<FoundDevice> device = sysfs.read("/devices/pci0/usb1", nothing);
    REQUIRE(device);
    CHECK(device->devpath == "/devices/pci0/usb1");
    CHECK(device->subsystem == "usb");
    CHECK(
        device->block ==
        "DEVPATH=/devices/pci0/usb1\0SUBSYSTEM=usb\0MAJOR=189\0DEVTYPE=usb_device\0DRIVER=usb\0"s);
    CHECK(device->standing.exists);
    CHECK(device->standing.driver == "usb");
    CHECK(device->standing.generation == Generation{.inode = inode("devices/pci0/usb1")});
    CHECK(device->standing.attributes.empty());
}

TEST_CASE_FIXTURE(FakeSysfs, "without a subsystem, without a driver") {
    std::optional<FoundDevice> device = sysfs.read("/devices/pci0", nothing);
    REQUIRE(device);
    CHECK(device->subsystem.empty());
    CHECK(device->block == "DEVPATH=/devices/pci0\0"s);
    CHECK(device->standing.driver.empty());
}

TEST_CASE_FIXTURE(FakeSysfs, "generations: only the subsystem's own number counts") {
    CHECK(sysfs.read("/devices/pci0/usb1/net/eth0", nothing)->standing.generation ==
          Generation{.inode = inode("devices/pci0/usb1/net/eth0"), .ifindex = 7});
    CHECK(sysfs.read("/devices/pci0/block/sda", nothing)->standing.generation ==
          Generation{.inode = inode("devices/pci0/block/sda"), .diskseq = 12});
    const std::string block = "SUBSYSTEM=net\0IFINDEX=8\0DISKSEQ=5\0"s;
    CHECK(sysfs.standing("/devices/pci0/usb1/net/eth0", block).generation ==
          Generation{.inode = inode("devices/pci0/usb1/net/eth0"), .ifindex = 8});
    // Gone: the numbers of the event are all there is.
    CHECK(sysfs.standing("/devices/pci0/usb1/net/eth9", block).generation ==
          Generation{.ifindex = 8});
    const std::string broken = "SUBSYSTEM=net\0IFINDEX=8x\0"s;
    CHECK(sysfs.standing("/devices/pci0/usb1/net/eth0", broken).generation.ifindex == 0);
}

TEST_CASE_FIXTURE(FakeSysfs, "an inode survives a rename and not a re-creation") {
    Generation before = sysfs.standing("/devices/pci0/usb1/net/eth0").generation;
    rename("devices/pci0/usb1/net/eth0", "devices/pci0/usb1/net/lan0");
    CHECK(sysfs.standing("/devices/pci0/usb1/net/lan0").generation == before);
    // The old one is still there, so the new one is another, whatever the file system reuses.
    file("devices/pci0/usb1/net/eth0/uevent");
    CHECK(sysfs.standing("/devices/pci0/usb1/net/eth0").generation != before);
}

TEST_CASE_FIXTURE(FakeSysfs, "standing: a directory that is no device, and what is gone") {
    Standing queue = sysfs.standing("/devices/pci0/usb1/net/eth0/queues/rx-0");
    CHECK(queue.exists);
    CHECK_FALSE(queue.device);
    Standing module = sysfs.standing("/module/usbcore");
    CHECK(module.exists);
    CHECK_FALSE(module.device);
    CHECK(module.generation.inode == inode("module/usbcore"));
    Standing gone = sysfs.standing("/devices/pci0/usb2");
    CHECK_FALSE(gone.exists);
    CHECK(gone.generation == Generation{});
    CHECK_FALSE(sysfs.attributes("/devices/pci0/usb2", std::vector<std::string>{"idVendor"}));
}

TEST_CASE_FIXTURE(FakeSysfs, "attributes: bounded, regular files, inside of the device") {
    file("devices/pci0/usb1/long", std::string(10'000, 'x'));
    file("devices/pci0/usb1/binary", "a\0b"s);
    link("devices/pci0/usb1/out", "../../../secret");
    REQUIRE(mkfifo(at("devices/pci0/usb1/fifo").c_str(), 0600) == 0);
    struct Row {
        const char* name;
        std::optional<std::string> text;
    };
    const Row rows[] = {{"idVendor", "046d"},
                        {"two", "one\ntwo\n"},  // one newline is sysfs's, the other the driver's
                        {"none", ""},
                        {"id/bus", "3"},
                        {"long", std::string(kAttributeMaxBytes, 'x')},
                        {"binary", "a\0b"s},
                        {"missing", std::nullopt},
                        {"id", std::nullopt},  // a directory
                        {"driver", std::nullopt},
                        {"out", std::nullopt},
                        {"fifo", std::nullopt},
                        {"../../../secret", std::nullopt},
                        {"id/../idVendor", std::nullopt},
                        {"/etc/passwd", std::nullopt},
                        {"id//bus", std::nullopt},
                        {"", std::nullopt},
                        {".", std::nullopt}};
    std::vector<std::string> names;
    for (const Row& row : rows) names.emplace_back(row.name);
    auto read = sysfs.attributes("/devices/pci0/usb1", names);
    REQUIRE(read);
    REQUIRE(read->attributes.size() == names.size());
    for (size_t i = 0; i < names.size(); ++i) {
        CAPTURE(names[i]);
        CHECK(read->attributes[i].name == names[i]);
        CHECK(read->attributes[i].text == rows[i].text);
    }
}

TEST_CASE_FIXTURE(FakeSysfs, "attributes through the link to another device") {
    const std::vector<std::string> names{"device/idVendor"};
    CHECK(sysfs.attributes("/devices/pci0/usb1/net/eth0", names)->attributes[0].text == "046d");
}

TEST_CASE_FIXTURE(FakeSysfs, "what a device smuggles into its uevent file") {
    file("devices/pci0/usb1/uevent",
         "HID_NAME=evil\nDEVPATH=/devices/x\nSUBSYSTEM=mem\nACTION=remove\nSEQNUM=1\nno value\n"
         "=x\nIFINDEX=9\nLAST=no newline");
    std::optional<FoundDevice> device = sysfs.read("/devices/pci0/usb1", nothing);
    REQUIRE(device);
    CHECK(
        device->block ==
        "DEVPATH=/devices/pci0/usb1\0SUBSYSTEM=usb\0HID_NAME=evil\0IFINDEX=9\0LAST=no newline\0"s);
    CHECK(device->standing.generation.ifindex == 0);
}

TEST_CASE_FIXTURE(FakeSysfs, "needs: those of the subsystem and those of all") {
    AttributeNeeds needs;
    needs.need("usb", "idVendor");
    needs.need("usb", "idVendor");
    needs.need("", "removable");
    needs.need("net", "carrier");
    needs.need("", "id/bus");
    auto list = [&](std::string_view subsystem) {
        std::string out;
        for (const std::string& name : needs.for_subsystem(subsystem)) out += name + ' ';
        return out;
    };
    CHECK(list("usb") == "id/bus idVendor removable ");
    CHECK(list("net") == "carrier id/bus removable ");
    CHECK(list("block") == "id/bus removable ");
    CHECK(list("") == "id/bus removable ");
    CHECK(AttributeNeeds{}.for_subsystem("usb").empty());

    std::optional<FoundDevice> device = sysfs.read("/devices/pci0/usb1", needs);
    REQUIRE(device);
    REQUIRE(device->standing.attributes.size() == 3);
    CHECK(device->standing.attributes[0].text == "3");
    CHECK(device->standing.attributes[1].text == "046d");
    CHECK(device->standing.attributes[2].text == std::nullopt);
}

TEST_CASE("a root that is not there has no devices") {
    Sysfs sysfs("/nonexistent/sys");
    CHECK(sysfs.root_fd() == -1);
    CHECK_FALSE(sysfs.is_device("/devices/pci0"));
    CHECK_FALSE(sysfs.standing("/devices/pci0").exists);
    CHECK_FALSE(sysfs.read("/devices/pci0", {}).has_value());
}

TEST_CASE("this machine: lo, null, and a queue that is announced without being a device") {
    Sysfs sysfs("/sys");
    AttributeNeeds needs;
    needs.need("net", "address");
    needs.need("net", "speed");  // EINVAL for lo: not there
    std::optional<FoundDevice> lo = sysfs.read("/devices/virtual/net/lo", needs);
    REQUIRE(lo);
    CHECK(lo->subsystem == "net");
    CHECK(lo->standing.generation.ifindex == 1);
    CHECK(lo->standing.generation.inode != 0);
    CHECK(lo->standing.attributes[0].text == "00:00:00:00:00:00");
    CHECK(lo->standing.attributes[1].text == std::nullopt);
    CHECK(sysfs.is_device("/devices/virtual/mem/null"));
    Standing queue = sysfs.standing("/devices/virtual/net/lo/queues/rx-0");
    CHECK(queue.exists);
    CHECK_FALSE(queue.device);
}

TEST_SUITE_END();
