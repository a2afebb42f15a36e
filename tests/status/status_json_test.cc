// The JSON of every listing: its keys and their order are a promise to scripts, and no byte that a
// device sends may break it or reach a terminal.
#include "engine/status/status_json.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace devmux;
using Json = nlohmann::ordered_json;
using namespace std::chrono_literals;

namespace {

Explanation leaf(std::string text, Truth truth) {
    return {Explanation::Kind::Leaf, truth, std::move(text), "none", "a cable", {}, false, {}};
}

std::string keys(const Json& object) {
    std::string out;
    for (const auto& [key, value] : object.items()) out += (out.empty() ? "" : " ") + key;
    return out;
}

}  // namespace

TEST_SUITE_BEGIN("status/json");

TEST_CASE("an engine, word for word") {
    EngineSnapshot e{.version = "0.1",
                     .coldplug_complete = true,
                     .mode = "docked",
                     .udev = "running",
                     .waiting_for_udev = 2,
                     .devices = 412,
                     .counters = {{"overruns", 2}, {"received", 900}},
                     .units = {{"active", 3}},
                     .sources = {"kernel", "coldplug"},
                     .unit_folders = {"/etc"},
                     .on_disk = {{"changed", {"gdm"}}},
                     .uptime = 1500ms};
    CHECK(to_json(e) ==
          R"({"version":"0.1","dry_run":false,"coldplug_complete":true,"settled":false,"runlevel":"","network":"","carriers":[],"mode":"docked","going_down":false,)"
          R"("in_doubt":false,"udev":"running","waiting_for_udev":2,)"
          R"("devices":412,"counters":{"overruns":2,"received":900},"units":{"active":3},)"
          R"("sources":["kernel","coldplug"],"errors":[],"unit_folders":["/etc"],)"
          R"("on_disk":{"changed":["gdm"]},"uptime_s":1.5})");
}

TEST_CASE("a unit has all its keys, in the order of the snapshot") {
    UnitSnapshot u{.name = "gdm",
                   .kind = "when",
                   .state = "waiting",
                   .verdict = Truth::Unknown,
                   .since = 2250ms,
                   .pid = 7,
                   .starts = 3};
    Json j = Json::parse(to_json(u));
    CHECK(keys(j) ==
          "name description file service kind for_each of device instances condition stop_when boot_if refresh takes_down if_missing chosen_by "
          "chosen requires wants after before conflicts provides then on_failure task state wanted hold asked_by verdict "
          "since_s reason last_end last_reload reload_failed remark pid starts queued changed_on_disk on_disk errors warnings");
    CHECK(j["verdict"] == "unknown");
    CHECK(j["since_s"] == 2.25);
    CHECK(j["pid"] == 7);
    CHECK(j["starts"] == 3);
    CHECK(Json::parse(to_json(std::vector<UnitSnapshot>{u, u})).size() == 2);
    CHECK(to_json(std::vector<UnitSnapshot>{}) == "[]");
}

TEST_CASE("explanations are nested, and what is missing is named beside them") {
    UnitSnapshot u{.name = "gdm"};
    u.explanation =
        Explanation{Explanation::Kind::All, Truth::False, "mouse and not tablet", "", "", {}, false, {}};
    u.explanation->parts.push_back(leaf("mouse", Truth::False));
    u.explanation->parts.push_back(
        {Explanation::Kind::Not, Truth::False, "not tablet", "", "", {}, false, {}});
    u.explanation->parts[1].parts.push_back(leaf("tablet", Truth::True));
    u.stop_explanation = leaf("settled", Truth::Unknown);
    Json j = Json::parse(to_json(u));
    CHECK(j["explanation"]["kind"] == "all");
    CHECK(keys(j["explanation"]) == "kind truth text seen supplier parts");
    CHECK(j["explanation"]["parts"][1]["kind"] == "not");
    CHECK(j["explanation"]["parts"][1]["parts"][0]["truth"] == "true");
    CHECK(j["missing"].dump() ==
          R"([{"text":"mouse","truth":"false","seen":"none","supplier":"a cable","hardware":""},)"
          R"({"text":"tablet","truth":"true","seen":"none","supplier":"a cable","hardware":""}])");
    CHECK(j["stop_explanation"]["truth"] == "unknown");
}

TEST_CASE("a device: an attribute without a file is null, an empty one is empty") {
    DeviceSnapshot d{.devpath = "/devices/x",
                     .name = "x",
                     .classes = {"mouse", "pointer"},
                     .properties = {{"ID_BUS", "usb"}},
                     .attributes = {{"gone", {}}, {"empty", ""}}};
    Json j = Json::parse(to_json(std::vector<DeviceSnapshot>{d}))[0];
    CHECK(keys(j) == "devpath name subsystem driver classes link carries level in_doubt since_s properties attributes");
    CHECK(j["classes"].dump() == R"(["mouse","pointer"])");
    CHECK(j["properties"]["ID_BUS"] == "usb");
    CHECK(j["attributes"]["gone"].is_null());
    CHECK(j["attributes"]["empty"] == "");
}

