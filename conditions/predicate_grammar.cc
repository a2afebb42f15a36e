// predicate  = conjunct { "or" conjunct }
// conjunct   = negated { "and" negated }
// negated    = [ "not" ] ( "(" predicate ")" | comparison )
// comparison = field ( "=" | "!=" | "~" | "!~" ) value | field "has" BIT | flag
// field      = [ "parent." SUBSYSTEM "." ] ( "name" | "devpath" | "subsystem" | "driver"
//              | "attr." NAME | "property." NAME | UPPER_CASE_PROPERTY )
// flag       = "virtual" | "wireless" | "bound" | "carries-root"
// An attribute's value may be followed by `default VALUE`: what a missing file counts as.
#include <algorithm>
#include <array>

#include "conditions/parser.h"
#include "conditions/text.h"

namespace devmux {
namespace {

using Field = Predicate::Field;
using Kind = Predicate::Kind;
using Operator = Predicate::Operator;

struct NamedField {
    std::string_view name;
    Field field;
    bool flag;
};

constexpr std::array kFields{
    NamedField{"name", Field::Name, false},         NamedField{"devpath", Field::Devpath, false},
    NamedField{"subsystem", Field::Subsystem, false}, NamedField{"driver", Field::Driver, false},
    NamedField{"virtual", Field::Virtual, true},    NamedField{"wireless", Field::Wireless, true},
    NamedField{"bound", Field::Bound, true},        NamedField{"carries-root", Field::CarriesRoot, true}};

bool is_property(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
}

// An attribute is a file below the device: no way out of it, and bounded.
void check_attribute(Cursor& cursor, const Token& token, const std::string& name) {
    bool climbs = name.starts_with('/') || name.ends_with('/') || name.find("//") != name.npos;
    for (size_t at = 0; at != std::string::npos && !climbs;) {
        size_t slash = name.find('/', at);
        std::string_view part = std::string_view(name).substr(at, slash - at);
        climbs = part == ".." || part == ".";
        at = slash == std::string::npos ? slash : slash + 1;
    }
    if (name.empty() || name.size() > 255 || climbs)
        cursor.fail_at(token, "\"attr.\" needs the name of a file below the device",
                       "for example attr.idVendor or attr.id/vendor");
}

Predicate read_field(Cursor& cursor, bool& flag) {
    Token token = cursor.take();
    Predicate p;
    p.kind = Kind::Comparison;
    std::string_view rest = token.text;
    if (token.kind != Token::Kind::Word)
        cursor.fail_at(token, "expected a property, an attribute or a flag, found " + described(token));
    if (rest.starts_with("parent.")) {
        rest.remove_prefix(7);
        size_t dot = rest.find('.');
        if (dot == std::string_view::npos || dot == 0)
            cursor.fail_at(token, "\"parent\" needs a subsystem and a field",
                           "for example parent.usb.attr.product");
        p.parent = rest.substr(0, dot);
        rest.remove_prefix(dot + 1);
    }
    flag = false;
    for (const NamedField& field : kFields) {
        if (lower(rest) != field.name) continue;
        p.field = field.field;
        flag = field.flag;
        if (p.field == Field::CarriesRoot && !p.parent.empty())
            cursor.fail_at(token, "\"carries-root\" is about the network interface itself, and not about what it is on");
        return p;
    }
    if (rest.starts_with("attr.")) {
        p.field = Field::Attribute;
        p.key = rest.substr(5);
        check_attribute(cursor, token, p.key);
        return p;
    }
    p.field = Field::Property;
    p.key = rest.starts_with("property.") ? rest.substr(9) : rest;
    if (!is_property(rest) && !rest.starts_with("property.")) {
        std::vector<std::string> known{"attr.", "property.", "parent."};
        for (const NamedField& field : kFields) known.emplace_back(field.name);
        std::string near = nearest(rest, known);
        cursor.fail_at(token, quoted(rest) + " is no field of a device",
                       near.empty() ? "a sysfs attribute is written attr." + std::string(rest) +
                                          ", a property in capitals or property." + std::string(rest)
                                    : "did you mean " + quoted(near) + "?");
    }
    return p;
}

std::string read_value(Cursor& cursor) {
    Token token = cursor.take();
    if (token.kind == Token::Kind::Punctuation || token.kind == Token::Kind::End)
        cursor.fail_at(token, "expected a value, found " + described(token), "for example \"e1000e\"");
    return token.text;
}

Predicate read_comparison(Cursor& cursor) {
    bool flag = false;
    Token start = cursor.peek();
    Predicate p = read_field(cursor, flag);
    if (flag) {
        p.op = Operator::Flag;
        return p;
    }
    if (cursor.accept("=")) p.op = Operator::Equal;
    else if (cursor.accept("!=")) p.op = Operator::NotEqual;
    else if (cursor.accept("~")) p.op = Operator::Like;
    else if (cursor.accept("!~")) p.op = Operator::NotLike;
    else if (cursor.accept("has")) p.op = Operator::Has;
    else cursor.fail("expected = != ~ !~ or has behind " + quoted(start.text) + ", found " +
                     described(cursor.peek()));
    Token value = cursor.peek();
    p.value = read_value(cursor);
    if (p.op == Operator::Has) {
        auto bit = bit_number(p.value);
        if (!bit) cursor.fail_at(value, quoted(p.value) + " is no input event code",
                                 "a number, or a name like BTN_LEFT, KEY_A, REL_X, ABS_X");
        p.bit = *bit;
    }
    if (p.field == Field::Attribute && cursor.accept("default")) {
        p.fallback = read_value(cursor);
        p.has_fallback = true;
    }
    return p;
}

Predicate joined(Kind kind, std::vector<Predicate> parts) {
    if (parts.size() == 1) return std::move(parts[0]);
    Predicate p;
    p.kind = kind;
    p.parts = std::move(parts);
    return p;
}

Predicate read_negated(Cursor& cursor) {
    cursor.enter();
    Predicate p;
    if (cursor.accept("not")) {
        p.kind = Kind::Not;
        p.parts.push_back(read_negated(cursor));
    } else if (cursor.accept("(")) {
        p = read_predicate(cursor);
        cursor.expect(")", "to close the parenthesis");
    } else {
        p = read_comparison(cursor);
    }
    cursor.leave();
    return p;
}

}  // namespace

bool stands_bare(std::string_view property) {
    auto named = [&](const NamedField& field) { return field.name == lower(property); };
    return is_property(property) && lower(property) != "not" && std::ranges::none_of(kFields, named);
}

Predicate read_predicate(Cursor& cursor) {
    std::vector<Predicate> any;
    do {
        std::vector<Predicate> all;
        do all.push_back(read_negated(cursor));
        while (cursor.accept("and"));
        any.push_back(joined(Kind::All, std::move(all)));
    } while (cursor.accept("or"));
    return joined(Kind::Any, std::move(any));
}

}  // namespace devmux
