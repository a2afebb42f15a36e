// Sentence -> tree. The grammar itself is in devmux.conditions(7); grammar.cc follows it rule by
// rule, from top to bottom.
#pragma once

#include <string_view>

#include "conditions/class_names.h"
#include "conditions/condition.h"
#include "conditions/result.h"

namespace devmux {

// Where a condition stands decides what it may say.
struct Usage {
    bool first_allowed = true;         // no: in `while`, where a latch would never let go
    std::string_view why_not_first{};  // completes "`first` … "
    const DeviceTerm* for_each = nullptr;  // what `it` is one of; null: there is no `it`
};

// Bounds on a hostile text: bytes, parentheses within parentheses, leaves.
inline constexpr size_t kConditionBytes = 4096;
inline constexpr unsigned kConditionDepth = 32;
inline constexpr unsigned kConditionLeaves = 256;

// Errors have `source` = the text and `caret` = the byte in it.
Result<Condition> parse_condition(std::string_view text, const ClassNames& classes,
                                  const Usage& usage = {});

// `CLASS[predicate]`, with `seen` or without: what each-event watches.
Result<DeviceTerm> parse_device_set(std::string_view text, const ClassNames& classes);

// What stands between brackets, alone: the `match` of a class.
Result<Predicate> parse_predicate(std::string_view text);

}  // namespace devmux
