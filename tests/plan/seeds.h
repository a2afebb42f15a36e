// Which seeds of a random test are run.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace devmux::test {

struct Seeds {
    unsigned first = 1, last = 0;
};

// NAME in the environment is this one alone, NAMES how many; else `usual`.
inline Seeds seeds_of(const std::string& name, unsigned usual) {
    auto number = [](const std::string& variable) -> std::optional<unsigned> {
        const char* text = std::getenv(variable.c_str());
        return text ? std::optional(static_cast<unsigned>(std::strtoul(text, nullptr, 10))) : std::nullopt;
    };
    if (auto one = number(name)) return {*one, *one};
    return {1, number(name + "S").value_or(usual)};
}

}  // namespace devmux::test
