// See service_file.h.
#include "engine/model/service_file.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "conditions/text.h"

namespace devmux {
namespace {

using MaybeError = std::optional<Error>;

// The keys that say what is started, in the order of the manual.
constexpr std::array<std::string_view, 5> kServiceKeys{"init-script", "command", "daemon", "scripts", "systemd"};
// systemd.unit(5): what a name can end with.
constexpr std::array<std::string_view, 11> kSystemdTypes{".service", ".socket", ".target", ".device", ".mount", ".automount",
                                                         ".swap",    ".timer",  ".path",   ".slice",  ".scope"};
constexpr size_t kLongestSystemdName = 255;
constexpr std::array<std::string_view, 3> kIfRunning{"skip", "run", "error"};
constexpr std::array<std::string_view, 3> kPolicies{"never", "on-failure", "always"};
constexpr unsigned kMostTries = 1000;

MaybeError read_init_script(const Node& n, Service& s) {
    s.kind = Service::Kind::InitScript;
    if (auto error = read_text(n, s.init_script)) return error;
    if (is_script_name(s.init_script)) return std::nullopt;
    return error_at(n, "expected the name of a script in /etc/init.d, found " + described(n),
                    s.init_script.starts_with('/') ? "write the name alone; another script is run "
                                                     "by command: {start: [/path, start]}" : "");
}

MaybeError read_chosen_by(const Node& n, Service& s) {
    if (auto error = read_text(n, s.chosen_by)) return error;
    if (s.chosen_by.starts_with('/')) return std::nullopt;
    return error_at(n, "expected an absolute path, found " + described(n), "/etc/X11/default-display-manager");
}

MaybeError read_if_missing(const Node& n, bool& may_be_missing) {
    may_be_missing = n.kind == Node::Kind::Scalar && n.text == "skip";
    if (may_be_missing || (n.kind == Node::Kind::Scalar && n.text == "fail")) return std::nullopt;
    return error_at(n, "expected fail or skip, found " + described(n), "what is done when that which it starts is not installed");
}

MaybeError read_command(const Node& n, Service& s) {
    s.kind = Service::Kind::Command;
    if (n.kind != Node::Kind::Map)
        return error_at(n, "expected {start: […], stop: […]}, found " + described(n),
                        "a program is never run through a shell: {start: [/usr/bin/program]}");
    Errors errors =
        read_fields(n, {{"start", [&](const Node& v) { return read_argv(v, s.start); }},
                        {"stop", [&](const Node& v) { return read_argv(v, s.stop); }},
                        {"reload", [&](const Node& v) { return read_argv(v, s.reload); }},
                        {"status", [&](const Node& v) { return read_argv(v, s.status); }}}, "command");
    if (!errors.empty()) return errors[0];
    if (s.start.empty()) return error_at(n, "command needs start: [/usr/bin/program]");
    return std::nullopt;
}

MaybeError read_scripts(const Node& n, Service& s) {
    s.kind = Service::Kind::Scripts;
    if (auto error = read_text(n, s.scripts)) return error;
    while (s.scripts.size() > 1 && s.scripts.ends_with('/')) s.scripts.pop_back();
    if (s.scripts.starts_with('/')) return std::nullopt;
    return error_at(n, "expected an absolute path, found " + described(n), "scripts: /etc/dev.d");
}

bool has_systemd_type(std::string_view name) {
    return std::any_of(kSystemdTypes.begin(), kSystemdTypes.end(),
                       [&](std::string_view type) { return name.ends_with(type); });
}

MaybeError read_systemd(const Node& n, Service& s) {
    s.kind = Service::Kind::Systemd;
    if (auto error = read_text(n, s.systemd)) return error;
    if (is_systemd_unit_name(s.systemd)) return std::nullopt;
    std::string hint = "letters, digits and : - _ . \\ @, then the type: bluetooth.service";
    if (size_t at = s.systemd.find("@."); at != s.systemd.npos && at > 0)
        hint = "that is a template: name an instance, as getty@tty2.service";
    else if (is_systemd_unit_name(s.systemd + ".service"))
        hint = "with its type: " + s.systemd + ".service; also .socket, .target, .mount, .timer, .path and the like";
    return error_at(n, "expected the name of a unit of systemd with its type, found " + described(n), hint);
}

MaybeError read_ready(const Node& n, bool& notifies) {
    notifies = n.kind == Node::Kind::Scalar && n.text == "notify";
    if (notifies || (n.kind == Node::Kind::Scalar && n.text == "start")) return std::nullopt;
    return error_at(n, "expected start or notify, found " + described(n),
                    "notify waits until the daemon says READY=1 (sd_notify)");
}

MaybeError read_reload(const Node& n, bool& reloads) {
    reloads = n.kind == Node::Kind::Scalar && n.text == "signal";
    if (reloads || (n.kind == Node::Kind::Scalar && n.text == "restart")) return std::nullopt;
    return error_at(n, "expected signal or restart, found " + described(n),
                    "signal: a daemon that reads its configuration again when it gets SIGHUP");
}

MaybeError read_policy(const Node& n, Restart::Policy& out) {
    for (size_t i = 0; i < kPolicies.size(); ++i)
        if (n.kind == Node::Kind::Scalar && n.text == kPolicies[i]) {
            out = static_cast<Restart::Policy>(i);
            return std::nullopt;
        }
    return error_at(n, "expected never, on-failure or always, found " + described(n),
                    "or {policy: on-failure, delay: 1s, limit: 5}");
}

MaybeError read_limit(const Node& n, unsigned& out) {
    const char* end = n.text.data() + n.text.size();
    auto [stopped, error] = std::from_chars(n.text.data(), end, out);
    if (n.kind == Node::Kind::Scalar && error == std::errc() && stopped == end && out >= 1 && out <= kMostTries)
        return std::nullopt;
    return error_at(n, "expected a number from 1 to 1000, found " + described(n), "how often in a row");
}

void check_kinds(const Node& document, const Unit& u, Errors& errors) {
    const bool daemon = document.find("daemon");
    auto refuse = [&](const char* key, const char* why, const char* hint = "") {
        if (const Node* where = document.find(key)) errors.push_back(error_at(*where, why, hint));
    };
    if (daemon) {
        refuse("each-event", "a daemon stays, and an each-event unit runs something that ends",
               "command: {start: [/path]} is run for each event");
        refuse("if-running", "a daemon is devmux's own child, of which there is one: nobody is asked");
        if (u.task) refuse("task", "a daemon stays, and a task ends", "a program that ends is a command");
    } else {
        refuse("ready", "\"ready\" needs \"daemon\"");
        refuse("reload", "\"reload\" needs \"daemon\"", "command: {reload: [/path]}; an init script says by itself what it can");
        if (u.restart.policy == Restart::Policy::Always && !document.find("systemd"))
            refuse("restart", "\"always\" needs \"daemon\" or \"systemd\": of nothing else it is known when it ends", "on-failure");
    }
    if (document.find("for-each")) {
        refuse("init-script", "an init script is one service, and for-each starts one for each device",
               "command: {start: [/etc/init.d/NAME, start]} runs it for each, where it can tell them apart");
        refuse("systemd", "a unit of systemd is one service, and for-each starts one for each device",
               "command: {start: […], stop: […]} or daemon: […]");
    }
    if (document.find("systemd")) {
        refuse("user", "a unit of systemd says itself who runs it", "User= in its own file");
        refuse("environment", "a unit of systemd has an environment of its own: devmux cannot reach it",
               "Environment= in its own file");
        refuse("each-event", "a unit of systemd is started once, and not once for each event",
               "command: {start: [/path]} is run for each event");
        if (u.if_running == IfRunning::Run)
            refuse("if-running", "systemd does not start what runs already", "skip or error");
    }
    if (document.find("scripts") && !document.find("each-event"))
        refuse("scripts", "\"scripts\" needs \"each-event\": such scripts are run once for each event of a device",
               "each-event: device");
    if (document.find("each-event"))
        refuse("if-missing", "an each-event unit runs once for each event, whatever becomes of it");
    if (!document.find("init-script")) refuse("chosen-by", "\"chosen-by\" needs \"init-script\"");
    if (document.find("init-script")) refuse("user", "an init script is root's, and chooses its users itself");
    if (!daemon && document.find("each-event"))
        refuse("restart", "an each-event unit runs once for each event, whatever becomes of it");
}

// What leaves nothing running is never asked whether it runs.
void check_if_running(const Node& document, const Unit& u, Errors& errors) {
    bool leaves_nothing = u.task || document.find("each-event");
    if (!leaves_nothing) return;
    const std::string why = document.find("each-event") ? "an each-event unit leaves nothing running"
                                                        : "a task leaves nothing running";
    if (const Node* key = document.find("if-running")) errors.push_back(error_at(*key, why));
    const Node* command = document.find("command");
    const Node* status = command && command->kind == Node::Kind::Map ? command->find("status") : nullptr;
    if (status) errors.push_back(error_at(*status, why + ": it is not asked", "leave out status, or give it stop: [ … ]"));
    const Node* reload = command && command->kind == Node::Kind::Map ? command->find("reload") : nullptr;
    for (const Node* key : {reload, document.find("refresh")})
        if (key) errors.push_back(error_at(*key, why + ": there is nothing to reload", "give it stop: [ … ], if it does"));
}

}  // namespace

std::vector<Field> service_fields(Service& s) {
    return {{"init-script", [&s](const Node& n) { return read_init_script(n, s); }},
            {"command", [&s](const Node& n) { return read_command(n, s); }},
            {"daemon", [&s](const Node& n) {
                 s.kind = Service::Kind::Daemon;
                 return read_argv(n, s.start);
             }},
            {"scripts", [&s](const Node& n) { return read_scripts(n, s); }},
            {"systemd", [&s](const Node& n) { return read_systemd(n, s); }},
            {"chosen-by", [&s](const Node& n) { return read_chosen_by(n, s); }},
            {"if-missing", [&s](const Node& n) { return read_if_missing(n, s.may_be_missing); }},
            {"reload", [&s](const Node& n) { return read_reload(n, s.reloads); }},
            {"ready", [&s](const Node& n) { return read_ready(n, s.notifies); }}};
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
                                  "it needs init-script: NAME, command: {start: [/path]}, daemon: [/path], scripts: /folder "
                                  "or systemd: NAME.service"));
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
    check_if_running(document, u, errors);
    check_kinds(document, u, errors);
}

