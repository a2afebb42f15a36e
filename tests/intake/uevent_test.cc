// parse_uevent: what the kernel sends is taken, and of everything else it is said what is wrong.
#include "engine/intake/uevent.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

using namespace devmux;
using std::string_literals::operator""s;

namespace {

// Strings joined by NULs, with one at the end.
std::string message(std::initializer_list<std::string> parts) {
    std::string out;
    for (const std::string& part : parts) out += part + '\0';
    return out;
}

const std::string kMouse = message(
    {"add@/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/0003:046D:C077.0001/input/input7",
     "ACTION=add",
     "DEVPATH=/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/0003:046D:C077.0001/input/input7",
     "SUBSYSTEM=input", "PRODUCT=3/46d/c077/111", "NAME=\"Logitech USB=Optical Mouse\"",
     "PHYS=\"usb-0000:00:14.0-1/input0\"", "EV=17", "SEQNUM=4242"});

std::string error_of(std::string_view text) {
    Result<Uevent> parsed = parse_uevent(text);
    return parsed ? "none" : parsed.error().what;
}

// A sound message for this path.
std::string at(const std::string& path) {
    return message({"add@" + path, "ACTION=add", "DEVPATH=" + path, "SUBSYSTEM=x"});
}

}  // namespace

TEST_SUITE_BEGIN("intake/uevent");

TEST_CASE("a device is added") {
    Result<Uevent> parsed = parse_uevent(kMouse);
    REQUIRE(parsed);
    CHECK(parsed->action == Action::Add);
    CHECK(parsed->action_word == "add");
    CHECK(parsed->devpath.starts_with("/devices/pci0000:00/"));
    CHECK(parsed->devpath.ends_with("/input/input7"));
    CHECK(parsed->subsystem == "input");
    CHECK(parsed->driver.empty());
    CHECK(parsed->devpath_old.empty());
    CHECK(parsed->seqnum == 4242);
    CHECK_FALSE(parsed->synthetic);
    CHECK(parsed->block.starts_with("ACTION=add\0"s));
    CHECK(parsed->block.ends_with("SEQNUM=4242\0"s));
    CHECK(find_in(parsed->block, "NAME") == "\"Logitech USB=Optical Mouse\"");
}

TEST_CASE("views point into the message") {
    Result<Uevent> parsed = parse_uevent(kMouse);
    REQUIRE(parsed);
    for (std::string_view view :
         {parsed->action_word, parsed->devpath, parsed->subsystem, parsed->block}) {
        CHECK(view.data() >= kMouse.data());
        CHECK(view.data() + view.size() <= kMouse.data() + kMouse.size());
    }
}

TEST_CASE("a move names the old path") {
    const std::string text = message(
        {"move@/devices/virtual/net/lan0", "ACTION=move", "DEVPATH=/devices/virtual/net/lan0",
         "SUBSYSTEM=net", "DEVPATH_OLD=/devices/virtual/net/eth0", "INTERFACE=lan0", "SEQNUM=7"});
    Result<Uevent> parsed = parse_uevent(text);
    REQUIRE(parsed);
    CHECK(parsed->action == Action::Move);
    CHECK(parsed->devpath_old == "/devices/virtual/net/eth0");
}

TEST_CASE("a synthetic move happened to nobody and needs no old path") {
    const std::string text = message({"move@/devices/a", "ACTION=move", "DEVPATH=/devices/a",
                                      "SUBSYSTEM=net", "SYNTH_UUID=0", "SEQNUM=7"});
    Result<Uevent> parsed = parse_uevent(text);
    REQUIRE(parsed);
    CHECK(parsed->synthetic);
    CHECK(parsed->devpath_old.empty());
}

TEST_CASE("driver, unknown actions, no number") {
    const std::string text = message({"explode@/devices/a/b", "ACTION=explode",
                                      "DEVPATH=/devices/a/b", "SUBSYSTEM=pci", "DRIVER=e1000e"});
    Result<Uevent> parsed = parse_uevent(text);
    REQUIRE(parsed);
    CHECK(parsed->action == Action::Other);
    CHECK(parsed->action_word == "explode");
    CHECK(parsed->driver == "e1000e");
    CHECK(parsed->seqnum == 0);
}

