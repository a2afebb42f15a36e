// See yaml_fields.h.
#include "engine/model/yaml_fields.h"

#include "conditions/duration.h"
#include "conditions/text.h"

namespace devmux {
namespace {

constexpr size_t kTextBytes = 4096;
constexpr size_t kFewKeys = 8;  // that an error names

// Those that are known, or where they stand.
std::string keys_of(std::string_view what, const std::vector<std::string>& known) {
    if (known.size() > kFewKeys) return std::string("its keys are in ") + (what == "a class" ? "devmux.conditions(7)" : "devmux.unit(5)");
    std::string out;
    for (const std::string& key : known) out += (out.empty() ? "its keys are " : ", ") + key;
    return out;
}

}  // namespace

Errors read_fields(const Node& map, const std::vector<Field>& fields, std::string_view what) {
    Errors errors;
    if (map.kind != Node::Kind::Map) {
        errors.push_back(error_at(map, "expected " + std::string(what) + " as a map of keys, found " +
                                           described(map), "for example: description: what it is"));
        return errors;
    }
    for (const auto& [key, value] : map.entries) {
        const Field* field = nullptr;
        std::vector<std::string> known;
        for (const Field& f : fields) {
            known.emplace_back(f.key);
            if (f.key == key.text) field = &f;
        }
        if (!field) {
            std::string near = nearest(key.text, known);
            errors.push_back(error_at(key, "unknown key " + described(key) + " in " + std::string(what),
                                      near.empty() ? keys_of(what, known) : "did you mean " + quoted(near) + "?"));
        } else if (auto error = field->read(value)) {
            if (error->what.find(key.text) == std::string::npos) error->what = key.text + ": " + error->what;
            errors.push_back(std::move(*error));
        }
    }
    return errors;
}

std::optional<Error> read_text(const Node& node, std::string& out) {
    if (node.kind == Node::Kind::Map && node.flow && node.entries.size() == 1 &&
        node.entries[0].value.kind == Node::Kind::Null)
        return error_at(node, "YAML reads {" + node.entries[0].key.text + "} as a map",
                        "quote it: \"{" + node.entries[0].key.text + "}\"");
    if (node.kind != Node::Kind::Scalar || node.text.empty())
        return error_at(node, "expected a text, found " + described(node));
    if (node.text.size() > kTextBytes)
        return error_at(node, "longer than " + std::to_string(kTextBytes) + " bytes");
    out = node.text;
    return std::nullopt;
}

std::optional<Error> read_bool(const Node& node, bool& out) {
    if (node.kind == Node::Kind::Scalar && (node.text == "true" || node.text == "yes")) out = true;
    else if (node.kind == Node::Kind::Scalar && (node.text == "false" || node.text == "no")) out = false;
    else return error_at(node, "expected true or false, found " + described(node));
    return std::nullopt;
}

std::optional<Error> read_texts(const Node& node, std::vector<std::string>& out, bool single_allowed) {
    std::string text;
    if (single_allowed && node.kind == Node::Kind::Scalar) {
        auto error = read_text(node, text);
        if (!error) out = {text};
        return error;
    }
    if (node.kind != Node::Kind::List || node.items.empty())
        return error_at(node, "expected a list, found " + described(node), "for example [one, two]");
    std::vector<std::string> list;
    for (const Node& item : node.items) {
        if (auto error = read_text(item, text)) return error;
        list.push_back(text);
    }
    out = std::move(list);
    return std::nullopt;
}

std::optional<Error> read_duration(const Node& node, Duration& out) {
    auto duration = node.kind == Node::Kind::Scalar ? parse_duration(node.text) : std::nullopt;
    if (!duration)
        return error_at(node, "expected a duration, found " + described(node),
                        "a number and its unit: 500ms, 5s, 2m");
    out = *duration;
    return std::nullopt;
}

std::optional<Error> read_argv(const Node& node, std::vector<std::string>& out) {
    if (node.kind == Node::Kind::Scalar)
        return error_at(node, "expected a list of arguments, found " + described(node),
                        "a program is never run through a shell: [/usr/bin/program, argument]");
    if (auto error = read_texts(node, out, false)) return error;
    if (!out[0].starts_with('/'))
        return error_at(node.items[0], "expected an absolute path, found " + described(node.items[0]),
                        "PATH is not searched: write /usr/sbin/" + out[0]);
    return std::nullopt;
}

}  // namespace devmux
