// See status_json.h. Every string passes through printable() on its way in, so that dump() has
// nothing to complain of; the error handler is there for the day somebody forgets one.
#include "engine/status/status_json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "conditions/text.h"

namespace devmux {
namespace {

using Json = nlohmann::ordered_json;

std::string dumped(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// To the millisecond: nobody reads more, and the text stays short.
double seconds(Duration duration) {
    return std::round(std::chrono::duration<double, std::milli>(duration).count()) / 1000.0;
}

Json texts(const std::vector<std::string>& list) {
    Json out = Json::array();
    for (const std::string& text : list) out.push_back(printable(text));
    return out;
}

Json lines(const std::vector<std::string>& list) {
    Json out = Json::array();
    for (const std::string& text : list) out.push_back(printable_lines(text));
    return out;
}

template <class Value>
Json numbers(const std::map<std::string, Value>& map) {
    Json out = Json::object();
    for (const auto& [key, value] : map) out[printable(key)] = value;
    return out;
}

const char* name_of(Explanation::Kind kind) {
    switch (kind) {
        case Explanation::Kind::Leaf: return "leaf";
        case Explanation::Kind::Not: return "not";
        case Explanation::Kind::All: return "all";
        case Explanation::Kind::Any: return "any";
        case Explanation::Kind::For: return "for";
    }
    return "";
}

Json tree(const Explanation& e) {
    Json out{{"kind", name_of(e.kind)},
             {"truth", to_string(e.truth)},
             {"text", printable(e.text)},
             {"seen", printable(e.seen)},
             {"supplier", printable(e.supplier)}};
    Json& parts = out["parts"] = Json::array();
    for (const Explanation& part : e.parts) parts.push_back(tree(part));
    return out;
}

Json missing_list(const Explanation& e) {
    Json out = Json::array();
    for (const Explanation* leaf : missing(e))
        out.push_back({{"text", printable(leaf->text)},
                       {"truth", to_string(leaf->truth)},
                       {"seen", printable(leaf->seen)},
                       {"supplier", printable(leaf->supplier)},
                       {"hardware", to_string(leaf->hardware, true)}});
    return out;
}

// "on-failure" as a key of JSON.
std::string with_underscores(std::string key) {
    std::replace(key.begin(), key.end(), '-', '_');
    return key;
}

Json object(const UnitSnapshot& u) {
    Json out{{"name", printable(u.name)},
             {"description", printable(u.description)},
             {"file", printable(u.file)},
             {"service", printable(u.service)},
             {"kind", u.kind},
             {"for_each", printable(u.for_each)},
             {"of", printable(u.of)},
             {"device", printable(u.device)},
             {"instances", texts(u.instances)},
             {"condition", printable(u.condition)},
             {"stop_when", printable(u.stop_when)},
             {"boot_if", printable(u.boot_if)},
             {"refresh", printable(u.refresh)},
             {"takes_down", printable(u.takes_down)},
             {"if_missing", u.if_missing},
             {"chosen_by", printable(u.chosen_by)},
             {"chosen", printable(u.chosen)}};
    for (const LinkKey& key : link_keys()) out[with_underscores(key.key)] = texts(u.links.*key.list);
    out.update({{"task", u.task},
                {"state", u.state},
                {"wanted", u.wanted},
                {"hold", u.hold},
                {"asked_by", u.asked_by},
                {"verdict", to_string(u.verdict)},
                {"since_s", seconds(u.since)},
                {"reason", printable(u.reason)},
                {"last_end", printable(u.last_end)},
                {"last_reload", printable(u.last_reload)},
                {"reload_failed", u.reload_failed},
                {"remark", u.remark},
                {"pid", u.pid},
                {"starts", u.starts},
                {"queued", u.queued},
                {"changed_on_disk", u.changed_on_disk},
                {"on_disk", u.on_disk},
                {"errors", lines(u.errors)},
                {"warnings", lines(u.warnings)}});
    if (u.explanation) {
        out["explanation"] = tree(*u.explanation);
        out["missing"] = missing_list(*u.explanation);
    }
    if (u.stop_explanation) out["stop_explanation"] = tree(*u.stop_explanation);
    if (u.boot_explanation) out["boot_explanation"] = tree(*u.boot_explanation);
    return out;
}

Json object(const DeviceSnapshot& d) {
    Json out{{"devpath", printable(d.devpath)},     {"name", printable(d.name)},
             {"subsystem", printable(d.subsystem)}, {"driver", printable(d.driver)},
             {"classes", texts(d.classes)},         {"link", d.link},
             {"carries", printable(d.carries)},
             {"level", d.level},                    {"in_doubt", d.in_doubt},
             {"since_s", seconds(d.since)}};
    Json& properties = out["properties"] = Json::object();
    for (const auto& [key, value] : d.properties) properties[printable(key)] = printable(value);
    Json& attributes = out["attributes"] = Json::object();
    for (const auto& [key, value] : d.attributes)
        attributes[printable(key)] = value ? Json(printable(*value)) : Json(nullptr);
    return out;
}

Json object(const ClassSnapshot& c) {
    return {{"name", printable(c.name)},
            {"plural", printable(c.plural)},
            {"description", printable(c.description)},
            {"supplied_by", printable(c.supplied_by)},
            {"match", printable(c.match)},
            {"file", printable(c.file)},
            {"aliases", texts(c.aliases)},
            {"subsystems", texts(c.subsystems)},
            {"includes", texts(c.includes)},
            {"present", c.present}};
}

template <class Snapshot>
std::string array_of(const std::vector<Snapshot>& list) {
    Json out = Json::array();
    for (const Snapshot& snapshot : list) out.push_back(object(snapshot));
    return dumped(out);
}

}  // namespace

std::string printable_lines(std::string_view text) {
    std::string out;
    while (true) {
        size_t end = text.find_first_of("\n\t");
        out += printable(text.substr(0, end));
        if (end == std::string_view::npos) return out;
        out += text[end];
        text.remove_prefix(end + 1);
    }
}

std::string to_json(const EngineSnapshot& e) {
    Json on_disk = Json::object();
    for (const auto& [what, names] : e.on_disk) on_disk[what] = texts(names);
    return dumped({{"version", printable(e.version)},
                   {"dry_run", e.dry_run},
                   {"coldplug_complete", e.coldplug_complete},
                   {"settled", e.settled},
                   {"runlevel", printable(e.runlevel)},
                   {"network", e.network},
                   {"carriers", texts(e.carriers)},
                   {"mode", printable(e.mode)},
                   {"going_down", e.going_down},
                   {"in_doubt", e.in_doubt},
                   {"udev", e.udev},
                   {"waiting_for_udev", e.waiting_for_udev},
                   {"devices", e.devices},
                   {"counters", numbers(e.counters)},
                   {"units", numbers(e.units)},
                   {"sources", texts(e.sources)},
                   {"errors", lines(e.errors)},
                   {"unit_folders", texts(e.unit_folders)},
                   {"on_disk", on_disk},
                   {"uptime_s", seconds(e.uptime)}});
}

std::string to_json(const UnitSnapshot& unit) { return dumped(object(unit)); }
std::string to_json(const std::vector<UnitSnapshot>& units) { return array_of(units); }
std::string to_json(const std::vector<DeviceSnapshot>& devices) { return array_of(devices); }
std::string to_json(const std::vector<ClassSnapshot>& classes) { return array_of(classes); }

std::string to_json(const EvalSnapshot& e) {
    Json absent = Json::array();
    for (const AbsentUnit& a : e.absent)
        absent.push_back({{"unit", printable(a.unit)}, {"what", printable_lines(a.what)}, {"hint", printable(a.hint)}});
    return dumped({{"condition", printable(e.condition)},
                   {"truth", to_string(e.truth)},
                   {"explanation", tree(e.explanation)},
                   {"missing", missing_list(e.explanation)},
                   {"reading", e.reading},
                   {"absent", absent}});
}

std::string to_json(const ReloadSnapshot& r) {
    return dumped({{"added", texts(r.added)},
                   {"changed", texts(r.changed)},
                   {"removed", texts(r.removed)},
                   {"kept", texts(r.kept)},
                   {"errors", lines(r.errors)}});
}

}  // namespace devmux
