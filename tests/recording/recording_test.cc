// Recordings as text: every kind of event there and back, hostile bytes, files of units, what is refused,
// redaction, "what if", and the tutorial of devmux(7).
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "conditions/grammar.h"
#include "conditions/text.h"
#include "engine/model/unit_file.h"
#include "engine/recording/configuration_text.h"
#include "engine/recording/event_text.h"
#include "tests/recording/world.h"
#include "tools/decisions_diff.h"
#include "tools/redact.h"
#include "tools/trace_text.h"
#include "tools/whatif.h"

using namespace devmux;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

std::string written(const Event& event) {
    std::string out;
    append_event(event, " a\\x20b start", 1500us, out);
    return out;
}

// What comes out when it is read and written again.
std::string again(const std::string& text) {
    TraceCursor cursor(text, "t");
    EventReader reader(cursor);
    std::string out;
    while (!cursor.at_end()) {
        TraceLine line = cursor.take();
        std::optional<ReadEvent> event;
        auto error = reader.read(line, event);
        REQUIRE_MESSAGE(!error, error->to_string() << "\n" << text);
        if (event) append_event(event->event, event->unit.empty() ? "" : " " + escaped_word(event->unit) + " " + event->verb,
                                event->took, out);
    }
    return out;
}

const std::string kHostile = "\n\r\t\0 \x7f\xff\xc3\x28\xc2\x85 # = \\ \\x41 "s;

std::vector<Event> all_events(std::string& message) {
    message = "weird word@/devices/a "s + "b\0ACTION=weird word\0DEVPATH=/devices/a b\0SUBSYSTEM=x\0inode=3\0# c= \0X="s +
              "\xff\n \\ "s + "\0SEQNUM=7\0"s;
    auto uevent = parse_uevent(message);
    REQUIRE_MESSAGE(uevent, uevent.error().what);
    Standing standing{true, false, {1, 2, 3}, true, true, kHostile, {{"a=b " + kHostile, kHostile}, {"none", std::nullopt}, {"late", std::nullopt, true}}};
    FoundDevice found{"/devices/" + kHostile.substr(0, 3) + "x", "not its own", "SUBSYSTEM=own\0"s + "\0odd\0"s, standing, "a\0\0B=c \0"s};
    FoundDevice plain{"/devices/y", "input", "DEVPATH=/devices/y\0SUBSYSTEM=input\0"s, {.exists = true, .device = true}, std::nullopt};
    std::vector<Event> out{DeviceEvent{*uevent, standing, Transport::Kernel}, DeviceEvent{*uevent, {}, Transport::Udev},
                           DeviceEvent{*uevent, {}, Transport::Hotplug}, LookedAt{"/devices/y", plain, 9},
                           LookedAt{"/devices/y", std::nullopt, 0}, AttributesRead{found.devpath, {4, 0, 0}, standing.attributes},
                           Snapshot{{found, plain}, 12}, Snapshot{}, CaughtUp{}, ColdplugComplete{}, ModulesSeen{true},
                           ModulesSeen{}, FileSeen{"/a b" + kHostile, Truth::Unknown}, FileSeen{"", Truth::True},
                           MountsSeen{{{"/a b" + kHostile, {"/" + kHostile, kHostile, kHostile}, {"/", "", kHostile}}, {"/b", {}, {}}, {"/c", {}, {"/c", "nfs", ""}},
                                       {"/d", {"/", "", ""}, {}}}}, MountsSeen{},
                           LinksSeen{}, LinksSeen{.known = true}, LinksSeen{true, {{3, "e\x01 th" + kHostile, true, false, AddressState::None, AddressState::Tentative}, {4, "gone", false, false, {}, {}}, {5, "x", true, true, AddressState::Usable, AddressState::Local}},
                                     {7, 8}, {{"default4", Truth::True, {3, 0, 5}}, {"a b", Truth::Unknown, {}}, {"::1", Truth::False, {}}}},
                           RunlevelSeen{"2"}, RunlevelSeen{}, ScriptSeen{"a b" + kHostile, {"S2", "", true}}, ScriptSeen{},
                           ModeSet{"docked"}, ModeSet{}, ShutdownAsked{}, ShutdownAsked{false},
                           JobEnded{.job = 5, .code = 3}, JobEnded{.job = 6, .signal = 9}, JobEnded{.job = 7, .error = kHostile},
                           ScriptStarted{.unit = "a b", .pid = 812, .started = std::chrono::milliseconds(1230), .by = ""},
                           ScriptStarted{.unit = "gdm", .pid = 4194304, .started = {}, .by = "o &x"},
                           HandRequest{"gdm", UnitEvent::StoppedElsewhere, false}, JobEnded{.job = 9, .found_down = true}, JobEnded{.job = 9, .error = kHostile, .missing = true},
                           JobEnded{.job = 8}, JobEnded{.job = 9, .code = 0, .found_running = true}, DaemonReady{10}, ServiceSeen{kHostile, ServiceSeen::State::Failed, ServiceSeen::How::ByHand, kHostile}, ServiceSeen{"u", ServiceSeen::State::Running, ServiceSeen::How::Unseen, ""}, ServiceSeen{"u", ServiceSeen::State::Stopped, ServiceSeen::How::Alone, ""}, JobSeen{9, kHostile, true, kHostile}, JobSeen{10, "x", false, ""},
                           JobSignalled{11, 15, kHostile, ""}, JobSignalled{12, 9, "", kHostile}, DeadlineReached{}, HandRequest{"u", UnitEvent::HandStart, false},
                           HandRequest{"u", UnitEvent::HandRestart, false}, HandRequest{"u", UnitEvent::Refresh, false},
                           HandRequest{"u", UnitEvent::HandStop, false}, HandRequest{"a b", UnitEvent::Reset, true},
                           HandRequest{"u", UnitEvent::Reset, false}};
    for (int why = 0; why < 7; ++why) out.emplace_back(InDoubt{static_cast<InDoubt::Why>(why)});
    for (int presence = 0; presence < 3; ++presence)
        for (bool idle : {false, true}) out.emplace_back(UdevSeen{static_cast<UdevPresence>(presence), idle});
    return out;
}