TEST_CASE("of a repeated key the first counts, of SEQNUM the kernel's own, the last") {
    const std::string text =
        message({"add@/devices/a", "ACTION=add", "DEVPATH=/devices/a", "SUBSYSTEM=usb",
                 "SEQNUM=18446744073709551615", "SUBSYSTEM=mem", "DRIVER=x", "DRIVER=y",
                 "DEVPATH=/devices/other", "SEQNUM=9"});
    Result<Uevent> parsed = parse_uevent(text);
    REQUIRE(parsed);
    CHECK(parsed->subsystem == "usb");
    CHECK(parsed->driver == "x");
    CHECK(parsed->devpath == "/devices/a");
    CHECK(parsed->seqnum == 9);
}

TEST_CASE("odd but sound paths") {
    for (const char* path :
         {"/devices/a/...", "/devices/.hidden/x", "/devices/a b/ü", "/x", "/a/..b",
          "/module/usb_storage", "/devices/\x80\xff/long-enough-to-be-a-word"}) {
        CAPTURE(path);
        CHECK(error_of(at(path)) == "none");
    }
    CHECK(error_of(at("/" + std::string(4095, 'a'))) == "none");
}

TEST_CASE("paths that are none, and where") {
    struct Row {
        std::string path;
        const char* expected;
        size_t at;
    };
    // The header and "ACTION=add" come before "DEVPATH=".
    for (const Row& row :
         {Row{"devices/a", "begins with /", 0}, Row{"", "begins with /", 0},
          Row{"/", "a name between", 1}, Row{"/devices//a", "a name between", 9},
          Row{"/devices/a/", "a name between", 11},
          Row{"/devices/../kernel", "no component . or ..", 9},
          Row{"/devices/a/..", "no component . or ..", 11}, Row{"/./a", "no component . or ..", 1},
          Row{"/" + std::string(4096, 'a'), "at most 4096", 4096}}) {
        CAPTURE(row.path);
        std::string error = error_of(at(row.path));
        CHECK(error.find(row.expected) != std::string::npos);
        size_t value = std::string("add@").size() + row.path.size() + 1 +
                       std::string("ACTION=add").size() + 1 + std::string("DEVPATH=").size();
        CHECK(error.find("byte " + std::to_string(value + row.at) + ":") != std::string::npos);
        CHECK(devpath_fault(row.path).at == row.at);
    }
}

