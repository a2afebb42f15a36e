// Cuts a condition into words, quoted strings and punctuation, each with its place.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conditions/result.h"

namespace devmux {

struct Token {
    enum class Kind : unsigned char { Word, Path, String, Punctuation, End };
    Kind kind = Kind::End;
    std::string text;  // of a String without its quotes; of a Word as written
    std::string low;   // the same in lower case: keywords and class names ignore case
    size_t offset = 0;
    size_t length = 0;
};

// Ends with an End token. Errors carry the offset as their caret.
Result<std::vector<Token>> cut(std::string_view text);

}  // namespace devmux
