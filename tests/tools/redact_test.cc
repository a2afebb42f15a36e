// Redaction: what may not be left of a recording, what must stay, and that it is still one.
#include "tools/redact.h"

#include <doctest/doctest.h>

#include <set>

#include "tests/recording/world.h"
#include "tools/trace_text.h"

using namespace devmux;
using namespace std::string_literals;

namespace {

const std::string kHead = "devmux-trace 1\nrecorded x\n";
const std::string kAdd = "add /devices/x/y\n  SUBSYSTEM=x\n";

struct Row {
    const char* what;
    std::string lines;  // of a recording
    std::vector<std::string> gone, kept;
};

// What stands in the first line that begins so, behind that.
std::string behind(const std::string& text, const std::string& begin) {
    size_t at = text.find("\n" + begin);
    REQUIRE_MESSAGE(at != text.npos, begin << " is not in\n" << text);
    at += 1 + begin.size();
    return text.substr(at, text.find('\n', at) - at);
}

const std::vector<Row> kTable{
    {"serial numbers, by the names of variables",
     kAdd + "  POWER_SUPPLY_SERIAL_NUMBER= 47114\n  ID_SERIAL=Foo_S3CR3T77\n  ID_USB_SERIAL_SHORT=S3CR3T77\n  MY_SERIAL_NO=ABQQ\n"
            "  UNIQ=\"ABRR12\"\n  udev.ID_SCSI_SERIAL=ABSS12\n",
     {"47114", "S3CR3T77", "ABQQ", "ABRR12", "ABSS12"},
     {"POWER_SUPPLY_SERIAL_NUMBER= "}},
    {"and of attributes",
     kAdd + "  attr.serial_number=SN-ABCD-998877\n  attr.device/serial=QQ99WW\n  awaited.manufacturer_serial=ZZ88YY\n"
            "  attr.cid=1501004d42473433\n  attr.subsysnqn=nqn.2014.08.org.nvmexpress:S3EVNX0J\n  attr.uuid=ab-cd-77\n"
            "  attr.backing_file=/home/anna/secret.img\n  attr.wwid=nvme.144d-5331\n  attr.board_asset_tag=TAG1234\n",
     {"ABCD", "998877", "QQ99WW", "ZZ88YY", "1501004d42473433", "S3EVNX0J", "ab-cd-77", "anna", "144d-5331", "TAG1234"},
     {}},
    {"a root hub's is the address of its controller",
     "add /devices/pci0000:00/0000:00:01.0/usb1\n  SUBSYSTEM=usb\n  attr.serial=0000:00:01.0\nadd /devices/platform/dummy_hcd.0/usb2\n  attr.serial=dummy_hcd.0\n"
     "add /devices/pci0000:00/0000:00:01.0/usb1/1-1\n  SUBSYSTEM=usb\n  attr.serial=ABQQ7788\n",
     {"ABQQ7788"},
     {"/0000:00:01.0/usb1\n", "serial=0000:00:01.0\n", "serial=dummy_hcd.0\n"}},
    {"an interface named by its address, which stands nowhere else",
     "add /devices/usb1/net/wlx001122334455\n  SUBSYSTEM=net\n  INTERFACE=wlx001122334455\n"
     "udev add /devices/usb1/net/enxaabbccddeeff\n  SUBSYSTEM=net\n  ID_NET_NAME_MAC=enxaabbccddeeff\n",
     {"001122334455", "aabbccddeeff"},
     {"INTERFACE=wlx", "ID_NET_NAME_MAC=enx"}},
    {"addresses behind a colon, and longer ones",
     "cmdline ifname=net0:52:54:00:12:34:56 BOOTIF=01-52-54-00-ab-cd-ef\n" + kAdd +
         "  attr.address=80:00:02:08:fe:80:00:00:00:00:00:00:f4:52:14:03:00:28:0c:31\n  A=x:02:ca:fe:00:00:07\n"
         "  W=50:0a:09:86:8d:4f:12:34\n  attr.broadcast=ff:ff:ff:ff:ff:ff\n  attr.none=00:00:00:00:00:00\n",
     {"52:54:00:12", "52-54-00-ab", "f4:52:14", "02:ca:fe", "86:8d:4f"},
     {"ifname=net0:", "BOOTIF=01-", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"}},
    {"IPv6 addresses that are made of one",
     kAdd + "  attr.gid=fe80:0000:0000:0000:f452:1403:0028:0c31\n  LL=fe80::5054:ff:fe12:3456/64\n  IP=2001:db8::5054:ff:fe77:8899\n",
     {"f452:1403", "5054:ff:fe12", "5054:ff:fe77"},
     {"fe80::"}},
    {"the kernel's command line",
     "cmdline root=UUID=1234-ABCD rd.luks.uuid=luks-aaaabbbb-cccc-dddd-eeee-ffff00001111 systemd.machine_id=0123456789abcdef0123456789abcdea "
     "ip=192.168.7.9::192.168.7.1:255.255.255.0:annas-laptop:net0 resume=/dev/disk/by-uuid/77AB-99CD cryptdevice=UUID=9999-8888:crypt "
     "rd.lvm.lv=annasvg/root root=LABEL=annasdisk systemd.hostname=annashost wlan.password=hunter2 crypt quiet\n" + kAdd,
     {"1234-ABCD", "aaaabbbb", "0123456789abcdef", "annas", "77AB-99CD", "9999-8888", "hunter2"},
     {"cmdline root=UUID=", "192.168.7.9", ":net0", ":crypt ", " crypt quiet", "/root ", "rd.luks.uuid=luks-"}},
    {"UUIDs wherever they stand",
     kAdd + "  DM_NAME=luks-aaaabbbb-cccc-dddd-eeee-ffff00001111\n  DM_VG_NAME=annas-vg\n  N=annas--vg-root\n"
            "  DEVLINKS=/dev/disk/by-partuuid/7788-01 /dev/disk/by-label/Annas\\\\x20Disk /dev/disk/by-id/dm-name-x\n",
     {"aaaabbbb", "ffff00001111", "annas", "Annas", "7788-01"},
     {"DM_NAME=luks-", "N=", "-root\n", "dm-name-x"}},
    {"world wide names",
     kAdd + "  ID_PATH=pci-0000:5e:00.0-fc-0x500a09868d4f1234-lun-0\n  ID_WWN=0x5000c50011112222\n  L=/dev/disk/by-id/wwn-0x5000c50011112222\n"
            "  FLAGS=0x0000000000001003\n",
     {"500a09868d4f1234", "5000c50011112222"},
     {"pci-0000:5e:00.0-fc-0x", "-lun-0", "0x0000000000001003"}},
    {"what a person called a Bluetooth device",
     "add /devices/virtual/misc/uhid/0005:046D:B342.0001/input/input33\n  SUBSYSTEM=input\n  NAME=\"Anna's AirPods\"\n  PRODUCT=5/46d/b342/1\n"
     "add /devices/virtual/misc/uhid/0005:046D:B342.0001\n  SUBSYSTEM=hid\n  HID_ID=0005:0000046D:0000B342\n  HID_NAME=Anna's AirPods\n"
     "add /devices/usb/0003:046D:B342.0002/input/input34\n  SUBSYSTEM=input\n  NAME=\"Optical Mouse\"\n  PRODUCT=3/46d/b342/1\n",
     {"Anna", "AirPods"},
     {"NAME=\"Optical Mouse\"", "PRODUCT=5/46d", "HID_ID=0005:0000046D"}},
    {"numbers are told from the trace's own",
     "@12.12345678\n" + kAdd + "  ID_SERIAL_SHORT=12345678\n  OTHER=12345678\n  SEQNUM=12345678\n  inode=12345678\n  IFINDEX=12345678\n"
     "  LINKS=/dev/x12345678y /dev/nvme_12345678\n",
     {"OTHER=12345678", "ID_SERIAL_SHORT=12345678", "nvme_12345678"},
     {"@12.12345678", "SEQNUM=12345678", "inode=12345678", "IFINDEX=12345678"}},
    {"what is given to programs",
     "configuration\nunit u\n  command: {start: ['/bin/echo']}\n  environment: {WIFI_PASSWORD: 'hunter2', B: 'it''s 9'}\nbegin\n" + kAdd +
         "  X=hunter2x\n",
     {"'hunter2'", "it''s"},
     {"environment: {WIFI_PASSWORD: '", "', B: '", "X=hunter2x", "start: ['/bin/echo']"}},
    {"what a condition names stays, in all of its spellings",
     "configuration\nunit a\n  when: 'usb device[ID_SERIAL = \"KEEPME99\"]'\nunit b\n  when: 'network interface[name = \"enx02cafe000001\"]'\n"
     "unit c\n  when: 'kernel argument root = \"UUID=1234-ABCD\" or file /dev/disk/by-uuid/5678-ABCD exists'\nbegin\n" + kAdd +
         "  ID_SERIAL=KEEPME99\n  attr.address=02:ca:fe:00:00:01\n  ID_FS_UUID=1234-ABCD\n  ID_PART_ENTRY_UUID=5678-ABCD\n",
     {},
     {"ID_SERIAL=KEEPME99\n", "attr.address=02:ca:fe:00:00:01", "ID_FS_UUID=1234-ABCD", "ENTRY_UUID=5678-ABCD"}},
    {"but only what is named as a whole",
     "configuration\nclass c\n  match: 'name ~ \"x4711y*\" and A = \"4711-99-long\"'\nunit u\n  when: 'mouse'\n"
     "  description: 'file 471199'\nbegin\n" + kAdd + "  UNIQ=4711\n  ID_SERIAL=7119\n",
     {"UNIQ=4711", "ID_SERIAL=7119"},
     {"\"x4711y*\"", "'file 471199'"}},
    {"words of the trace itself",
     "udevd idle\ndevice /devices/x\n  standing=there,device\n  SUBSYSTEM=block\n  ID_FS_LABEL=device\nsnapshot behind\ncaught-up\n"
     "udev add /devices/x\n  udev\n  udev.ID_FS_LABEL=behind\n  SUBSYSTEM=block\n  udev.ID_SERIAL=udev\n  UNIQ=idle\n  L=/dev/device\nfile /device yes\n",
     {"LABEL=device", "LABEL=behind", "L=/dev/device", "UNIQ=idle"},
     {"udevd idle\n", "device /devices/x\n", "snapshot behind", "standing=there,device", "udev add /devices/x\n  udev\n  udev.ID"}},
};

}  // namespace

TEST_SUITE("tools/redact") {
    TEST_CASE("what is taken out, and what is not") {
        for (const Row& row : kTable) {
            CAPTURE(row.what);
            std::string text = kHead + row.lines + "end asked\n", out = redacted(text);
            CAPTURE(out);
            for (const std::string& gone : row.gone) CHECK_MESSAGE(out.find(gone) == out.npos, gone << " is still there");
            for (const std::string& kept : row.kept) CHECK_MESSAGE(out.find(kept) != out.npos, kept << " is missing");
            CHECK(out.size() == text.size());
            CHECK(redacted(text) == out);
        }
    }

    TEST_CASE("the same one wherever it stands") {
        std::string out = redacted(
            kHead + "cmdline root=UUID=aaaabbbb-cccc-dddd-eeee-ffff00001111 ifname=net0:02:ca:fe:00:00:01 cryptdevice=UUID=77-88-99:crypt\n"
            "begin\nadd /devices/usb/enx02cafe000001\n  SUBSYSTEM=net\n  A=02:CA:FE:00:00:01\n  B=02_ca_fe_00_00_01\n"
            "  ID_SERIAL_SHORT=ABCD1234EFGH\n  ID_SERIAL=Some_Disk_ABCD1234EFGH\n  PLAIN=ABCD1234EFGH\n  LINK=/dev/disk/by-id/usb-Some_Disk_ABCD1234EFGH-0:0\n"
            "  DM_UUID=CRYPT-LUKS2-aaaabbbbccccddddeeeeffff00001111-luks\n  DM_NAME=luks-aaaabbbb-cccc-dddd-eeee-ffff00001111\n"
            "  ID_FS_UUID=77-88-99\n  DM_VG_NAME=annas-vg\n  M=annas--vg-root\n"
            "= x: add /devices/usb/enx02cafe000001\nend asked\n");
        CAPTURE(out);
        auto bare = [](std::string text) {
            std::erase_if(text, [](char c) { return c == ':' || c == '-' || c == '_'; });
            for (char& c : text) c = static_cast<char>(std::tolower(c));
            return text;
        };
        std::string address = behind(out, "add /devices/usb/enx");
        CHECK(behind(out, "= x: add /devices/usb/enx") == address);
        CHECK(bare(behind(out, "  A=")) == address);
        CHECK(bare(behind(out, "  B=")) == address);
        std::string line = behind(out, "cmdline ");
        CHECK(bare(line.substr(line.find("net0:") + 5, 17)) == address);
        std::string serial = behind(out, "  ID_SERIAL_SHORT=");
        CHECK(serial != "ABCD1234EFGH");
        CHECK(behind(out, "  PLAIN=") == serial);
        CHECK(behind(out, "  ID_SERIAL=").ends_with("_" + serial));
        CHECK(behind(out, "  LINK=").ends_with(behind(out, "  ID_SERIAL=") + "-0:0"));
        std::string uuid = line.substr(10, 36);
        CHECK(behind(out, "  DM_NAME=") == "luks-" + uuid);
        CHECK(behind(out, "  DM_UUID=").find(bare(uuid)) != std::string::npos);
        CHECK(line.ends_with("cryptdevice=UUID=" + behind(out, "  ID_FS_UUID=") + ":crypt"));
        CHECK(bare(behind(out, "  M=")) == bare(behind(out, "  DM_VG_NAME=")) + "root");
    }

    TEST_CASE("what was different is different") {
        std::string text = kHead + "begin\n";
        for (int i = 1000; i < 1600; ++i) text += "add /devices/d" + std::to_string(i) + "x\n  SUBSYSTEM=x\n  UNIQ=" + std::to_string(i) + "\n";
        std::string out = redacted(text);
        std::set<std::string> found;
        for (size_t at = 0; (at = out.find("UNIQ=", at)) != out.npos; at += 5) {
            found.insert(out.substr(at + 5, 4));
            // None is by chance what it was.
            CHECK(out.substr(at, 9) != text.substr(at, 9));
        }
        CHECK(found.size() == 600);
    }

    TEST_CASE("it plays to the same decisions") {
        auto same = [](const std::string& text) {
            auto played = play_recorded(redacted(text), "t");
            REQUIRE_MESSAGE(played, played.error().to_string());
            CHECK(played->difference == "");
            return played->same;
        };
        // Names that a condition asks for, in whatever spelling, and secrets that are words of a trace.
        std::string text;
        Simulation s(configuration_of({{"a", "{when: 'net[name = \"enx02cafe000001\"]', command: {start: [/bin/a]}}"},
                                       {"b", "{when: 'file /dev/disk/by-id/usb-Foo_S3CR3T77-0:0 exists', command: {start: [/bin/b]}}"},
                                       {"c", "{each-event: 'net[attr.address ~ \"*:*\"]', command: {start: [/bin/c]}, environment: {A: x}}"},
                                       {"d", "{when: 'first net', command: {start: [/bin/d]}}"}},
                                      {"{class: net, match: 'subsystem = net'}"}),
                     "root=LABEL=start quiet");
        s.record_into(text);
        s.start();
        s.snapshot({});
        s.coldplug_complete();
        for (const char* address : {"02:ca:fe:00:00:01", "02:ca:fe:00:00:02"}) {
            std::string bare;
            for (const char* c = address; *c; ++c)
                if (*c != ':') bare += *c;
            s.event("add", {"/devices/usb/enx" + bare, {"SUBSYSTEM=net", "UNIQ=starting", "ID_SERIAL=Foo_S3CR3T77", "ID_FS_LABEL=exit"},
                            {{"address", address}}, 0, std::nullopt});
        }
        s.feed(FileSeen{"/dev/disk/by-id/usb-Foo_S3CR3T77-0:0", Truth::True});
        s.crash();
        s.start();
        s.snapshot(s.sysfs());
        s.event("remove", {"/devices/usb/enx02cafe000002", {"SUBSYSTEM=net"}, {}, 0, std::nullopt});
        CHECK(same(text + "end asked\n") >= 8);
        CHECK(redacted(text).find("S3CR3T77") == std::string::npos);
        CHECK(redacted(text).find("02cafe000002") == std::string::npos);
        for (unsigned seed = 0; seed < 20; ++seed) {
            std::string recorded;
            RandomWorld world(seed, [&](std::string_view lines) { recorded += lines; });
            for (int i = 0; i < 300; ++i) world.step();
            world.end();
            same(recorded);
        }
    }

    TEST_CASE("many secrets, much text") {
        // As many secrets as lines, all with one beginning: in a time that grows with the text alone.
        std::string text = kHead + "configuration\nunit u\n  when: 'mouse'\n";
        for (int i = 0; i < 4000; ++i) text += "  description: 'Samsung_SSD_970_EVO_Plus_" + std::to_string(i) + "'\n";
        text += "begin\n";
        for (int i = 0; i < 20000; ++i)
            text += "add /devices/d" + std::to_string(i) + "\n  ID_SERIAL=Samsung_SSD_970_EVO_Plus_" + std::to_string(5'000'000 + i) + "\n";
        CHECK(redacted(text).find("Samsung_SSD_970_EVO_Plus_5000001") == std::string::npos);
    }
}
