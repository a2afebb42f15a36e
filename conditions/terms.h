// The one table of condition terms. The parser, `explain`, the manual (devmux.conditions(7), by a
// test) and shell completion are fed from it, so there is no second list to forget.
//
// To add a term: a FactKind in facts.h, a row in terms.cc, an answer in the engine's Facts, and a
// paragraph in man/devmux.conditions.7; CONTRIBUTING.md shows each step.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "conditions/condition.h"
#include "conditions/facts.h"

namespace devmux {

// A fact that needs no device. `pattern` is its syntax, word by word: lower-case words stand for
// themselves, PATH, FSTYPE, WORD, NAME, ADDRESS and N for an argument, "[= VALUE]" and "[to N]" for what may follow it.
struct FactTerm {
    FactKind kind;
    std::string_view pattern;
    std::string_view help;      // one line, for people
    std::string_view supplier;  // who could make it true
};

std::span<const FactTerm> fact_terms();
// Its words take no argument: all of them together are the fact, and names of classes may begin as it does
// ("network online", and the class "network interface").
bool is_fixed(const FactTerm& term);
const FactTerm& fact_term(FactKind kind);
// Who could make this very fact true: "the unit itself: devmux explain gdm".
std::string supplier_of(const FactKey& key);

// The state of a device in a presence: `sound card bound`. Some are of network interfaces alone
// (condition.h, is_of_links()).
struct StateTerm {
    DeviceState state;
    std::string_view word;
    std::string_view help;
    std::string_view supplier;  // who could bring a device that is there into it; or empty
};

std::span<const StateTerm> state_terms();
std::string_view state_name(DeviceState state);
std::string_view state_supplier(DeviceState state);

// Words of the language itself; class names may neither contain them nor begin with one.
std::span<const std::string_view> keywords();
// Words that say nothing: both, the, a, an, is, are.
std::span<const std::string_view> noise_words();

std::string to_string(const FactKey& key);

// What `devmux mode` takes, and "mode NAME" asks for.
inline constexpr size_t kModeBytes = 64;
bool is_mode_name(std::string_view text);

}  // namespace devmux
