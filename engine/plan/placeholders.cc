// See placeholders.h.
#include "engine/plan/placeholders.h"

#include <vector>

#include "conditions/text.h"
#include "engine/model/placeholder.h"
#include "engine/plan/environment.h"

namespace devmux {
namespace {

constexpr size_t kLongest = 4096;

std::string_view property(std::string_view key, Block block, Block before) {
    std::string_view value = find_in(block, key).value_or("");
    return value.empty() ? find_in(before, key).value_or("") : value;
}

// As %n of udev(7): "0" of card0.
std::string number_of_name(std::string_view name) {
    return std::string(name.substr(name.find_last_not_of("0123456789") + 1));
}

// The value, and what it is called in a sentence.
std::string value_of(const Placeholder& p, std::string_view name, Block block, Block before, std::string& what) {
    switch (p.kind) {
        case Placeholder::Kind::Name: what = "the name"; return std::string(name);
        case Placeholder::Kind::Number: what = "the number at the end of the name"; return number_of_name(name);
        case Placeholder::Kind::Property: what = p.property; return std::string(property(p.property, block, before));
        case Placeholder::Kind::Node: break;
    }
    what = "the node in /dev";
    std::string node(property("DEVNAME", block, before));
    return node.empty() || node[0] == '/' ? node : "/dev/" + node;
}

std::optional<std::string> fill_in(std::vector<std::string>& argv, std::string_view name, Block block, Block before) {
    for (std::string& argument : argv) {
        auto placeholder = placeholder_of(argument);
        if (!placeholder) continue;
        std::string what, value = value_of(*placeholder, name, block, before, what);
        std::string of_it = "it needs " + what + " of its device, which ";
        if (value.empty()) return of_it + "has none";
        if (value.size() > kLongest) return of_it + "is longer than " + std::to_string(kLongest) + " bytes";
        if (value[0] == '-') return of_it + "begins with \"-\": a program would take " + quoted(printable(value.substr(0, 64))) + " for an option";
        if (placeholder->kind == Placeholder::Kind::Node && climbs(value)) return of_it + "climbs out of /dev";
        argument = cleaned(value);
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> fill_in(Service& service, Verb verb, std::string_view name, Block block, Block before) {
    std::vector<std::string>& own = verb == Verb::Stop ? service.stop : verb == Verb::Reload ? service.reload : service.start;
    auto why = fill_in(own, name, block, before);
    return why ? why : fill_in(service.status, name, block, before);
}

}  // namespace devmux