std::string contents(const std::string& path) {
    std::ifstream file(std::string(DEVMUX_SOURCE_DIR) + "/" + path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::shared_ptr<const Configuration> login_units(const std::string& condition) {
    Configuration c = load_configuration({{std::string(DEVMUX_SOURCE_DIR) + "/units.d"}}, Trust::Waive);
    c.units.clear();
    auto document = read_document("{when: " + condition + ", command: {start: [/usr/bin/login-screen]}}", "login");
    UnitReading reading = read_unit(*document, "login", *c.classes);
    REQUIRE(reading.unit);
    c.units["login"] = reading.unit;
    return std::make_shared<const Configuration>(std::move(c));
}

TracedDevice mouse() {
    return {"/devices/platform/i8042/serio1/input/input4",
            {"SUBSYSTEM=input", "NAME=\"PS/2 Mouse\"", "PROP=1", "EV=7", "KEY=70000 0 0 0 0", "REL=3"}, {}, 0, std::nullopt};
}
TracedDevice framebuffer() {
    return {"/devices/platform/vga/graphics/fb0", {"SUBSYSTEM=graphics", "MAJOR=29", "MINOR=0", "DEVNAME=fb0"}, {}, 0, std::nullopt};
}

std::string login_trace() {
    std::string text;
    Simulation s(login_units("mouse AND framebuffer present"), "quiet");
    s.jobs_end_at_once = false;
    s.record_into(text);
    s.start();
    s.snapshot({});
    s.coldplug_complete();
    s.advance(1s);
    s.event("add", mouse());
    s.advance(1s);
    s.event("add", framebuffer());
    s.advance(1500ms);
    REQUIRE(s.end_job("login", {.code = 0}));
    return text + "end asked\n";
}

}  // namespace

TEST_SUITE("recording/text") {
    TEST_CASE("any bytes stand in a line") {
        for (const std::string& text : {""s, " "s, "a"s, kHostile, kHostile + " "s, "\\"s, "  a  b  "s, "\xc3\xa4 \xe2\x82\xac"s}) {
            CAPTURE(text);
            for (const std::string& line : {escaped(text), escaped_word(text)}) {
                CHECK(unescaped(line) == text);
                CHECK(printable(line) == line);
                CHECK(line.find('\n') == line.npos);
            }
            CHECK(escaped_word(text).find(' ') == std::string::npos);
            CHECK_FALSE(escaped_word(text).empty());
        }
        for (const char* bad : {"\\", "\\x", "\\x4", "\\xg0", "\\n", "\\x4G"}) CHECK_FALSE(unescaped(bad));
    }

    TEST_CASE("moments are exact") {
        for (Time t : {Time{}, Time{1us}, Time{12345678us}, Time{1ns}, Time{999999999ns}, kNever, -Time{1500us}})
            CHECK(seconds_of(seconds_text(t)) == t);
        CHECK(seconds_text(12345678us) == "12.345678");
        for (const char* bad : {"", "x", "1.", "1000000001", "1.0000000000", "1,5", "99999999999999999999"})
            CHECK_FALSE((seconds_of(bad) && std::string(bad) != "1."));
    }

    TEST_CASE("every kind of event, there and back") {
        std::string message;
        std::set<size_t> kinds;
        for (const Event& event : all_events(message)) {
            std::string text = written(event);
            CAPTURE(text);
            CHECK(again(text) == text);
            CHECK(printable(text.substr(0, text.size() - 1)).find("\\x0a") != 0);
            kinds.insert(event.index());
        }
        CHECK(kinds.size() == std::variant_size_v<Event> - 1);  // NewConfiguration is tested below
    }

    TEST_CASE("what comes back is what was there") {
        std::string message;
        std::vector<Event> events = all_events(message);
        const auto& before = std::get<DeviceEvent>(events[0]);
        std::string text = written(before);
        TraceCursor cursor(text, "t");
        EventReader reader(cursor);
        TraceLine line = cursor.take();
        std::optional<ReadEvent> read;
        REQUIRE_FALSE(reader.read(line, read));
        const auto& after = std::get<DeviceEvent>(read->event);
        CHECK(after.uevent.block == before.uevent.block);
        CHECK(after.uevent.devpath == before.uevent.devpath);
        CHECK(after.uevent.seqnum == 7);
        CHECK(after.standing.generation == before.standing.generation);
        CHECK(after.standing.exists);
        CHECK_FALSE(after.standing.device);
        CHECK(after.standing.orphan);
        CHECK(after.standing.bare);
        REQUIRE(after.standing.attributes.size() == 3);
        CHECK(after.standing.attributes[0].name == before.standing.attributes[0].name);
        CHECK(after.standing.attributes[0].text == kHostile);
        CHECK(after.standing.driver == kHostile);
    }

    TEST_CASE("shipped units and classes read back to the same") {
        Configuration c = load_configuration({{std::string(DEVMUX_SOURCE_DIR) + "/units.d"}}, Trust::Waive);
        REQUIRE(c.units.size() >= 4);
        for (const char* name : {"takes", "keeps"}) {
            auto unit = std::make_shared<Unit>(*c.units.at("fetchmail"));
            unit->name = name;
            unit->keeps_links = name[0] == 'k';
            auto taken = parse_device_set("network interface[name ~ \"eth*\"]", *c.classes);
            REQUIRE(taken);
            if (!unit->keeps_links) unit->takes_down = std::make_shared<const DeviceTerm>(*taken);
            c.units[name] = unit;
        }
        c.broken["b"] = {Error{}};
        c.masked.insert("m");
        std::string text;
        append_configuration(c, text);
        TraceCursor cursor(text, "t");
        ConfigurationReader reader(cursor);
        while (!cursor.at_end()) {
            TraceLine line = cursor.take();
            auto error = reader.read(line);
            REQUIRE_MESSAGE(!error, error->to_string());
        }
        auto back = reader.finish();
        REQUIRE(back->units.size() == c.units.size());
        for (const auto& entry : c.units) {
            const Unit& unit = *entry.second;
            Unit same = *back->units.at(entry.first);
            same.file = unit.file;
            CHECK_MESSAGE(same_text(same, unit), unit.name);
        }
        REQUIRE(back->classes->classes().size() == c.classes->classes().size());
        for (size_t i = 0; i < c.classes->classes().size(); ++i)
            CHECK(class_file_text(back->classes->classes()[i]) == class_file_text(c.classes->classes()[i]));
        CHECK(back->broken.contains("b"));
        CHECK(back->masked.contains("m"));
    }

    TEST_CASE("what is wrong in a recording is named with its line") {
        for (auto [lines, what] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"caught-up\n", "t:3: expected \"begin\""},
                 {"begin\nplug\n", "t:4: expected an event"},
                 {"begin\nadd /x \\q\n", "t:4: expected an event"},
                 {"begin\nadd /x\n  attr.a=\\q\n", "t:5: a backslash"},
                 {"begin\nadd x\n  SUBSYSTEM=a\n", "t:4: this is no event"},
                 {"begin\n@5.0\n@4.0\n", "t:5: expected a moment"},
                 {"times 1 2\n", "t:3: expected ten"},
                 {"saved nothing\n", "t:3: expected a record"},
                 {"configuration\nunit a\n  when: mouse\n", "t:4: the unit cannot be read"},
                 {"configuration\nunit a\nclass b\n", "t:4: the unit cannot be read"},
                 {"checkpoint\nmanaged a\n", "t:4: there is no such unit"},
                 {"checkpoint\nturn 0\n", "t:4: there is no such lane"},
                 {"checkpoint\nqueue 0\n", "t:4: there is no such unit"},
                 {"checkpoint\nhistory\n  seen=5-3\n", "t:4: expected ranges"},
                 {"checkpoint\nknown /x\n  since=x\n", "t:4: this is no device"},
                 {"begin\nended x\n", "t:4: expected \"ended"},
                 {"begin\nended 1\n  exit=99999999999\n", "t:4: its exit status"},
                 {"  A=1\n", "t:3: an indented line"}}) {
            const char* shown = lines;
            CAPTURE(shown);
            auto played = play_recorded("devmux-trace 1\nrecorded x\n"s + lines, "t");
            REQUIRE_FALSE(played);
            CHECK_MESSAGE(played.error().to_string().starts_with(what), played.error().to_string());
        }
    }

    TEST_CASE("another decision is told, with its line") {
        std::string text = login_trace();
        auto played = play(text, "t", {});
        REQUIRE(played);
        CHECK(played->difference == "");
        CHECK(played->same == 3);
        for (auto [was, is] : std::initializer_list<std::pair<std::string, std::string>>{
                 {"= login: done\n", ""}, {"= login: done\n", "= login: active\n"}, {"caught-up\n", "caught-up\n= login: more\n"}}) {
            std::string other = text;
            other.replace(other.find(was), was.size(), is);
            auto differs = play_recorded(other, "t");
            REQUIRE(differs);
            CHECK(differs->difference.starts_with("t"));
        }
        CHECK(play_recorded(text.substr(0, text.rfind("end")), "t")->ended == "");
    }

    TEST_CASE("other units, and the difference") {
        std::string text = login_trace();
        auto one = play_freely(text, "t", nullptr);
        auto other = play_freely(text, "t", login_units("mouse"));
        REQUIRE((one && other));
        CHECK(one->lines == play_recorded(text, "t")->lines);
        auto diff = decisions_diff(one->lines, other->lines);
        REQUIRE(diff.size() == 6);
        CHECK(diff[0] == "+ 1000ms login: starting (mouse)");
        CHECK(diff[2].starts_with("- 2000ms login: starting"));
        CHECK(diff[4] == "+ 2500ms login: done");
        CHECK(decisions_diff(one->lines, one->lines).empty());
        CHECK(decisions_diff({"1ms a", "1ms a"}, {"1ms a", "2ms b"}) == std::vector<std::string>{"- 1ms a", "+ 2ms b"});
    }

    TEST_CASE("the tutorial of devmux(7)") {
        // DEVMUX_WRITE_TUTORIAL=1 writes it anew, and the fuzzer's seeds of recordings.
        std::string path = std::string(DEVMUX_SOURCE_DIR) + "/man/tutorial/login.trace";
        if (std::getenv("DEVMUX_WRITE_TUTORIAL")) {
            std::string text = login_trace();
            // The paths of whoever writes it are nobody's business.
            for (size_t at; (at = text.find(DEVMUX_SOURCE_DIR "/")) != text.npos;) text.erase(at, sizeof DEVMUX_SOURCE_DIR);
            std::ofstream(path) << text;
            std::string seeds = std::string(DEVMUX_SOURCE_DIR) + "/tests/fuzz/seeds/trace/";
            std::ofstream(seeds + "recorded") << text.substr(text.find('\n') + 1);
            RandomWorld world(7);
            for (int i = 0; i < 150; ++i) world.step();
            std::ofstream checkpoint(seeds + "checkpoint");
            Recorder("seed", [&](std::string_view lines) { checkpoint << lines.substr(lines.find('\n') + 1); })
                .checkpoint(world.engine(), world.now());
        }
        auto played = play_recorded(contents("man/tutorial/login.trace"), "login.trace");
        REQUIRE_MESSAGE(played, played.error().to_string());
        CHECK(played->difference == "");
        std::string manual = contents("man/devmux.7");
        for (const std::string& line : played->lines) CHECK_MESSAGE(manual.find(line) != manual.npos, line);
    }

    TEST_CASE("redaction") {
        std::string text =
            "devmux-trace 1\nrecorded x\ncmdline root=UUID=1234-ABCD quiet\nconfiguration\nclass c\n  match: 'ID_SERIAL = \"KEEPME99\"'\n"
            "begin\n@12.778899\nadd /devices/usb/02:ca:fe:00:00:01\n  DEVLINKS=/dev/disk/by-id/usb-Foo_S3CR3T77-0:0\n  SUBSYSTEM=net\n"
            "  ID_SERIAL=Foo_S3CR3T77\n  ID_SERIAL_SHORT=S3CR3T77\n  ID_NET_NAME_MAC=enx02cafe000001\n  SERIAL=KEEPME99\n"
            "  UNIQ=778899\n  attr.address=02:ca:fe:00:00:01\n  attr.other=ff:ff:ff:ff:ff:ff\n  SEQNUM=778899\n"
            "= x: add /devices/usb/02:ca:fe:00:00:01\nend asked\n";
        std::string out = redacted(text);
        for (const char* gone : {"S3CR3T77", "02:ca:fe", "02cafe", "1234-ABCD", "UNIQ=778899"}) {
            CAPTURE(gone);
            CHECK(out.find(gone) == out.npos);
        }
        for (const char* kept : {"KEEPME99\n", "ff:ff:ff:ff:ff:ff", "@12.778899", "SEQNUM=778899", "ID_NET_NAME_MAC=enx"}) {
            CAPTURE(kept);
            CHECK(out.find(kept) != out.npos);
        }
        CHECK(out.size() == text.size());
        CHECK(redacted(text) == out);
        // The same wherever it stands.
        size_t at = out.find("add /devices/usb/") + 17;
        std::string address = out.substr(at, 17);
        CHECK(out.find("= x: add /devices/usb/" + address) != out.npos);
        CHECK(out.find("attr.address=" + address) != out.npos);
        std::string bare;
        for (char c : address)
            if (c != ':') bare += c;
        CHECK(out.find("enx" + bare) != out.npos);
    }

    TEST_CASE("what if") {
        std::string text;
        Simulation s(login_units("mouse AND framebuffer present"), "");
        s.start();
        s.snapshot({mouse(), {mouse().devpath + "/mouse0", {"SUBSYSTEM=input"}, {}, 0, std::nullopt},
                    {"/devices/platform/other/mouse0", {"SUBSYSTEM=misc"}, {}, 0, std::nullopt}});
        s.coldplug_complete();
        s.record_into(text);
        auto head = read_head(text, "t");
        REQUIRE_MESSAGE(head, head.error().to_string());
        auto ask = [&](std::vector<std::string> events) { return what_if(*head, events); };
        auto added = ask({"add /devices/vga/fb0 SUBSYSTEM=graphics DEVNAME=fb0"});
        REQUIRE_MESSAGE(added, added.error().to_string());
        REQUIRE(added->size() == 3);
        CHECK((*added)[1] == "0ms run login start ACTION=add DEVPATH=/devices/vga/fb0");
        CHECK(ask({"+2s", "change input4 NAME=\"a b\""})->empty());
        CHECK(ask({"remove mouse", "add /devices/vga/fb0 SUBSYSTEM=graphics DEVNAME=fb0"})->empty());
        CHECK(ask({"remove input4", "add /devices/vga/fb0 SUBSYSTEM=graphics DEVNAME=fb0"})->empty());
        CHECK(ask({"file /x yes", "stop login"})->size() <= 1);
        CHECK(ask({"remove mouse0"}).error().what.find("2 devices") != std::string::npos);
        CHECK(ask({"remove mause"}).error().hint.find("mouse") != std::string::npos);
        CHECK(ask({"remove"}).error().what.find("says not") != std::string::npos);
        CHECK(ask({"explode"}).error().what.find("expected an event") != std::string::npos);
        CHECK(ask({""}).error().what.find("expected an event") != std::string::npos);
        // Nothing of it has touched the core that was asked.
        CHECK(s.engine().knows(mouse().devpath));
    }
}
