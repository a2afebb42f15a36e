// The cursor over the tokens of a condition, and how it fails: with the place.
#include "conditions/parser.h"

#include "conditions/terms.h"
#include "conditions/text.h"

namespace devmux {

void Cursor::expect(std::string_view word, std::string_view why) {
    if (!accept(word))
        fail("expected " + quoted(word) + " " + std::string(why) + ", found " + described(peek()));
}

void Cursor::skip_noise() {
    for (bool skipped = true; skipped;) {
        skipped = false;
        for (std::string_view word : noise_words())
            if (peek().kind == Token::Kind::Word && accept(word)) skipped = true;
    }
}

void Cursor::fail_at(const Token& token, std::string what, std::string hint) {
    throw SyntaxError{{.where = {}, .what = std::move(what), .source = std::string(text_),
                       .caret = static_cast<int>(token.offset), .hint = std::move(hint)}};
}

void Cursor::enter() {
    if (++depth_ > kConditionDepth)
        fail("nested deeper than " + std::to_string(kConditionDepth) + " levels");
}

std::string described(const Token& token) {
    return token.kind == Token::Kind::End ? "the end" : quoted(printable(token.text));
}

}  // namespace devmux
