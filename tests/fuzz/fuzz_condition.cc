// libFuzzer entry for the condition language: whatever comes is an error with a caret inside the text,
// or a tree that prints to a sentence which reads back to the same sentence.
#include <cstdlib>

#include "conditions/evaluate.h"
#include "conditions/grammar.h"
#include "conditions/spelling.h"
#include "tests/support/facts.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
    using namespace devmux;
    static const test::TestFacts facts;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    auto condition = parse_condition(text, facts.classes);
    if (!condition) {
        const Error& error = condition.error();
        require(!error.what.empty() && error.caret <= static_cast<int>(error.source.size()));
        return 0;
    }
    renumber(*condition);
    std::string sentence = to_string(*condition);
    // A sentence can be longer than what was written ("x" for 's' escapes), up to the bound.
    if (sentence.size() > kConditionBytes) return 0;
    auto again = parse_condition(sentence, facts.classes);
    require(static_cast<bool>(again) && to_string(*again) == sentence);
    Memory memory;
    evaluate(*condition, facts, Time{}, memory);
    return 0;
}