TEST_CASE("each broken message gets its own error") {
    struct Row {
        std::string text;
        const char* expected;
    };
    const std::string head = message({"add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=x"});
    for (const Row& row : {
             Row{"", "empty message"},
             Row{"libudev\0\xfe\xed\xca\xfe"s + std::string(60, '\1'), "udev's own format"},
             Row{"\0"s, "byte 0: expected the header ACTION@DEVPATH, found \"\""},
             Row{message({"hello"}), "expected the header ACTION@DEVPATH, found \"hello\""},
             Row{message({"@/a", "ACTION=", "DEVPATH=/a", "SUBSYSTEM=x"}), "expected the header"},
             Row{"add@/a", "byte 6: truncated: expected a NUL at the end, found \"add@/a\""},
             Row{head + "SEQNUM=1", "truncated: expected a NUL at the end, found \"SEQNUM=1\""},
             Row{head.substr(0, head.size() - 1), "truncated"},
             Row{message({"add@/a", "DEVPATH=/a", "SUBSYSTEM=x"}),
                 "byte 7: expected a variable ACTION"},
             Row{message({"add@/a", "ACTION=add", "SUBSYSTEM=x"}), "expected a variable DEVPATH"},
             Row{message({"add@/a", "ACTION=add", "DEVPATH=/a"}), "expected a variable SUBSYSTEM"},
             Row{message({"add@/a"}), "expected a variable ACTION"},
             Row{message({"add@/a", "ACTION=remove", "DEVPATH=/a", "SUBSYSTEM=x"}),
                 "byte 14: expected ACTION \"add\" as in the header, found \"remove\""},
             Row{message({"add@/a", "ACTION=add", "DEVPATH=/b", "SUBSYSTEM=x"}),
                 "byte 26: expected DEVPATH \"/a\" as in the header, found \"/b\""},
             Row{message({"add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM="}), "in SUBSYSTEM"},
             Row{message({"add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=a/b"}), "in SUBSYSTEM"},
             Row{message({"add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=.."}), "in SUBSYSTEM"},
             Row{message({"add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=a\nb"}),
                 "found \"a\\x0ab\""},
             Row{head + message({"NOVALUE"}), "byte 41: expected KEY=VALUE, found \"NOVALUE\""},
             Row{head + message({"=value"}), "byte 41: expected KEY=VALUE, found \"=value\""},
             Row{head + message({"="}), "expected KEY=VALUE"},
             Row{head + message({"", "A=1"}), "byte 41: expected KEY=VALUE, found \"\""},
             Row{head + message({"\x1b[2Jno value"}), "found \"\\x1b[2Jno value\""},
             Row{head + message({"SEQNUM="}), "in SEQNUM a number"},
             Row{head + message({"SEQNUM=12a"}), "byte 48: expected in SEQNUM a number"},
             Row{head + message({"SEQNUM=-1"}), "in SEQNUM a number"},
             Row{head + message({"SEQNUM= 1"}), "in SEQNUM a number"},
             Row{head + message({"SEQNUM=18446744073709551616"}), "in SEQNUM a number"},
             Row{message({"move@/a", "ACTION=move", "DEVPATH=/a", "SUBSYSTEM=x"}),
                 "expected a variable DEVPATH_OLD with the action move"},
             Row{message(
                     {"move@/a", "ACTION=move", "DEVPATH=/a", "SUBSYSTEM=x", "DEVPATH_OLD=/../b"}),
                 "in DEVPATH_OLD no component"},
             Row{std::string(64 * 1024 + 1, 'a'), "byte 65536: expected at most 64 KiB"},
         }) {
        CAPTURE(row.text.substr(0, 100));
        CHECK_MESSAGE(error_of(row.text).find(row.expected) != std::string::npos,
                      error_of(row.text));
    }
}

TEST_CASE("bounds: 256 variables, 64 KiB") {
    const std::string head = message({"add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=x"});
    std::string many = head;
    for (int i = 3; i < 256; ++i) many += "K" + std::to_string(i) + "=v\0"s;
    CHECK(error_of(many) == "none");
    CHECK(error_of(many + "ONE=more\0"s).find("at most 256 variables, found \"ONE=more\"") !=
          std::string::npos);

    std::string large = head + "BIG=";
    large.resize(kUeventMaxBytes - 1, 'x');
    large += '\0';
    Result<Uevent> parsed = parse_uevent(large);
    REQUIRE(parsed);
    CHECK(find_in(parsed->block, "BIG")->size() == kUeventMaxBytes - 1 - head.size() - 4);
}

TEST_CASE("what an error repeats is short and printable") {
    const std::string head = message({"add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=x"});
    std::string error = error_of(head + std::string(5000, '\x01') + '\0');
    CHECK(error.size() < 500);
    CHECK(error.find('\x01') == std::string::npos);
    CHECK(error.ends_with("…"));
}

TEST_CASE("every prefix of a message is an error, and never more than that") {
    for (size_t length = 0; length < kMouse.size(); ++length) {
        // Cut between two variables it looks whole; those that must be there come first.
        bool whole = length > 0 && kMouse[length - 1] == '\0' &&
                     kMouse.substr(0, length).find("SUBSYSTEM=input\0"s) != std::string::npos;
        // A heap block of just this size: the sanitizer sees a read past its end.
        std::string exact(kMouse.data(), length);
        CAPTURE(length);
        CHECK(static_cast<bool>(parse_uevent(exact)) == whole);
    }
}

TEST_SUITE_END();