std::optional<Error> read_restart(const Node& node, Restart& out) {
    if (node.kind != Node::Kind::Map) return read_policy(node, out.policy);
    Errors errors = read_fields(node, {{"policy", [&](const Node& n) { return read_policy(n, out.policy); }},
                                       {"delay", [&](const Node& n) { return read_duration(n, out.delay); }},
                                       {"limit", [&](const Node& n) { return read_limit(n, out.limit); }}}, "restart");
    if (!errors.empty()) return errors[0];
    if (!node.find("policy")) return error_at(node, "restart needs policy: on-failure, always or never");
    return std::nullopt;
}

std::optional<Error> read_if_running(const Node& node, IfRunning& out) {
    for (size_t i = 0; i < kIfRunning.size(); ++i)
        if (node.kind == Node::Kind::Scalar && node.text == kIfRunning[i]) {
            out = static_cast<IfRunning>(i);
            return std::nullopt;
        }
    return error_at(node, "expected skip, run or error, found " + described(node),
                    "what is done when the service is found running at its start");
}

std::optional<Error> read_user(const Node& node, std::string& out) {
    if (auto error = read_text(node, out)) return error;
    bool good = !out.empty() && out.size() <= 32 && out[0] != '-' &&
                std::all_of(out.begin(), out.end(), [](char c) {
                    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '_' || c == '-' || c == '.';
                });
    if (good) return std::nullopt;
    return error_at(node, "expected the name of a user, found " + described(node), "a name as in /etc/passwd");
}

std::string_view to_string(Restart::Policy policy) { return kPolicies[static_cast<size_t>(policy)]; }
std::string_view to_string(IfRunning what) { return kIfRunning[static_cast<size_t>(what)]; }

bool is_script_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && name[0] != '.' &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '+' || c == '-';
           });
}

bool is_systemd_unit_name(std::string_view name) {
    if (name.size() > kLongestSystemdName || !has_systemd_type(name)) return false;
    std::string_view stem = name.substr(0, name.rfind('.'));
    size_t at = stem.find('@');
    if (stem.empty() || at == 0 || (at != stem.npos && at + 1 == stem.size())) return false;
    return std::all_of(stem.begin(), stem.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view(":-_.\\@").find(c) != std::string_view::npos;
    });
}

std::string describe(const Service& service) {
    if (service.kind == Service::Kind::InitScript) return "init-script " + service.init_script;
    if (service.kind == Service::Kind::Scripts) return "scripts " + printable(service.scripts);
    if (service.kind == Service::Kind::Systemd) return "systemd " + service.systemd;
    std::string out = service.kind == Service::Kind::Daemon ? "daemon" : "command";
    for (const std::string& word : service.start) out += " " + printable(word);
    return out;
}

}  // namespace devmux
