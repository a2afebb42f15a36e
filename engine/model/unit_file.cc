// See unit_file.h. What `check` says beyond errors is in unit_lint.cc.
#include "engine/model/unit_file.h"

#include <algorithm>
#include <charconv>

#include "conditions/grammar.h"
#include "conditions/spelling.h"
#include "conditions/text.h"
#include "engine/model/placeholder.h"
#include "engine/model/service_file.h"
#include "engine/model/unit_lint.h"
#include "engine/model/yaml_fields.h"

namespace devmux {
namespace {

using MaybeError = std::optional<Error>;

constexpr std::string_view kNotInBootIf =
    "cannot stand in `boot-if`: once won it is held, and the script would be the boot sequence's for good";
constexpr std::string_view kNotInWhile =
    "cannot stand in `while`: once won it is held, and the unit would never stop";

MaybeError read_environment(const Node& node, std::vector<std::string>& out) {
    if (node.kind != Node::Kind::Map)
        return error_at(node, "expected a map of names and values, found " + described(node),
                        "environment: {NAME: \"value\"}");
    for (const auto& [key, value] : node.entries) {
        bool good = !key.text.empty() && !(key.text[0] >= '0' && key.text[0] <= '9');
        for (char c : key.text)
            good &= (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        if (!good) return error_at(key, described(key) + " is no name of a variable");
        if (key.text.starts_with("DEVMUX_"))
            return error_at(key, described(key) + ": names that begin with DEVMUX_ are devmux's own");
        if (value.kind != Node::Kind::Scalar && value.kind != Node::Kind::Null)
            return error_at(value, "expected a text, found " + described(value));
        out.push_back(key.text + "=" + value.text);
    }
    return std::nullopt;
}

MaybeError read_actions(const Node& node, std::set<Action>& out) {
    std::vector<std::string> words;
    if (auto error = read_texts(node, words, true)) return error;
    out.clear();
    for (const std::string& word : words) {
        Action action = action_of(word);
        if (action == Action::Other)
            return error_at(node, quoted(printable(word)) + " is no action of the kernel",
                            "add, remove, change, move, online, offline, bind or unbind");
        out.insert(action);
    }
    return std::nullopt;
}

MaybeError read_if_never(const Node& node, std::optional<IfNever>& out) {
    if (node.kind == Node::Kind::Scalar && node.text == "start") out = IfNever::Start;
    else if (node.kind == Node::Kind::Scalar && node.text == "skip") out = IfNever::Skip;
    else
        return error_at(node, "expected start or skip, found " + described(node),
                        "what is done when the condition never was true, and the machine has settled");
    return std::nullopt;
}

constexpr unsigned kMostInstances = 4096;

MaybeError read_instances(const Node& node, unsigned& out) {
    const char* end = node.text.data() + node.text.size();
    auto [stopped, error] = std::from_chars(node.text.data(), end, out);
    if (node.kind == Node::Kind::Scalar && error == std::errc() && stopped == end && out >= 1 && out <= kMostInstances)
        return std::nullopt;
    return error_at(node, "expected a number from 1 to 4096, found " + described(node), "how many instances at a time");
}

// The one key that asks what will be mounted as well, and not what is alone.
std::shared_ptr<const Condition> boot_if_of(Condition condition) {
    ask_expected(condition);
    return std::make_shared<const Condition>(std::move(condition));
}

class Reader {
  public:
    Reader(const Node& document, const std::string& name, const ClassNames& classes)
        : document_(document), classes_(classes), unit_(std::make_shared<Unit>()) {
        unit_->name = name;
        unit_->file = document.mark.file;
    }

    UnitReading read() {
        Unit& u = *unit_;
        auto condition = [this](Condition& out, Usage usage) {
            return [this, &out, usage](const Node& n) { return read_condition_into(n, out, usage); };
        };
        Usage in_while{.first_allowed = false, .why_not_first = kNotInWhile};
        EachEvent each;
        ForEach instances;
        DeviceTerm served, taken;
        // Before the conditions, which say `it`. What is wrong with it is told once, at its place.
        if (has("for-each")) (void)read_devices(at("for-each"), instances.devices);
        const DeviceTerm* it = has("for-each") ? &instances.devices : nullptr;
        in_while.for_each = it;
        Usage anywhere{.for_each = it};
        Condition when, during, stop, narrow, boot;
        std::vector<Field> fields = {
            {"description", [&](const Node& n) { return read_text(n, u.description); }},
            {"documentation", [&](const Node& n) { return read_texts(n, u.documentation, true); }},
            {"when", condition(when, anywhere)},
            {"while", condition(during, in_while)},
            {"stop-when", condition(stop, anywhere)},
            {"boot-if", condition(boot, {.first_allowed = false, .why_not_first = kNotInBootIf})},
            {"and-when", condition(narrow, has("while") ? in_while : anywhere)},
            {"linger", [&](const Node& n) { return read_duration(n, u.linger); }},
            {"each-event", [&](const Node& n) { return read_devices(n, each.devices); }},
            {"for-each", [&](const Node& n) { return read_devices(n, instances.devices); }},
            {"instances", [&](const Node& n) { return read_instances(n, instances.most); }},
            {"refresh", [&](const Node& n) { return read_devices(n, served); }},
            {"takes-down", [&](const Node& n) { return read_taken(n, taken); }},
            {"actions", [&](const Node& n) { return read_actions(n, each.actions); }},
            {"synthetic", [&](const Node& n) { return read_bool(n, each.synthetic); }},
            {"task", [&](const Node& n) { return read_bool(n, u.task); }},
            {"timeout", [&](const Node& n) { return read_limits(n); }},
            {"if-running", [&](const Node& n) { return read_if_running(n, u.if_running); }},
            {"if-never", [&](const Node& n) { return read_if_never(n, u.if_never); }},
            {"user", [&](const Node& n) { return read_user(n, u.user); }},
            {"restart", [&](const Node& n) { return read_restart(n, u.restart); }},
            {"environment", [&](const Node& n) { return read_environment(n, u.environment); }}};
        for (Field& field : service_fields(u.service)) fields.push_back(std::move(field));
        for (Field& field : link_fields(u.links)) fields.push_back(std::move(field));
        Errors errors = read_fields(document_, fields, "a unit");
        if (document_.kind != Node::Kind::Map) return {nullptr, std::move(errors)};
        if (has("each-event")) u.each_event = std::make_shared<const EachEvent>(std::move(each));
        if (has("for-each")) u.for_each = std::make_shared<const ForEach>(instances);
        if (has("refresh")) u.refresh = std::make_shared<const DeviceTerm>(std::move(served));
        if (has("takes-down") && !u.keeps_links) u.takes_down = std::make_shared<const DeviceTerm>(std::move(taken));
        if (has("stop-when")) u.stop_when = std::make_shared<const Condition>(std::move(stop));
        if (has("boot-if")) u.boot_if = boot_if_of(std::move(boot));
        check_condition_keys(errors);
        check_service(document_, u, errors);
        if (has("linger") && has("for-each") && u.task && !has("when") && !has("while"))
            errors.push_back(error_at(at("linger"), "\"linger\" needs something that stops, and this is a task",
                                      "give it stop: [ … ]"));
        if (has("takes-down") && (u.task || u.each_event))
            errors.push_back(error_at(at("takes-down"), "\"takes-down\" is about a stop, and nothing of this unit is stopped"));
        check_links(document_, u.name, u.links, errors);
        check_placeholders(document_, errors);
        if (!errors.empty()) return {nullptr, std::move(errors)};
        set_condition(std::move(has("when") ? when : during), std::move(narrow));
        lint(*unit_, document_);
        return {unit_, {}};
    }

  private:
    bool has(std::string_view key) const { return document_.find(key) != nullptr; }
    const Node& at(std::string_view key) const { return *document_.find(key); }

    MaybeError read_condition_into(const Node& n, Condition& out, const Usage& usage) {
        auto condition = read_condition(n, classes_, usage);
        if (!condition) return condition.error();
        out = std::move(*condition);
        return std::nullopt;
    }

    MaybeError read_limits(const Node& n) {
        TimeLimits limits;
        if (auto error = read_time_limits(n, limits)) return error;
        unit_->limits = std::make_shared<const TimeLimits>(std::move(limits));
        return std::nullopt;
    }

    MaybeError read_devices(const Node& n, DeviceTerm& out) {
        std::string text;
        if (n.kind == Node::Kind::List)
            return error_at(n, "expected a class of devices, found a list", "one class, its [ … ] and perhaps \"seen\": network interface[name = \"eth0\" or name = \"eth1\"]");
        if (auto error = read_text(n, text)) return error;
        auto term = parse_device_set(text, classes_);
        if (!term) return placed(term.error(), n);
        out = std::move(*term);
        return std::nullopt;
    }

    MaybeError read_taken(const Node& n, DeviceTerm& out) {
        if (n.kind == Node::Kind::Scalar && n.text == "no") return unit_->keeps_links = true, std::nullopt;
        // One word that is no class: a name, or what YAML knows as true and false.
        bool word = n.kind == Node::Kind::Scalar && n.text.find_first_of(" [") == std::string::npos && !classes_.longest({lower(n.text)});
        if (n.kind == Node::Kind::Scalar && !word) {
            if (auto error = read_devices(n, out)) return error;
            if (classes_.has_links(out.class_id)) return std::nullopt;
        }
        bool none = word && (n.text == "false" || n.text == "off" || n.text == "none");
        return error_at(n, "expected network interfaces, or no, found " + described(n),
                        none ? "takes-down: no, where it takes none down"
                             : "network interface is all of them, 'network interface[name = \"eth0\" or name = \"eth1\"]' those of that name");
    }

    void check_condition_keys(Errors& errors) {
        std::string first;
        for (std::string_view key : {"when", "while", "each-event"}) {
            if (!has(key)) continue;
            if (!first.empty())
                errors.push_back(error_at(at(key), quoted(key) + " cannot stand beside " + quoted(first),
                                          "a unit has one of when, while, each-event"));
            first = key;
        }
        if (has("for-each") && has("each-event"))
            errors.push_back(error_at(at("for-each"), "\"for-each\" cannot stand beside \"each-event\"",
                                      "the one is about devices that are there, the other about what happens to them"));
        auto needs = [&](std::string_view key, std::string_view other) {
            if (has(key) && !has(other))
                errors.push_back(error_at(at(key), quoted(key) + " needs " + quoted(other)));
        };
        bool conditional = has("when") || has("while") || has("for-each");
        if (has("when") || !has("for-each")) needs("linger", "while");
        needs("instances", "for-each");
        if (has("if-never") && has("for-each"))
            errors.push_back(error_at(at("if-never"), "without a device there is no instance that could be started"));
        needs("actions", "each-event");
        needs("synthetic", "each-event");
        if (unit_->limits && unit_->limits->stop && has("each-event"))
            errors.push_back(error_at(*at("timeout").find("stop"), "an each-event unit has nothing to stop"));
        if (has("stop-when") && has("each-event"))
            errors.push_back(error_at(at("stop-when"), "an each-event unit has nothing to stop"));
        if (has("boot-if") && (has("each-event") || has("for-each")))
            errors.push_back(error_at(at("boot-if"), std::string(has("for-each") ? "instances come and go with devices" : "an each-event unit is run by events") +
                                                         ", and never by the boot sequence"));
        if (has("if-never") && !conditional)
            errors.push_back(error_at(at("if-never"), "\"if-never\" needs \"when\" or \"while\""));
        if (has("and-when") && !conditional)
            errors.push_back(error_at(at("and-when"), "\"and-when\" needs \"when\", \"while\" or \"for-each\""));
    }

    void set_condition(Condition condition, Condition narrow) {
        Unit& u = *unit_;
        bool implied = u.for_each && !has("when") && !has("while");
        if (implied) {
            condition = {};
            condition.kind = Condition::Kind::Device;
            condition.device = it_of(u.for_each->devices);
        }
        u.condition_kind = implied        ? (u.task ? ConditionKind::When : ConditionKind::While)
                           : has("when")  ? ConditionKind::When
                           : has("while") ? ConditionKind::While
                                          : ConditionKind::None;
        if (u.condition_kind != ConditionKind::None) {
            if (has("and-when")) {
                Condition both;
                both.kind = Condition::Kind::All;
                both.parts.push_back(std::move(condition));
                both.parts.push_back(std::move(narrow));
                condition = std::move(both);
                renumber(condition);
            }
            u.condition = std::move(condition);
            u.condition_text = to_string(u.condition);
        }
        if (u.stop_when) u.stop_when_text = to_string(*u.stop_when);
        if (u.boot_if) u.boot_if_text = to_string(*u.boot_if);
    }

    const Node& document_;
    const ClassNames& classes_;
    std::shared_ptr<Unit> unit_;
};

}  // namespace

UnitReading read_unit(const Node& document, const std::string& name, const ClassNames& classes) {
    return Reader(document, name, classes).read();
}

UnitReading rebind(const Unit& unit, const ClassNames& classes) {
    auto copy = std::make_shared<Unit>(unit);
    Errors errors;
    if (unit.for_each) {
        auto term = parse_device_set(to_string(unit.for_each->devices), classes);
        if (!term) return {nullptr, {term.error()}};
        copy->for_each = std::make_shared<const ForEach>(ForEach{std::move(*term), unit.for_each->most});
    }
    auto again = [&](const std::string& text, Condition& out) {
        auto condition = parse_condition(text, classes, {.for_each = copy->for_each ? &copy->for_each->devices : nullptr});
        if (condition) out = std::move(*condition);
        else errors.push_back(condition.error());
        renumber(out);
    };
    if (unit.condition_kind != ConditionKind::None) again(unit.condition_text, copy->condition);
    if (unit.stop_when) {
        Condition stop;
        again(unit.stop_when_text, stop);
        copy->stop_when = std::make_shared<const Condition>(std::move(stop));
    }
    if (unit.boot_if) {
        Condition boot;
        again(unit.boot_if_text, boot);
        copy->boot_if = boot_if_of(std::move(boot));
    }
    if (unit.each_event) {
        auto term = parse_device_set(to_string(unit.each_event->devices), classes);
        EachEvent each = *unit.each_event;
        if (term) each.devices = std::move(*term);
        else errors.push_back(term.error());
        copy->each_event = std::make_shared<const EachEvent>(std::move(each));
    }
    if (unit.refresh) {
        auto term = parse_device_set(to_string(*unit.refresh), classes);
        if (term) copy->refresh = std::make_shared<const DeviceTerm>(std::move(*term));
        else errors.push_back(term.error());
    }
    if (unit.takes_down) {
        auto term = parse_device_set(to_string(*unit.takes_down), classes);
        if (term) copy->takes_down = std::make_shared<const DeviceTerm>(std::move(*term));
        else errors.push_back(term.error());
    }
    if (!errors.empty()) return {nullptr, std::move(errors)};
    return {copy, {}};
}

namespace {

bool has_name_letters(std::string_view name) {
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("._:@-").find(c) != std::string_view::npos;
    });
}

}  // namespace

bool is_unit_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && name[0] != '.' && has_name_letters(name);
}

bool is_instance_name(std::string_view name) {
    size_t at = std::min(name.find('@'), name.size());
    return at > 0 && at + 1 < name.size() && name.size() <= 200 && name[0] != '.' && has_name_letters(name);
}

}  // namespace devmux
