// See class_file.h.
#include "engine/model/class_file.h"

#include "conditions/grammar.h"
#include "conditions/spelling.h"
#include "conditions/text.h"
#include "engine/model/yaml_fields.h"

namespace devmux {
namespace {

// {PCI display device: 'subsystem = "pci" and …'}
std::optional<Error> read_hardware(const Node& node, std::vector<Hardware>& out) {
    if (node.kind != Node::Kind::Map)
        return error_at(node, "expected a map of names and predicates, found " + described(node),
                        "hardware: {PCI sound device: 'subsystem = \"pci\" and PCI_CLASS ~ \"403??\"'}");
    for (const auto& [key, value] : node.entries) {
        std::string text;
        if (auto error = read_text(value, text)) return error;
        auto predicate = parse_predicate(text);
        if (!predicate) return placed(predicate.error(), value);
        // Attributes are read of devices that a class or a unit asks for, and not of every device on a bus.
        bool attribute = false;
        each_comparison(*predicate, [&](const Predicate& c) { attribute |= c.field == Predicate::Field::Attribute; });
        if (attribute)
            return error_at(value, "\"hardware\" cannot ask for attributes", "ask for what the kernel says in its event");
        if (predicate->kind == Predicate::Kind::Always)
            return error_at(value, "expected a predicate, found nothing", "say which devices on a bus are meant");
        out.push_back({key.text, std::move(*predicate)});
    }
    return std::nullopt;
}

}  // namespace

Result<DeviceClass> read_class(std::string_view text, const std::string& file) {
    auto document = read_document(text, file);
    if (!document) return document.error();
    DeviceClass c;
    c.file = file;
    auto into = [](std::string& out) { return [&out](const Node& n) { return read_text(n, out); }; };
    auto list = [](std::vector<std::string>& out) {
        return [&out](const Node& n) { return read_texts(n, out, true); };
    };
    Errors errors = read_fields(
        *document,
        {{"class", into(c.name)},
         {"plural", into(c.plural)},
         {"aliases", list(c.aliases)},
         {"description", into(c.description)},
         {"supplied-by", into(c.supplied_by)},
         {"subsystem", list(c.subsystems)},
         {"includes", list(c.includes)},
         {"hardware", [&](const Node& n) { return read_hardware(n, c.hardware); }},
         {"match",
          [&](const Node& n) -> std::optional<Error> {
              std::string match;
              if (auto error = read_text(n, match)) return error;
              auto predicate = parse_predicate(match);
              if (!predicate) return placed(predicate.error(), n);
              c.match = std::move(*predicate);
              return std::nullopt;
          }}},
        "a class");
    if (!errors.empty()) return errors[0];
    c.name = lower(c.name);
    if (c.name.empty())
        return error_at(*document, "a class needs its name", "class: mouse");
    if (!document->find("match") && !document->find("subsystem") && !document->find("includes"))
        return error_at(*document, "the class " + quoted(c.name) + " says of no device that it is one",
                        "it needs subsystem, match or includes");
    return c;
}

}  // namespace devmux
