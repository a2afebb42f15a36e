// See unit_links.h.
#include "engine/model/unit_links.h"

#include <algorithm>

#include "conditions/text.h"
#include "engine/model/unit_file.h"

namespace devmux {
namespace {

constexpr size_t kFacilityBytes = 64;

// "$network": letters, digits, and - _ . behind a dollar (LSB 3.1, "Comment Conventions for Init Scripts").
bool is_facility_name(std::string_view name) {
    return is_facility(name) && name.size() > 1 && name.size() <= kFacilityBytes &&
           is_unit_name(name.substr(1)) && name.find_first_of(":@") == name.npos;
}

std::optional<Error> read_links(const Node& node, const LinkKey& key, std::vector<std::string>& out) {
    std::vector<std::string> names;
    if (auto error = read_texts(node, names, true)) return error;
    if (names.size() > kMostLinks)
        return error_at(node, "names more than " + std::to_string(kMostLinks) + " units");
    bool only_facilities = key.list == &UnitLinks::provides;
    for (size_t i = 0; i < names.size(); ++i) {
        const Node& where = node.kind == Node::Kind::List ? node.items[i] : node;
        bool facility = is_facility(names[i]);
        if (facility ? !is_facility_name(names[i]) : !is_unit_name(names[i]))
            return error_at(where, "expected the name of a unit" +
                                       std::string(key.facilities ? ", or a facility like $network" : "") + ", found " +
                                       described(where));
        if (only_facilities && !facility)
            return error_at(where, "expected a facility, found " + described(where),
                            "a facility begins with $: $" + names[i]);
        if (facility && !key.facilities)
            return error_at(where, "expected the name of a unit, found the facility " + quoted(names[i]));
        if (std::find(out.begin(), out.end(), names[i]) == out.end()) out.push_back(names[i]);
    }
    return std::nullopt;
}

}  // namespace

const std::vector<LinkKey>& link_keys() {
    static const std::vector<LinkKey> keys{
        {"requires", &UnitLinks::required, true},   {"wants", &UnitLinks::wanted, true},
        {"after", &UnitLinks::after, true},         {"before", &UnitLinks::before, true},
        {"conflicts", &UnitLinks::conflicts, true}, {"provides", &UnitLinks::provides, true},
        {"then", &UnitLinks::then, false},          {"on-failure", &UnitLinks::on_failure, false}};
    return keys;
}

std::vector<Field> link_fields(UnitLinks& links) {
    std::vector<Field> out;
    for (const LinkKey& key : link_keys())
        out.push_back({key.key, [&links, &key](const Node& n) { return read_links(n, key, links.*key.list); }});
    return out;
}

void check_links(const Node& document, const std::string& name, const UnitLinks& links, Errors& errors) {
    for (const LinkKey& key : link_keys()) {
        const Node* node = document.find(key.key);
        if (!node) continue;
        const auto& names = links.*key.list;
        if (std::find(names.begin(), names.end(), name) != names.end())
            errors.push_back(error_at(*node, quoted(key.key) + " names the unit itself"));
        if (document.find("each-event"))
            errors.push_back(error_at(*node, quoted(key.key) + " cannot stand beside \"each-event\": it is run by "
                                      "events, which nobody can put in order"));
    }
}

}  // namespace devmux
