// What the parts of the grammar share: a cursor over tokens that fails with a place.
// Private to grammar.cc, fact_grammar.cc and predicate_grammar.cc.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conditions/grammar.h"
#include "conditions/lexer.h"

namespace devmux {

// Thrown inside the grammar only, and turned into a Result at its door.
struct SyntaxError {
    Error error;
};

class Cursor {
  public:
    Cursor(std::string_view text, std::vector<Token> tokens)
        : text_(text), tokens_(std::move(tokens)) {}

    const Token& peek(size_t ahead = 0) const {
        return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
    }
    Token take() { return tokens_[at_ < tokens_.size() - 1 ? at_++ : at_]; }
    bool is(std::string_view word) const {
        const Token& t = peek();
        return t.kind != Token::Kind::String && t.kind != Token::Kind::Path && t.low == word;
    }
    bool accept(std::string_view word) { return is(word) && (take(), true); }
    void expect(std::string_view word, std::string_view why);
    void skip_noise();
    [[noreturn]] void fail(std::string what, std::string hint = "") { fail_at(peek(), what, hint); }
    [[noreturn]] void fail_at(const Token& token, std::string what, std::string hint = "");
    // Refuses nesting past kConditionDepth.
    void enter();
    void leave() { --depth_; }

  private:
    std::string_view text_;
    std::vector<Token> tokens_;
    size_t at_ = 0;
    unsigned depth_ = 0;
};

// How a token is called in a message: `"mause"`, or `the end`.
std::string described(const Token& token);

// The predicate up to, and without, its closing bracket.
Predicate read_predicate(Cursor& cursor);

// A fact; false, and nothing taken, where none begins so.
bool read_fact(Cursor& cursor, FactKey& key);

}  // namespace devmux
