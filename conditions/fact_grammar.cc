// fact = a row of terms.cc
#include <arpa/inet.h>

#include <array>

#include "conditions/parser.h"
#include "conditions/terms.h"
#include "conditions/text.h"

namespace devmux {
namespace {

constexpr size_t kTypeBytes = 64;  // no file system's name is that long
constexpr const char* kDefaultRoute = "a default route, and an address for it, is what \"network online\" asks for";

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

// What devmux mode takes; anything else can never be set.
std::string mode(Cursor& cursor) {
    Token token = cursor.peek();
    std::string name = argument(cursor, "WORD");
    if (!is_mode_name(name))
        cursor.fail_at(token, "expected the name of a mode, found " + described(token),
                       "at most " + std::to_string(kModeBytes) + " of A-Z a-z 0-9 . _ : @ -");
    return name;
}

// "console=" gives an argument, and nothing as its value.
std::string value(Cursor& cursor) {
    Token token = cursor.peek();
    return token.kind == Token::Kind::String ? cursor.take().text : argument(cursor, "VALUE");
}

// Of a place in the tree of mounts: compared letter by letter, so it is spelled in one way only.
std::string mount_point(Cursor& cursor) {
    Token token = cursor.peek();
    std::string path = normal_path(argument(cursor, "PATH"));
    if (path.empty())
        cursor.fail_at(token, "a path of a mount may not go up by \"..\"", "write where it leads to");
    return path;
}

// Words of the language ignore case, and types of file systems are written small.
std::string file_system(Cursor& cursor) {
    Token token = cursor.take();
    auto is_part = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'; };
    bool word = token.kind == Token::Kind::String || token.kind == Token::Kind::Word;
    bool keyword = token.kind == Token::Kind::Word &&
                   std::find(keywords().begin(), keywords().end(), token.low) != keywords().end();
    if (!word || keyword || token.low.empty() || token.low.size() > kTypeBytes ||
        !std::all_of(token.low.begin(), token.low.end(), is_part))
        cursor.fail_at(token, "expected a type of file system, found " + described(token), "nfs, ext4, fuse.sshfs");
    if (token.low == "autofs")
        cursor.fail_at(token, "no path lies on autofs: it stands for what it is going to mount",
                       "ask for the type of that");
    return token.low;
}

// Of init(8): 0 to 9, and S, which is in no range.
std::string runlevel(Cursor& cursor) {
    Token token = cursor.take();
    bool digit = token.text.size() == 1 && token.text[0] >= '0' && token.text[0] <= '9';
    if (!digit && token.low != "s") {
        bool range = token.text.size() == 3 && token.text[1] == '-';
        cursor.fail_at(token, "expected a runlevel, 0 to 9 or S, found " + described(token),
                       range ? "a range is runlevel " + printable(token.text.substr(0, 1)) + " to " + printable(token.text.substr(2)) : "");
    }
    return digit ? token.text : "S";
}

std::string runlevels(Cursor& cursor) {
    std::string from = runlevel(cursor);
    if (from == "S" || !cursor.accept("to")) return from;
    Token token = cursor.peek();
    std::string to = runlevel(cursor);
    if (to == "S" || to < from)
        cursor.fail_at(token, "expected a runlevel from " + from + " to 9, found " + described(token));
    return from + " to " + to;
}

// Names of hosts are not looked up: that would need the network, and somebody who answers.
std::string address(Cursor& cursor) {
    Token token = cursor.take();
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    std::array<char, INET6_ADDRSTRLEN> text{};
    bool is_text = token.kind == Token::Kind::Word || token.kind == Token::Kind::String;
    for (int family : {AF_INET, AF_INET6})
        if (is_text && inet_pton(family, token.text.c_str(), bytes.data()) == 1 &&
            inet_ntop(family, bytes.data(), text.data(), text.size())) {
            std::string out = text.data();
            if (out == "0.0.0.0" || out == "::") cursor.fail_at(token, "nobody has the address " + out);
            return out;
        }
    cursor.fail_at(token, "expected an IP address, found " + described(token),
                   token.low == "default" ? kDefaultRoute : "192.0.2.1 or 2001:db8::1; names of hosts are not looked up");
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
        if (part == "PATH" && is_of_mounts(row.kind)) {
            key.name = mount_point(cursor);
            continue;
        }
        if (part == "FSTYPE") {
            std::string type = file_system(cursor);
            key.name = key.name.empty() ? type : type + " " + key.name;
            continue;
        }
        if (part == "ADDRESS") {
            key.name = address(cursor);
            continue;
        }
        if (part == "N") return key.name = runlevels(cursor), true;
        if (row.kind == FactKind::Mode && part == "NAME") return key.name = mode(cursor), true;
        if (part == "PATH" || part == "WORD" || part == "NAME") {
            key.name = argument(cursor, part);
            continue;
        }
        cursor.skip_noise();  // "unit gdm is active"
        if (cursor.accept(part)) continue;
        if (!only_row) return false;
        cursor.fail("expected " + quoted(part) + " of " + quoted(row.pattern) + ", found " + described(cursor.peek()),
                    row.kind == FactKind::RouteTo && cursor.is("default") ? kDefaultRoute : "");
    }
    return true;
}

std::string_view first_word(const FactTerm& row) { return row.pattern.substr(0, row.pattern.find(' ')); }

// Behind a path: which of its facts was meant.
[[noreturn]] void fail_behind_path(Cursor& cursor) {
    std::string path = cursor.take().text;
    cursor.skip_noise();
    std::string near = cursor.is("exists") ? "file " + path + " exists"
                                           : nearest(cursor.peek().low, {"mounted", "on"});
    cursor.fail("expected \"mounted\" or \"on\" behind a path, found " + described(cursor.peek()),
                near.empty() ? "/usr mounted, /usr on nfs" : "did you mean " + quoted(near) + "?");
}

// Behind the name of a unit: what of it was meant.
[[noreturn]] void fail_behind_unit(Cursor& cursor) {
    cursor.take();
    Token name = cursor.take();
    cursor.skip_noise();
    std::string near = nearest(cursor.peek().low, {"active", "failed", "done"});
    bool end = cursor.peek().kind == Token::Kind::End;
    std::string hint = end ? "unit " + (name.low == "active" || name.low == "failed" || name.low == "done" ? "NAME " + name.low : printable(name.text) + " active")
                       : near.empty() ? "active: its service runs; failed: its last start or stop did; done: it is a task that has ended"
                                      : "did you mean " + quoted(near) + "?";
    cursor.fail("expected \"active\", \"failed\" or \"done\" behind the name of a unit, found " + described(cursor.peek()), hint);
}

}  // namespace

bool read_fact(Cursor& cursor, FactKey& key) {
    const Token start = cursor.peek();
    bool path = start.kind == Token::Kind::Path || (start.kind == Token::Kind::String && start.text.starts_with('/'));
    if (start.kind != Token::Kind::Word && !path) return false;
    std::vector<const FactTerm*> rows;
    for (const FactTerm& row : fact_terms()) {
        if (first_word(row) != (path ? "PATH" : std::string_view(start.low))) continue;
        Cursor attempt = cursor;
        if (!is_fixed(row)) rows.push_back(&row);
        else if (read_row(attempt, row, key, false)) return cursor = attempt, true;
    }
    for (const FactTerm* row : rows) {
        Cursor attempt = cursor;
        if (read_row(attempt, *row, key, rows.size() == 1)) return cursor = attempt, true;
    }
    // Paths and units are what several rows begin with.
    if (path) fail_behind_path(cursor);
    if (!rows.empty()) fail_behind_unit(cursor);
    return false;
}

}  // namespace devmux
