// See placeholder.h.
#include "engine/model/placeholder.h"

#include <algorithm>

#include "conditions/text.h"

namespace devmux {
namespace {

constexpr std::string_view kProperty = "property.";

bool is_property_name(std::string_view name) {
    return !name.empty() && name.size() <= 255 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
               c == '-';
    });
}

// What stands in braces, where that is all of it and looks like a word.
std::string_view in_braces(std::string_view argument) {
    bool braced = argument.size() > 2 && argument.front() == '{' && argument.back() == '}';
    std::string_view word = braced ? argument.substr(1, argument.size() - 2) : std::string_view();
    bool plain = std::all_of(word.begin(), word.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
               c == '-';
    });
    return plain ? word : std::string_view();
}

bool contains_placeholder(std::string_view argument) {
    for (std::string_view start : {"{name}", "{number}", "{devnode}", "{property."})
        if (argument.find(start) != argument.npos) return true;
    return false;
}

std::optional<Error> fault_of(const Node& item, bool for_each) {
    std::string_view argument = item.text;
    if (placeholder_of(argument)) {
        if (for_each) return std::nullopt;
        return error_at(item, quoted(printable(argument)) + " speaks of a device, and the unit has no for-each",
                        "for-each: CLASS starts it once for each device");
    }
    if (!for_each) return std::nullopt;  // braces mean nothing here
    std::string_view word = in_braces(argument);
    if (word.starts_with(kProperty))
        return error_at(item, described(item) + " names no property", "\"{property.ID_SERIAL}\"");
    if (contains_placeholder(argument))
        return error_at(item, "what a device says is a whole argument, found " + described(item),
                        "a script of yours can join it: the device's properties are in its environment");
    std::string near = word.empty() ? "" : nearest(std::string(word), {"name", "number", "devnode", "property"});
    bool other = word == "devname" || word == "sysname" || word == "kernel";
    if (near.empty() && !other) return std::nullopt;
    if (other) near = word == "devname" ? "devnode" : "name";
    if (near == "property") near = "property.NAME";
    return error_at(item, described(item) + " stands for nothing", "did you mean \"{" + near + "}\"?");
}

}  // namespace

std::optional<Placeholder> placeholder_of(std::string_view argument) {
    if (argument == "{name}") return Placeholder{Placeholder::Kind::Name, ""};
    if (argument == "{number}") return Placeholder{Placeholder::Kind::Number, ""};
    if (argument == "{devnode}") return Placeholder{Placeholder::Kind::Node, ""};
    std::string_view word = in_braces(argument);
    if (!word.starts_with(kProperty) || !is_property_name(word.substr(kProperty.size()))) return std::nullopt;
    return Placeholder{Placeholder::Kind::Property, std::string(word.substr(kProperty.size()))};
}

void check_placeholders(const Node& unit, Errors& errors) {
    bool for_each = unit.find("for-each") != nullptr;
    auto check = [&](const Node* list) {
        if (!list || list->kind != Node::Kind::List) return;
        for (const Node& item : list->items)
            if (item.kind == Node::Kind::Scalar)
                if (auto error = fault_of(item, for_each)) errors.push_back(std::move(*error));
    };
    check(unit.find("daemon"));
    const Node* command = unit.find("command");
    if (!command || command->kind != Node::Kind::Map) return;
    for (const char* key : {"start", "stop", "reload", "status"}) check(command->find(key));
}

}  // namespace devmux