TEST_CASE("bytes that are no text come out as text, wherever they stand") {
    const std::string evil =
        "a\xff\x1b[31m\n\xed\xa0\x80\xc3\xa4";  // broken, escape, line, surrogate, ä
    const std::string tame = "a\\xff\\x1b[31m\\x0a\\xed\\xa0\\x80ä";
    DeviceSnapshot d{.devpath = evil,
                     .name = evil,
                     .subsystem = evil,
                     .driver = evil,
                     .classes = {evil},
                     .properties = {{evil, evil}},
                     .attributes = {{evil, evil}}};
    Json j = Json::parse(to_json(std::vector<DeviceSnapshot>{d}))[0];
    for (const char* key : {"devpath", "name", "subsystem", "driver"}) CHECK(j[key] == tame);
    CHECK(j["classes"][0] == tame);
    CHECK(j["properties"][tame] == tame);
    CHECK(j["attributes"][tame] == tame);

    UnitSnapshot u{.name = evil,
                   .description = evil,
                   .file = evil,
                   .service = evil,
                   .kind = evil,
                   .condition = evil,
                   .stop_when = evil,
                   .state = evil,
                   .wanted = evil,
                   .hold = evil,
                   .reason = evil,
                   .last_end = evil,
                   .errors = {evil},
                   .warnings = {evil}};
    u.explanation = leaf(evil, Truth::False);
    u.explanation->seen = u.explanation->supplier = evil;
    u.explanation->hardware = {{evil, evil}};
    Json unit = Json::parse(to_json(u));
    for (const char* key : {"text", "seen", "supplier"}) {
        CHECK(unit["explanation"][key] == tame);
        CHECK(unit["missing"][0][key] == tame);
    }
    CHECK(unit["missing"][0]["hardware"].get<std::string>().find('\x1b') == std::string::npos);
    CHECK(unit["reason"] == tame);
    CHECK(unit["errors"][0].get<std::string>().find('\x1b') == std::string::npos);

    ClassSnapshot c{evil, evil, evil, evil, evil, evil, {evil}, {evil}, {evil}, 1};
    CHECK(Json::parse(to_json(std::vector<ClassSnapshot>{c}))[0]["supplied_by"] == tame);
    CHECK(Json::parse(to_json(
              EvalSnapshot{evil, Truth::True, leaf(evil, Truth::True)}))["condition"] == tame);
    CHECK(Json::parse(to_json(ReloadSnapshot{{evil}, {}, {}, {}, {evil}}))["added"][0] == tame);
    EngineSnapshot e{.version = evil, .counters = {{evil, 1}}, .sources = {evil}, .errors = {evil}};
    CHECK(Json::parse(to_json(e))["counters"][tame] == 1);
}

TEST_CASE("a verdict") {
    Json j = Json::parse(to_json(EvalSnapshot{"mouse", Truth::False, leaf("mouse", Truth::False)}));
    CHECK(keys(j) == "condition truth explanation missing reading absent");
    EvalSnapshot lost{"unit helo active", Truth::False, {}};
    lost.absent = {{"helo", "there is no unit \"helo\"", "did you mean hello?"}};
    CHECK(Json::parse(to_json(lost))["absent"].dump() ==
          R"([{"unit":"helo","what":"there is no unit \"helo\"","hint":"did you mean hello?"}])");
    CHECK(j["truth"] == "false");
    CHECK(j["missing"][0]["text"] == "mouse");
    Json held =
        Json::parse(to_json(EvalSnapshot{"mouse", Truth::True, leaf("mouse", Truth::True)}));
    CHECK(held["missing"].empty());
}

TEST_CASE("classes and reloads have their keys") {
    CHECK(keys(Json::parse(to_json(std::vector<ClassSnapshot>{{}}))[0]) ==
          "name plural description supplied_by match file aliases subsystems includes present");
    CHECK(keys(Json::parse(to_json(ReloadSnapshot{}))) == "added changed removed kept errors");
}

TEST_CASE("an error keeps its lines and the tabs under its caret") {
    CHECK(printable_lines("f:1:2: bad\n\twhen: \x07\n\t^\n") == "f:1:2: bad\n\twhen: \\x07\n\t^\n");
    CHECK(printable_lines("").empty());
    UnitSnapshot u{.errors = {"one\n    two"}};
    CHECK(Json::parse(to_json(u))["errors"][0] == "one\n    two");
}

TEST_SUITE_END();
