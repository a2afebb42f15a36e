// What was probably meant by words that make no condition: the texts of the grammar's errors that need more
// than the place. Private to grammar.cc and fact_grammar.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conditions/class_names.h"
#include "conditions/condition.h"

namespace devmux {

struct Mistake {
    std::string what;
    std::string hint;
};

// Where a class or a fact was expected: a class alone, in a set of devices.
enum class Expected : unsigned char { Term, Class, Set };

// `words`: those that stand there, in lower case; none at the end. `found`: the first as it is quoted.
// `before`: the class of the term before, or nothing.
Mistake no_such_term(Expected expected, const std::vector<std::string>& words, const std::string& found,
                     std::string_view before, const ClassNames& classes);

// Behind a term of `state` there is another one.
Mistake second_state(const DeviceTerm& term, std::string_view written, std::string_view second);

// Words of a state, "available" included; not of "present" and its like alone: any that may stand behind a class.
bool is_state_word(std::string_view word);

// What stands behind a whole term and goes on in no way: the hint. `term`: the one before, canonical; `named`: it may
// still be narrowed to one device by its name.
std::string hint_behind(const std::string& term, bool named, const std::vector<std::string>& words,
                        const ClassNames& classes);

}  // namespace devmux
