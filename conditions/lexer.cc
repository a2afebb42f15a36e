// WORD is [A-Za-z0-9._:@/-]+ (the slash for attributes in folders: attr.id/vendor); what begins with
// a slash is a path; everything else stands in quotes.
#include "conditions/lexer.h"

#include <array>

#include "conditions/text.h"

namespace devmux {
namespace {

bool is_word(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("._:@/-").find(c) != std::string_view::npos;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

Error error_at(std::string_view text, size_t offset, std::string what, std::string hint = "") {
    return {.where = {}, .what = std::move(what), .source = std::string(text),
            .caret = static_cast<int>(offset), .hint = std::move(hint)};
}

// The quoted string at `at`, which advances past it; false when the quote is never closed.
bool cut_string(std::string_view text, size_t& at, std::string& out) {
    char quote = text[at++];
    for (; at < text.size(); ++at) {
        char c = text[at];
        if (c == quote) return ++at, true;
        if (c == '\\' && at + 1 < text.size() && (text[at + 1] == quote || text[at + 1] == '\\'))
            c = text[++at];
        out += c;
    }
    return false;
}

}  // namespace

Result<std::vector<Token>> cut(std::string_view text) {
    constexpr std::array<std::string_view, 9> kPunctuation{"!=", "!~", "==", "(", ")",
                                                           "[",  "]",  "=",  "~"};
    std::vector<Token> tokens;
    size_t at = 0;
    while (true) {
        while (at < text.size() && is_space(text[at])) ++at;
        Token token{.kind = Token::Kind::End, .text = "", .low = "", .offset = at, .length = 0};
        if (at == text.size()) {
            tokens.push_back(token);
            return tokens;
        }
        char c = text[at];
        if (c == '"' || c == '\'') {
            token.kind = Token::Kind::String;
            if (!cut_string(text, at, token.text))
                return error_at(text, token.offset, "this quote is never closed");
        } else if (is_word(c)) {
            token.kind = c == '/' ? Token::Kind::Path : Token::Kind::Word;
            // A path may hold more than a word: everything up to a space or a bracket.
            while (at < text.size() &&
                   (is_word(text[at]) || (token.kind == Token::Kind::Path && !is_space(text[at]) &&
                                          std::string_view("()[]\"'").find(text[at]) ==
                                              std::string_view::npos)))
                ++at;
            token.text = text.substr(token.offset, at - token.offset);
        } else {
            token.kind = Token::Kind::Punctuation;
            for (std::string_view p : kPunctuation)
                if (token.text.empty() && text.substr(at).starts_with(p)) token.text = p;
            if (token.text.empty())
                return error_at(text, at, "unexpected " + quoted(printable(text.substr(at, 1))),
                                c == '&' || c == '|' || c == ',' || c == '!'
                                    ? "conditions are joined by the words and, or, not"
                                    : "names with other characters than letters, digits and "
                                      "._:@/- stand in quotes");
            at += token.text.size();
            if (token.text == "==") token.text = "=";
        }
        token.length = at - token.offset;
        token.low = lower(token.text);
        tokens.push_back(std::move(token));
    }
}

}  // namespace devmux
