// Text of a condition. The sentence is canonical: it names the saved verdict of a unit across a
// reload and a restart, so two spellings of one condition are one condition.
#include "conditions/condition.h"

#include <utility>

#include "conditions/terms.h"

namespace devmux {
namespace {

using Kind = Condition::Kind;

// How tightly a node binds, loosest first; a part that binds looser than its place needs parentheses.
int binding(const Condition& c) {
    switch (c.kind) {
        case Kind::For: return 0;
        case Kind::Any: return 1;
        case Kind::All: return 2;
        case Kind::Not: return 3;
        case Kind::Device:
        case Kind::Fact: break;
    }
    return 4;
}

std::string spell(const Condition& c, int place) {
    std::string out;
    switch (c.kind) {
        case Kind::Device: return to_string(c.device);
        case Kind::Fact: return to_string(c.fact);
        case Kind::Not: out = "not " + spell(c.parts[0], 3); break;
        case Kind::For: out = spell(c.parts[0], 1) + " for " + to_string(c.hold); break;
        case Kind::All:
        case Kind::Any:
            for (const Condition& part : c.parts) {
                if (!out.empty()) out += c.kind == Kind::All ? " and " : " or ";
                out += spell(part, binding(c) + 1);
            }
            break;
    }
    return binding(c) < place ? "(" + out + ")" : out;
}

std::string bracketed(const Predicate& p) {
    return p.kind == Predicate::Kind::Always ? "" : "[" + to_string(p) + "]";
}

}  // namespace

std::string to_string(const Condition& condition) { return spell(condition, 0); }

std::string to_string(const DeviceTerm& t) {
    std::string out;
    switch (t.quantifier) {
        case Quantifier::Any: break;
        case Quantifier::First: out = "first "; break;
        case Quantifier::All: out = "all "; break;
        case Quantifier::AtLeast: out = "at least " + std::to_string(t.count) + " "; break;
        case Quantifier::AtMost: out = "at most " + std::to_string(t.count) + " "; break;
        case Quantifier::Exactly: out = "exactly " + std::to_string(t.count) + " "; break;
        case Quantifier::It: break;
    }
    bool it = t.quantifier == Quantifier::It;
    out += (it ? "it" : t.class_name) + bracketed(t.predicate);
    if (!it && t.have.kind != Predicate::Kind::Always) return out + " have " + bracketed(t.have);
    if (t.state != DeviceState::Present || t.quantifier == Quantifier::All)
        out += " " + std::string(state_name(t.state));
    return out;
}

bool asks_what_it_carries(const DeviceTerm& term) {
    constexpr auto kField = Predicate::Field::CarriesRoot;
    return compares(term.predicate, kField) || compares(term.have, kField);
}

bool asks_what_it_carries(const Condition& condition) {
    bool asks = false;
    each_leaf(condition, [&](const Condition& leaf) {
        asks |= leaf.kind == Condition::Kind::Device && asks_what_it_carries(leaf.device);
    });
    return asks;
}

DeviceTerm it_of(const DeviceTerm& devices) {
    DeviceTerm it = devices;
    it.quantifier = Quantifier::It;
    it.have = std::exchange(it.predicate, Predicate{});
    return it;
}

void each_leaf(const Condition& c, const std::function<void(const Condition&)>& visit) {
    if (c.kind == Kind::Device || c.kind == Kind::Fact) visit(c);
    for (const Condition& part : c.parts) each_leaf(part, visit);
}

void ask_expected(Condition& c) {
    if (c.kind == Kind::Fact)
        c.fact.expected = c.fact.kind == FactKind::OnType || c.fact.kind == FactKind::RootOnType;
    for (Condition& part : c.parts) ask_expected(part);
}

}  // namespace devmux
