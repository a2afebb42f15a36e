// fact = a row of terms.cc
#include "conditions/parser.h"
#include "conditions/terms.h"
#include "conditions/text.h"

namespace devmux {
namespace {

std::string argument(Cursor& cursor, std::string_view part) {
    Token token = cursor.take();
    const char* what = part == "PATH" ? "an absolute path" : part == "NAME" ? "a unit's name" : "a word";
    if (token.kind == Token::Kind::Punctuation || token.text.empty())
        cursor.fail_at(token, std::string("expected ") + what + ", found " + described(token));
    if (part == "PATH" && !token.text.starts_with('/'))
        cursor.fail_at(token, "expected an absolute path, found " + described(token));
    if (part == "WORD" && token.text.starts_with('='))
        cursor.fail_at(token, "expected the name of an argument, found " + described(token));
    return token.text;
}

// "console=" gives an argument, and nothing as its value.
std::string value(Cursor& cursor) {
    Token token = cursor.peek();
    return token.kind == Token::Kind::String ? cursor.take().text : argument(cursor, "VALUE");
}

// `only_row`: a mismatch is this row's error; otherwise the next row is tried.
bool read_row(Cursor& cursor, const FactTerm& row, FactKey& key, bool only_row) {
    key = {row.kind, ""};
    std::string_view pattern = row.pattern;
    while (!pattern.empty()) {
        size_t space = std::min(pattern.find(' '), pattern.size());
        std::string_view part = pattern.substr(0, space);
        pattern.remove_prefix(std::min(space + 1, pattern.size()));
        if (part == "[=") {
            if (cursor.accept("=")) key.name += "=" + value(cursor);
            return true;
        }
        if (part == "PATH" || part == "WORD" || part == "NAME") {
            key.name = argument(cursor, part);
            continue;
        }
        cursor.skip_noise();  // "unit gdm is active"
        if (cursor.accept(part)) continue;
        if (!only_row) return false;
        cursor.fail("expected " + quoted(part) + " of " + quoted(row.pattern) + ", found " +
                    described(cursor.peek()));
    }
    return true;
}

std::string_view first_word(const FactTerm& row) { return row.pattern.substr(0, row.pattern.find(' ')); }

}  // namespace

bool read_fact(Cursor& cursor, FactKey& key) {
    const Token start = cursor.peek();
    if (start.kind != Token::Kind::Word) return false;
    std::vector<const FactTerm*> rows;
    for (const FactTerm& row : fact_terms())
        if (first_word(row) == start.low) rows.push_back(&row);
    std::string all;
    for (const FactTerm* row : rows) {
        Cursor attempt = cursor;
        if (read_row(attempt, *row, key, rows.size() == 1)) return cursor = attempt, true;
        all += (all.empty() ? "" : ", ") + quoted(row->pattern);
    }
    if (!rows.empty()) cursor.fail_at(start, "expected one of " + all);
    return false;
}

}  // namespace devmux
