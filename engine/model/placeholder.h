// What an argument of a unit with for-each can stand for: the name of the instance's device, the number at the
// end of that, its node, or one of its properties. It is a whole argument or none: what a device says is never
// joined to other text, nor cut in words.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "conditions/document.h"
#include "conditions/result.h"

namespace devmux {

struct Placeholder {
    enum class Kind : unsigned char { Name, Number, Node, Property };
    Kind kind = Kind::Name;
    std::string property;
};

// "{name}", "{number}", "{devnode}", "{property.ID_SERIAL}"; nothing for any other word.
std::optional<Placeholder> placeholder_of(std::string_view argument);

// Those that are misspelt, stand within an argument, or in a unit without for-each.
void check_placeholders(const Node& unit, Errors& errors);

}  // namespace devmux
