// See class_file.h.
#include "engine/model/class_file.h"

#include "conditions/grammar.h"
#include "conditions/spelling.h"
#include "conditions/text.h"
#include "engine/model/yaml_fields.h"

namespace devmux {

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
