// See service_file.h.
#include "engine/model/service_file.h"

#include <algorithm>
#include <array>

#include "conditions/text.h"

namespace devmux {
namespace {

using MaybeError = std::optional<Error>;

// The keys that say what is started, in the order of the manual.
constexpr std::array<std::string_view, 2> kServiceKeys{"init-script", "command"};

MaybeError read_init_script(const Node& n, Service& s) {
    s.kind = Service::Kind::InitScript;
    if (auto error = read_text(n, s.init_script)) return error;
    if (is_script_name(s.init_script)) return std::nullopt;
    return error_at(n, "expected the name of a script in /etc/init.d, found " + described(n),
                    s.init_script.starts_with('/') ? "write the name alone; another script is run "
                                                     "by command: {start: [/path, start]}" : "");
}

MaybeError read_command(const Node& n, Service& s) {
    s.kind = Service::Kind::Command;
    if (n.kind != Node::Kind::Map)
        return error_at(n, "expected {start: […], stop: […]}, found " + described(n),
                        "a program is never run through a shell: {start: [/usr/bin/program]}");
    Errors errors =
        read_fields(n, {{"start", [&](const Node& v) { return read_argv(v, s.start); }},
                        {"stop", [&](const Node& v) { return read_argv(v, s.stop); }}}, "command");
    if (!errors.empty()) return errors[0];
    if (s.start.empty()) return error_at(n, "command needs start: [/usr/bin/program]");
    return std::nullopt;
}

}  // namespace

std::vector<Field> service_fields(Service& s) {
    return {{"init-script", [&s](const Node& n) { return read_init_script(n, s); }},
            {"command", [&s](const Node& n) { return read_command(n, s); }}};
}

void check_service(const Node& document, Unit& u, Errors& errors) {
    auto has = [&](std::string_view key) { return document.find(key) != nullptr; };
    auto at = [&](std::string_view key) -> const Node& { return *document.find(key); };
    std::string_view first;
    for (std::string_view key : kServiceKeys) {
        if (!has(key)) continue;
        if (!first.empty())
            errors.push_back(error_at(at(key), quoted(key) + " cannot stand beside " + quoted(first),
                                      "a unit starts exactly one thing"));
        else first = key;
    }
    if (first.empty())
        errors.push_back(error_at(document, "the unit starts nothing",
                                  "it needs init-script: NAME or command: {start: [/path]}"));
    bool one_shot = has("command") && u.service.stop.empty();
    if (one_shot && has("task") && !u.task)
        errors.push_back(error_at(at("task"), "a command without stop leaves nothing that could be "
                                  "stopped: it is a task", "give it stop: [ … ], or task: true"));
    // Only a command that reads well can be told to lack its stop.
    bool stops = !has("each-event") && (has("while") || has("stop-when"));
    if (one_shot && first == "command" && !u.service.start.empty() && stops)
        errors.push_back(error_at(at("command"), std::string(has("while") ? "\"while\"" : "\"stop-when\"") +
                                  " stops the command, which says not how", "give it stop: [ … ]"));
    if (one_shot) u.task = true;
}

bool is_script_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && name[0] != '.' &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '+' || c == '-';
           });
}

std::string describe(const Service& service) {
    if (service.kind == Service::Kind::InitScript) return "init-script " + service.init_script;
    std::string out = "command";
    for (const std::string& word : service.start) out += " " + printable(word);
    return out;
}

}  // namespace devmux
