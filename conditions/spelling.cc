// See spelling.h.
#include "conditions/spelling.h"

#include "conditions/text.h"

namespace devmux {
namespace {

using Kind = Condition::Kind;

struct Reading {
    const ClassNames& classes;
    const Usage& usage;
    unsigned leaves = 0;

    Result<Condition> node(const Node& n, bool negated) {
        if (n.kind == Node::Kind::Map) return map(n, negated);
        if (n.kind != Node::Kind::Scalar)
            return error_at(n, "expected a condition, found " + described(n),
                            "a sentence (mouse and framebuffer) or {all: […]}, {any: […]}, {not: …}");
        if (n.plain && (n.text == "yes" || n.text == "true" || n.text == "on" || n.text == "no" ||
                        n.text == "false" || n.text == "off"))
            return error_at(n, "expected a condition, found " + described(n),
                            "a condition names what must hold: mouse and framebuffer");
        Usage here = usage;
        if (negated) {
            here.first_allowed = false;
            here.why_not_first = "cannot stand under `not`";
        }
        auto condition = parse_condition(n.text, classes, here);
        if (!condition) return placed(std::move(condition.error()), n);
        each_leaf(*condition, [&](const Condition&) { ++leaves; });
        if (leaves > kConditionLeaves) return error_at(n, "too many terms in one condition");
        return condition;
    }

    Result<Condition> map(const Node& n, bool negated) {
        const Node *value = nullptr, *hold = nullptr;
        std::string word;
        for (const auto& [key, v] : n.entries) {
            if (key.text == "for") {
                hold = &v;
            } else if (key.text == "all" || key.text == "any" || key.text == "not") {
                if (value) return error_at(key, "one of all, any, not; " + quoted(word) + " stands before");
                value = &v;
                word = key.text;
            } else {
                std::string near = nearest(key.text, {"all", "any", "not", "for"});
                return error_at(key, "expected all, any, not or for, found " + described(key),
                                near.empty() ? "a sentence with \": \" or \"{\" needs quotes"
                                             : "did you mean " + quoted(near) + "?");
            }
        }
        if (!value) return error_at(n, "\"for\" needs all, any or not beside it");
        auto condition = word == "not" ? negation(*value) : list(*value, word, negated);
        if (!condition || !hold) return condition;
        auto duration = hold->kind == Node::Kind::Scalar ? parse_duration(hold->text) : std::nullopt;
        if (!duration || *duration <= Duration::zero())
            return error_at(*hold, "expected a duration, found " + described(*hold),
                            "a number and its unit: 500ms, 5s, 2m");
        Condition held;
        held.kind = Kind::For;
        held.hold = *duration;
        held.parts.push_back(std::move(*condition));
        return held;
    }

    Result<Condition> negation(const Node& value) {
        auto inner = node(value, true);
        if (!inner) return inner;
        Condition c;
        c.kind = Kind::Not;
        c.parts.push_back(std::move(*inner));
        return c;
    }

    Result<Condition> list(const Node& value, const std::string& word, bool negated) {
        if (value.kind != Node::Kind::List || value.items.empty())
            return error_at(value, quoted(word) + " needs a list of conditions, found " + described(value));
        Condition c;
        c.kind = word == "all" ? Kind::All : Kind::Any;
        for (const Node& item : value.items) {
            auto part = node(item, negated);
            if (!part) return part;
            c.parts.push_back(std::move(*part));
        }
        if (c.parts.size() == 1) return std::move(c.parts[0]);
        return c;
    }
};

void renumber(Condition& c, unsigned& slots) {
    for (Condition& part : c.parts) renumber(part, slots);
    bool remembers = c.kind == Kind::For ||
                     (c.kind == Kind::Device && c.device.quantifier == Quantifier::First);
    if (remembers) c.slot = slots++;
}

}  // namespace

Result<Condition> read_condition(const Node& node, const ClassNames& classes, const Usage& usage) {
    auto condition = Reading{classes, usage}.node(node, false);
    if (condition) renumber(*condition);
    return condition;
}

Error placed(Error error, const Node& scalar) {
    error.where = scalar.mark;
    // A plain scalar in one line stands in the file as it is: the column can be told to the letter.
    bool exact = error.caret >= 0 && scalar.text.find('\n') == std::string::npos;
    if (exact) error.where.column += error.caret + (scalar.plain ? 0 : 1);
    return error;
}

void renumber(Condition& condition) {
    unsigned slots = 0;
    renumber(condition, slots);
}

}  // namespace devmux
