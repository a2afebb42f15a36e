// See no_such_unit.h.
#include "engine/status/no_such_unit.h"

#include "conditions/text.h"

namespace devmux {
namespace {

constexpr std::string_view kEnd = ".yaml";

// Of "/etc/devmux/units.d/gdm.yaml": gdm. Who names the file means the unit.
std::string unit_of_file(const std::string& name) {
    if (!name.ends_with(kEnd)) return "";
    size_t begin = name.rfind('/') + 1;  // npos + 1 is 0
    return name.substr(begin, name.size() - begin - kEnd.size());
}

Error error(std::string what, std::string hint) {
    return {.where = {}, .what = std::move(what), .source = "", .caret = -1, .hint = std::move(hint)};
}

}  // namespace

Error no_such_unit(const std::string& name, const std::vector<UnitSnapshot>& units) {
    const std::string told = '"' + printable(name) + '"';  // a backslash of its own is one of printable()'s
    std::vector<std::string> names;
    std::string meant = unit_of_file(name);
    bool is_file = false;
    for (const UnitSnapshot& unit : units) {
        names.push_back(unit.name);
        is_file |= unit.name == meant;
        bool of_it = !unit.for_each.empty() && unit.of.empty() && name.starts_with(unit.name + "@");
        if (!of_it) continue;
        std::string there;
        for (const std::string& instance : unit.instances) there += (there.empty() ? "there is " : ", ") + instance;
        return error("the unit " + quoted(unit.name) + " has no instance " + told,
                     there.empty() ? "it has none now; for-each: " + unit.for_each : there);
    }
    if (is_file) return error("there is no unit " + told, "a unit has the name of its file without .yaml: " + meant);
    std::string near = nearest(name, names);
    return error("there is no unit " + told,
                 near.empty() ? "`devmux list` names them all" : "did you mean " + near + "?");
}

}  // namespace devmux
