// Sentences: text -> tree -> text, and what is said of those that are none.
#include "conditions/grammar.h"

#include <doctest/doctest.h>

#include <array>

#include "conditions/spelling.h"
#include "tests/support/facts.h"

using namespace devmux;
using devmux::test::TestClasses;

TEST_SUITE("conditions/grammar") {
    struct Pair {
        const char* text;
        const char* canonical;
    };

    TEST_CASE("sentences and their canonical spelling, which reads to itself") {
        TestClasses classes;
        for (const Pair& p : std::initializer_list<Pair>{
                 // The two sentences that the project was asked for, and those of the specification.
                 {"mouse AND framebuffer present", "mouse and framebuffer"},
                 {"first network interface only", "first network interface"},
                 {"both the mouse and the framebuffer are available", "mouse and framebuffer"},
                 {"a mouse is available", "mouse"},
                 // Binding: not, and, or, for.
                 {"mouse or disk and cpu", "mouse or disk and cpu"},
                 {"(mouse or disk) and cpu", "(mouse or disk) and cpu"},
                 {"not mouse and disk", "not mouse and disk"},
                 {"not (mouse and disk)", "not (mouse and disk)"},
                 {"no mouse", "not mouse"},
                 {"not not mouse", "not not mouse"},
                 {"mouse or disk for 5s", "mouse or disk for 5s"},
                 {"mouse or (disk for 5s)", "mouse or (disk for 5s)"},
                 {"(mouse for 2s) for 90s", "(mouse for 2s) for 1m30s"},
                 {"((mouse))", "mouse"},
                 // Quantities.
                 {"any mouse", "mouse"},
                 {"at least 2 cpus", "at least 2 cpu"},
                 {"AT MOST 1 Disk bound", "at most 1 disk bound"},
                 {"exactly 0 mouse", "exactly 0 mouse"},
                 {"all disks bound", "all disk bound"},
                 {"all disk present", "all disk present"},
                 {"all disk have [attr.removable = \"0\"]", "all disk have [attr.removable = \"0\"]"},
                 // The longest class name wins.
                 {"network interface seen", "network interface seen"},
                 {"network seen", "network seen"},
                 // Predicates.
                 {"usb device[attr.idVendor = \"046d\"]", "usb device[attr.idVendor = \"046d\"]"},
                 {"disk[ name ~ 'sd*' and not virtual ]", "disk[name ~ \"sd*\" and not virtual]"},
                 {"disk[(name = sda or name = sdb) and driver != x]",
                  "disk[(name = \"sda\" or name = \"sdb\") and driver != \"x\"]"},
                 {"disk[parent.usb.attr.product ~ \"*Logi*\"]", "disk[parent.usb.attr.product ~ \"*Logi*\"]"},
                 {"disk[ID_BUS == usb]", "disk[ID_BUS = \"usb\"]"},
                 {"disk[property.lower !~ x]", "disk[property.lower !~ \"x\"]"},
                 // Properties that are called like something else in the language.
                 {"disk[property.NAME = x and name = y]", "disk[property.NAME = \"x\" and name = \"y\"]"},
                 {"disk[property.VIRTUAL = 1 or property.NOT = 2]", "disk[property.VIRTUAL = \"1\" or property.NOT = \"2\"]"},
                 {"disk[property.BUS = usb]", "disk[BUS = \"usb\"]"},
                 {"mouse[KEY has BTN_LEFT]", "mouse[KEY has BTN_LEFT]"},
                 {"cpu[attr.online = 1 default 1]", "cpu[attr.online = \"1\" default \"1\"]"},
                 {"disk[name = 'a\"b\\\\c']", "disk[name = \"a\\\"b\\\\c\"]"},
                 // Facts.
                 {"settled", "settled"},
                 {"file /etc/x exists", "file \"/etc/x\" exists"},
                 {"file '/with space' exists", "file \"/with space\" exists"},
                 {"kernel argument nomodeset", "kernel argument nomodeset"},
                 {"kernel argument root=/dev/nfs", "kernel argument root = \"/dev/nfs\""},
                 {"kernel argument a = b", "kernel argument a = b"},
                 {"kernel argument 'console='", "kernel argument console = \"\""},
                 {"unit gdm active or unit \"x y\" failed", "unit gdm active or unit \"x y\" failed"},
                 {"unit gdm is done", "unit gdm done"},
                 {"/usr mounted", "/usr mounted"},
                 {"/usr is mounted and mouse", "/usr mounted and mouse"},
                 {"not /usr//local/./ MOUNTED", "not /usr/local mounted"},
                 {"(/usr on nfs)", "/usr on nfs"},
                 {"/usr is on NFS or root on nfs4 for 5s", "/usr on nfs or root on nfs4 for 5s"},
                 {"/ on fuse.sshfs", "/ on fuse.sshfs"},
                 {"/ mounted", "/ mounted"},
                 {"'/with space' mounted", "\"/with space\" mounted"},
                 {"\"/with space\" on ext4", "\"/with space\" on ext4"},
                 {"'/a\"b\\\\c' on '9p'", "\"/a\\\"b\\\\c\" on 9p"},
                 {"/home/\u00fc on btrfs", "\"/home/\u00fc\" on btrfs"},
                 {"/a,b mounted", "\"/a,b\" mounted"},
                 {"'/on' on ext4", "/on on ext4"},
                 {"root is on nfs", "root on nfs"},
                 // Links.
                 {"first network interface[not virtual] online", "first network interface[not virtual] online"},
                 {"no network interface[Carries-Root] up", "not network interface[carries-root] up"},
                 {"all network interface have [not carries-root]", "all network interface have [not carries-root]"},
                 {"no network interface is up", "not network interface up"},
                 {"all network interfaces running", "all network interface running"},
                 {"at least 2 network interfaces are UP for 5s", "at least 2 network interface up for 5s"},
                 {"network online", "network online"},
                 {"the network is online and mouse", "network online and mouse"},
                 {"route to 192.0.2.1", "route to 192.0.2.1"},
                 {"route to 2001:DB8:0::1 or route to ::1", "route to 2001:db8::1 or route to ::1"},
                 {"route to '10.0.0.1'", "route to 10.0.0.1"},
                 {"runlevel 2", "runlevel 2"},
                 {"Mode Docked and no mode \"quiet\"", "mode Docked and not mode quiet"},
                 {"Runlevel s or runlevel 2 TO 5 for 5s", "runlevel S or runlevel 2 to 5 for 5s"},
             }) {
            CAPTURE(p.text);
            auto condition = parse_condition(p.text, classes);
            if (!condition) FAIL(condition.error().to_string());
            CHECK(to_string(*condition) == p.canonical);
            auto again = parse_condition(to_string(*condition), classes);
            if (!again) FAIL(again.error().to_string());
            CHECK(to_string(*again) == p.canonical);
        }
    }

    struct Wrong {
        const char* text;
        int caret;
        const char* what;  // a part of the message
        const char* hint;  // a part of the hint
    };

    TEST_CASE("it: of a unit with instances, and of no other") {
        TestClasses classes;
        auto set = parse_device_set("network interface[not virtual] seen", classes);
        REQUIRE(set);
        Usage usage{.for_each = &*set};
        for (const Pair& p : std::initializer_list<Pair>{
                 {"it", "it"}, {"IT is available", "it"}, {"it[name = \"lan\"] bound", "it[name = \"lan\"] bound"},
                 {"not it and mouse", "not it and mouse"}, {"it seen or mouse", "it seen or mouse"}, {"it for 5s", "it for 5s"}}) {
            CAPTURE(p.text);
            auto condition = parse_condition(p.text, classes, usage);
            REQUIRE(condition);
            CHECK(to_string(*condition) == p.canonical);
            auto again = parse_condition(p.canonical, classes, usage);
            REQUIRE(again);
            CHECK(to_string(*again) == p.canonical);
            auto nobody = parse_condition(p.text, classes);
            REQUIRE_FALSE(nobody);
            CHECK(nobody.error().what.find("no for-each") != std::string::npos);
        }
        for (const char* bad : {"first it", "all it bound", "at least 2 it", "any it", "its", "it it", "it only"}) {
            CAPTURE(bad);
            CHECK_FALSE(parse_condition(bad, classes, usage));
        }
    }

    TEST_CASE("every error points at its column and says what was expected") {
        TestClasses classes;
        for (const Wrong& w : std::initializer_list<Wrong>{
                 {"", 0, "expected a device", "devmux classes"},
                 {"mause and framebuffer", 0, "\"mause\" is no class", "did you mean \"mouse\""},
                 {"mouse and framebufer", 10, "\"framebufer\" is no class", "\"framebuffer\""},
                 {"mouse and", 9, "expected a device", ""},
                 {"mouse framebuffer", 6, "expected \"and\"", "mouse and framebuffer"},
                 {"sound card settled", 11, "expected \"and\"", "sound card and settled"},
                 {"settled mouse", 8, "expected \"and\"", "settled and mouse"},
                 // A term has one state.
                 {"network interface online running", 25, "\"running\" is a second state", "network interface online and network interface running; \"online\" alone says both"},
                 {"first network interface[name ~ \"e*\"] is up and network interface up running", 68, "second state", "network interface up and network interface running; \"running\" alone"},
                 {"mouse seen bound", 11, "\"bound\" is a second state", "mouse seen and mouse bound"},
                 {"mouse available bound", 16, "\"bound\" is a second state", "mouse and mouse bound"},
                 {"mouse bound available", 12, "\"available\" is a second state", "mouse bound and mouse"},
                 {"network interface up and running", 25, "\"running\" is a state, and stands behind a class", "network interface running"},
                 {"mouse and online", 10, "\"online\" is a state", "network interface online"},
                 {"bound", 0, "\"bound\" is a state", "mouse bound"},
                 // One device, by its name; how many; units.
                 {"network interface eth0", 18, "expected \"and\"", "network interface[name = \"eth0\"]"},
                 {"disk sda bound", 5, "expected \"and\"", "disk[name = \"sda\"]"},
                 {"disk[virtual] sda", 14, "expected \"and\"", ""},
                 {"eth0 online", 0, "\"eth0\" is no class", "network interface[name = \"eth0\"] online"},
                 {"mose up", 0, "\"mose\" is no class", "did you mean \"mouse\"?"},
                 {"2 mice", 0, "\"2\" is no class", "at least 2 mice, at most 2 mice, exactly 2 mice"},
                 {"two disks", 0, "\"two\" is no class", "at least 2 disks"},
                 {"at least two disks", 9, "expected a number, found \"two\"", "in digits: 2"},
                 {"gdm active", 0, "\"gdm\" is no class", "unit gdm active"},
                 {"sound", 0, "\"sound\" is no class", "did you mean \"sound card\"?"},
                 {"usb", 0, "\"usb\" is no class", "did you mean \"usb device\"?"},
                 {"first no mouse", 6, "expected a class of devices, found \"no\"", ""},
                 {"mouse or and disk", 9, "expected a device, a fact or a parenthesis, found \"and\"", ""},
                 {"mouse ans framebuffer", 6, "expected \"and\"", "did you mean \"and\""},
                 {"mouse up", 6, "\"up\" is a state of network interfaces, and \"mouse\" is none", "network interface up"},
                 {"disk[carries-root]", 5, "\"carries-root\" is asked of network interfaces, and \"disk\" is none", "network interface[carries-root]"},
                 {"all disk have [name = x or not carries-root]", 15, "\"disk\" is none", ""},
                 {"network interface[parent.pci.carries-root]", 18, "about the network interface itself", ""},
                 {"network interface[carries-root = 1]", 31, "", ""},
                 {"first disk is online", 14, "\"online\" is a state of network interfaces", ""},
                 {"network interface onlin", 18, "expected \"and\"", "did you mean \"online\""},
                 {"networks onlin", 9, "expected \"and\"", ""},
                 {"route 192.0.2.1", 6, "expected \"to\"", ""},
                 {"route to server", 9, "expected an IP address, found \"server\"", "not looked up"},
                 {"route to 192.0.2.0/24", 9, "expected an IP address", ""},
                 {"route to 0.0.0.0", 9, "nobody has the address", ""},
                 {"route to ::", 9, "nobody has the address", ""},
                 {"route to", 8, "expected an IP address, found the end", ""},
                 {"(mouse", 6, "expected \")\"", ""},
                 {"mouse)", 5, "found \")\"", ""},
                 {"mouse && disk", 6, "unexpected \"&\"", "and, or, not"},
                 {"mouse[name = \"x]", 13, "never closed", ""},
                 {"mouse[name \"x\"]", 11, "expected = != ~ !~ or has", ""},
                 {"mouse[nmae = x]", 6, "\"nmae\" is no field", "did you mean \"name\""},
                 {"mouse[idVendor = x]", 6, "no field", "attr.idVendor"},
                 {"mouse[attr.../x = y]", 6, "file below the device", ""},
                 {"mouse[attr.a/../../b = y]", 6, "file below the device", ""},
                 {"mouse[KEY has BTN_NOPE]", 14, "no input event code", "BTN_LEFT"},
                 {"mouse[name = ]", 13, "expected a value", ""},
                 {"at least x cpu", 9, "expected a number", ""},
                 {"at 2 cpu", 3, "\"least\" or \"most\"", ""},
                 {"at least 2 of cpu", 11, "\"of\" is no class", ""},
                 {"all disk", 8, "needs what all of them must be", ""},
                 {"mouse only", 6, "\"only\" goes with \"first\"", "first mouse only"},
                 {"not first mouse", 4, "cannot stand under `not`", ""},
                 {"not (disk or first mouse)", 13, "cannot stand under `not`", ""},
                 {"mouse for 5", 10, "expected a duration", "5s"},
                 {"mouse for", 9, "expected a duration", "5s"},
                 {"it bound", 0, "no for-each", ""},
                 {"file etc/x exists", 5, "absolute path", ""},
                 {"file /x is there", 11, "expected \"exists\"", ""},
                 {"unit gdm runs", 9, "expected \"active\", \"failed\" or \"done\" behind the name of a unit, found \"runs\"", "active: its service runs"},
                 {"unit gdm actve", 9, "found \"actve\"", "did you mean \"active\"?"},
                 {"unit gdm", 8, "behind the name of a unit, found the end", "unit gdm active"},
                 {"unit active", 11, "behind the name of a unit, found the end", "unit NAME active"},
                 {"runlevel 2-5", 9, "expected a runlevel", "runlevel 2 to 5"},
                 {"route default", 6, "expected \"to\"", "network online"},
                 {"route to default", 9, "expected an IP address", "network online"},
                 {"kernel nomodeset", 7, "expected \"argument\"", ""},
                 {"kernel argument '=x'", 16, "expected the name of an argument", ""},
                 {"runlevel", 8, "expected a runlevel, 0 to 9 or S", ""},
                 {"runlevel two", 9, "expected a runlevel, 0 to 9 or S", ""},
                 {"runlevel 12", 9, "expected a runlevel", ""},
                 {"runlevel 3 to 2", 14, "expected a runlevel from 3 to 9", ""},
                 {"runlevel 3 to S", 14, "expected a runlevel from 3 to 9", ""},
                 {"exactly 100001 disk", 8, "that many", ""},
                 {"/usr", 4, "expected \"mounted\" or \"on\"", "/usr on nfs"},
                 {"/usr mouted", 5, "found \"mouted\"", "did you mean \"mounted\""},
                 {"/usr is exists", 8, "found \"exists\"", "file /usr exists"},
                 {"/usr and mouse", 5, "expected \"mounted\" or \"on\"", ""},
                 {"/usr on", 7, "expected a type of file system, found the end", "nfs"},
                 {"/usr on and mouse", 8, "expected a type of file system", ""},
                 {"/usr on /dev/vda2", 8, "expected a type of file system", ""},
                 {"/usr on 'n f s'", 8, "expected a type of file system", ""},
                 {"/usr on autofs", 8, "no path lies on autofs", "the type of that"},
                 {"/usr/../home mounted", 0, "\"..\"", "where it leads to"},
                 {"/usr on nfs4 mounted", 13, "expected \"and\"", ""},
                 {"'usr' mounted", 0, "expected a device, a fact", ""},
                 {"root mounted", 5, "expected \"on\" of \"root on FSTYPE\"", ""},
                 {"usr mounted", 0, "no class", ""},
             }) {
            CAPTURE(w.text);
            auto condition = parse_condition(w.text, classes);
            REQUIRE_FALSE(condition);
            CHECK(condition.error().caret == w.caret);
            CHECK_MESSAGE(condition.error().what.find(w.what) != std::string::npos, condition.error().what);
            CHECK_MESSAGE(condition.error().hint.find(w.hint) != std::string::npos, condition.error().hint);
        }
    }

    TEST_CASE("a set of devices has neither states nor numbers, and is of one class") {
        TestClasses classes;
        for (const Wrong& w : std::initializer_list<Wrong>{
                 {"network interface online", 18, "expected a class, its [ … ] and perhaps \"seen\", found \"online\"", "a state belongs into a condition"},
                 {"disk[virtual] seen bound", 19, "found \"bound\"", "a state belongs into a condition"},
                 {"first disk", 0, "expected a class of devices, found \"first\"", "all of its devices"},
                 {"all disks", 0, "expected a class of devices, found \"all\"", "all of its devices"},
                 {"disk and cpu", 5, "found \"and\"", "includes"},
                 {"disk sda", 5, "found \"sda\"", "disk[name = \"sda\"]"},
                 {"network online", 8, "found \"online\"", "a state belongs into a condition"},
                 {"settled", 0, "\"settled\" is no class of devices", "devmux classes"},
                 {"mose", 0, "\"mose\" is no class of devices", "did you mean \"mouse\"?"},
                 {"", 0, "expected a class of devices, found the end", "devmux classes"},
             }) {
            CAPTURE(w.text);
            auto set = parse_device_set(w.text, classes);
            REQUIRE_FALSE(set);
            CHECK(set.error().caret == w.caret);
            CHECK_MESSAGE(set.error().what.find(w.what) != std::string::npos, set.error().what);
            CHECK_MESSAGE(set.error().hint.find(w.hint) != std::string::npos, set.error().hint);
        }
    }

    TEST_CASE("a caret stands under its column, tabs and umlauts included") {
        TestClasses classes;
        auto condition = parse_condition("disk[name = \"ü\"] xor\tmouse", classes);
        REQUIRE_FALSE(condition);
        CHECK(condition.error().to_string() ==
              "expected \"and\", \"or\", \"for\" or the end, found \"xor\"\n"
              "    disk[name = \"ü\"] xor\tmouse\n"
              "                     ^\n"
              "    did you mean \"or\"?");
    }

    TEST_CASE("bounds: length, depth, number of terms") {
        TestClasses classes;
        CHECK_FALSE(parse_condition(std::string(kConditionBytes + 1, ' '), classes));
        auto nested = [](unsigned depth) { return std::string(depth, '(') + "mouse" + std::string(depth, ')'); };
        CHECK(parse_condition(nested(kConditionDepth - 1), classes));
        CHECK_FALSE(parse_condition(nested(kConditionDepth), classes));
        auto predicate = [](unsigned depth) { return "mouse[" + std::string(depth, '(') + "virtual" + std::string(depth, ')') + "]"; };
        CHECK(parse_condition(predicate(kConditionDepth - 2), classes));
        CHECK_FALSE(parse_condition(predicate(kConditionDepth), classes));
        std::string many = "cpu";
        for (unsigned i = 1; i < kConditionLeaves; ++i) many += " or cpu";
        CHECK(parse_condition(many, classes));
        CHECK_FALSE(parse_condition(many + " or cpu", classes));
    }

    TEST_CASE("first is refused where it would never let go") {
        TestClasses classes;
        auto condition = parse_condition("first mouse", classes, {.first_allowed = false, .why_not_first = "no"});
        REQUIRE_FALSE(condition);
        CHECK(condition.error().what == "`first` no");
    }

    TEST_CASE("the YAML tree spells the same conditions") {
        TestClasses classes;
        for (const Pair& p : std::initializer_list<Pair>{
                 {"x: {all: [mouse, framebuffer present]}", "mouse and framebuffer"},
                 {"x: {any: [mouse, {all: [disk, cpu]}]}", "mouse or disk and cpu"},
                 {"x: {not: mouse}", "not mouse"},
                 {"x: {any: [/usr on nfs, {not: /srv is mounted}]}", "/usr on nfs or not /srv mounted"},
                 {"x: /usr on nfs", "/usr on nfs"},
                 {"x: {all: [mouse], for: 5s}", "mouse for 5s"},
                 {"x: {all: ['first mouse', {any: [disk for 2s, cpu]}]}", "first mouse and ((disk for 2s) or cpu)"},
             }) {
            CAPTURE(p.text);
            auto document = read_document(p.text, "t.yaml");
            REQUIRE(document);
            auto condition = read_condition(*document->find("x"), classes);
            if (!condition) FAIL(condition.error().to_string());
            CHECK(to_string(*condition) == p.canonical);
        }
        for (const Wrong& w : std::initializer_list<Wrong>{
                 {"x: yes", 4, "expected a condition", "what must hold"},
                 {"x: [mouse]", 4, "expected a condition", "all:"},
                 {"x: {al: [mouse]}", 5, "expected all, any, not or for", "did you mean \"all\""},
                 {"x: {all: []}", 10, "needs a list", ""},
                 {"x: {all: [mouse], any: [disk]}", 19, "one of all, any, not", ""},
                 {"x: {for: 5s}", 4, "needs all, any or not", ""},
                 {"x: {not: first mouse}", 10, "under `not`", ""},
                 {"x: {all: [mause]}", 11, "\"mause\" is no class", "mouse"},
                 {"x: \"disk and mause\"", 14, "\"mause\" is no class", "mouse"},
             }) {
            CAPTURE(w.text);
            auto document = read_document(w.text, "t.yaml");
            REQUIRE(document);
            auto condition = read_condition(*document->find("x"), classes);
            REQUIRE_FALSE(condition);
            CHECK(condition.error().where.line == 1);
            CHECK(condition.error().where.column == w.caret);  // here: the column of the file
            CHECK_MESSAGE(condition.error().what.find(w.what) != std::string::npos, condition.error().what);
            CHECK_MESSAGE(condition.error().hint.find(w.hint) != std::string::npos, condition.error().hint);
        }
    }
}
