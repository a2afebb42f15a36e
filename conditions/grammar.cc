// condition  = disjunct { "or" disjunct } [ "for" DURATION ]
// disjunct   = negated { "and" negated }
// negated    = [ "not" | "no" ] term
// term       = "(" condition ")" | presence | quantity | fact | "it" [ "[" predicate "]" ] [ state ]
// presence   = [ "first" | "any" ] CLASS [ "[" predicate "]" ] [ state ] [ "only" ]
// quantity   = ( "at least" | "at most" | "exactly" ) N CLASS [ "[" predicate "]" ] [ state ]
//            | "all" CLASS [ "[" predicate "]" ] ( state | "have" "[" predicate "]" )
// fact       = fact_grammar.cc
#include "conditions/grammar.h"

#include <algorithm>
#include <charconv>

#include "conditions/mistakes.h"
#include "conditions/parser.h"
#include "conditions/terms.h"
#include "conditions/text.h"

namespace devmux {
namespace {

using Kind = Condition::Kind;

Condition joined(Kind kind, std::vector<Condition> parts) {
    if (parts.size() == 1) return std::move(parts[0]);
    Condition c;
    c.kind = kind;
    c.parts = std::move(parts);
    return c;
}

class Grammar {
  public:
    Grammar(Cursor& cursor, const ClassNames& classes, const Usage& usage)
        : cursor_(cursor), classes_(classes), usage_(usage) {}

    Condition condition() {
        std::vector<Condition> any;
        do {
            std::vector<Condition> all;
            do all.push_back(negated());
            while (cursor_.accept("and"));
            any.push_back(joined(Kind::All, std::move(all)));
        } while (cursor_.accept("or"));
        Condition c = joined(Kind::Any, std::move(any));
        if (!cursor_.accept("for")) return c;
        Token text = cursor_.take();
        auto duration = parse_duration(text.text);
        if (!duration || *duration <= Duration::zero())
            cursor_.fail_at(text, "expected a duration, found " + described(text),
                            "a number and its unit: 500ms, 5s, 2m");
        Condition held;
        held.kind = Kind::For;
        held.hold = *duration;
        held.slot = slots_++;
        held.parts.push_back(std::move(c));
        return held;
    }

    DeviceTerm device_set() {
        DeviceTerm t;
        read_class(t, Expected::Set);
        cursor_.skip_noise();
        if (cursor_.accept("seen")) t.state = DeviceState::Seen;
        if (cursor_.peek().kind == Token::Kind::End) return t;
        std::vector<std::string> words = words_here();
        std::string hint;
        if (words.empty()) hint = "";
        else if (is_state_word(words[0])) hint = "a state belongs into a condition: when, while, stop-when";
        else if (words[0] == "and" || words[0] == "or")
            hint = "one class; one of your own may be made of several: includes, in devmux.conditions(7)";
        else if (t.predicate.kind == Predicate::Kind::Always) hint = hint_behind(t.class_name, true, words, classes_);
        cursor_.fail("expected a class, its [ … ] and perhaps \"seen\", found " + described(cursor_.peek()), hint);
    }

    void expect_end() {
        if (cursor_.peek().kind == Token::Kind::End) return;
        std::string hint;
        if (cursor_.peek().kind == Token::Kind::Word) {
            std::vector<std::string> next{"and", "or", "for"};
            for (const StateTerm& state : state_terms()) next.emplace_back(state.word);
            hint = nearest(cursor_.peek().text, next);
            hint = hint.empty() ? hint_behind(before_, named_, words_here(), classes_) : "did you mean " + quoted(hint) + "?";
        }
        cursor_.fail("expected \"and\", \"or\", \"for\" or the end, found " + described(cursor_.peek()), hint);
    }

  private:
    Condition negated() {
        cursor_.enter();
        cursor_.skip_noise();
        Condition c;
        if (cursor_.accept("not") || cursor_.accept("no")) {
            ++negations_;
            c.kind = Kind::Not;
            c.parts.push_back(negated());
            --negations_;
        } else {
            c = term();
        }
        cursor_.leave();
        return c;
    }

    Condition term() {
        cursor_.skip_noise();
        if (++leaves_ > kConditionLeaves)
            cursor_.fail("more than " + std::to_string(kConditionLeaves) + " terms in one condition");
        if (cursor_.accept("(")) {
            Condition inner = condition();
            cursor_.expect(")", "to close the parenthesis");
            before_.clear();
            return inner;
        }
        Condition c;
        if (cursor_.is("it")) {
            it(c);
            return c;
        }
        if (read_fact(cursor_, c.fact)) {
            c.kind = Kind::Fact;
            before_ = to_string(c.fact);
            named_ = false;
            return c;
        }
        c.kind = Kind::Device;
        device(c);
        before_ = to_string(c.device);
        named_ = before_ == c.device.class_name;
        return c;
    }

    void it(Condition& c) {
        if (!usage_.for_each)
            cursor_.fail("\"it\" is the device of an instance, and there is no for-each here",
                         "for-each: CLASS in a unit makes an instance for each device");
        cursor_.take();
        c.kind = Kind::Device;
        c.device = it_of(*usage_.for_each);
        c.device.state = DeviceState::Present;
        read_bracket(c.device);
        read_state(c.device);
    }

    void device(Condition& c) {
        DeviceTerm& t = c.device;
        Token start = cursor_.peek();
        Expected expected = Expected::Class;
        if (cursor_.accept("first")) {
            t.quantifier = Quantifier::First;
            if (negations_ > 0) cursor_.fail_at(start, "`first` cannot stand under `not`",
                                                "once there was a first device, the term is held");
            if (!usage_.first_allowed)
                cursor_.fail_at(start, "`first` " + std::string(usage_.why_not_first));
            c.slot = slots_++;
        } else if (cursor_.accept("all")) {
            t.quantifier = Quantifier::All;
        } else if (cursor_.accept("at")) {
            if (cursor_.accept("least")) t.quantifier = Quantifier::AtLeast;
            else if (cursor_.accept("most")) t.quantifier = Quantifier::AtMost;
            else cursor_.fail("expected \"least\" or \"most\" behind \"at\", found " +
                              described(cursor_.peek()));
            t.count = number();
        } else if (cursor_.accept("exactly")) {
            t.quantifier = Quantifier::Exactly;
            t.count = number();
        } else if (!cursor_.accept("any")) {
            expected = Expected::Term;
        }
        if (cursor_.is("it"))
            cursor_.fail("\"it\" is one device: it has no number, and is neither first nor last", "it, or it[ … ]");
        read_class(t, expected);
        bool has_state = read_state(t);
        if (t.quantifier == Quantifier::All) read_have(t, has_state);
        if (cursor_.is("only")) {
            if (t.quantifier != Quantifier::First)
                cursor_.fail("\"only\" goes with \"first\" alone",
                             "for example: first " + t.class_name + " only");
            cursor_.take();
        }
    }

    void read_have(DeviceTerm& t, bool has_state) {
        if (!has_state && cursor_.accept("have")) {
            cursor_.expect("[", "behind \"have\"");
            Token start = cursor_.peek();
            t.have = read_predicate(cursor_);
            check_carries(t.have, t, start);
            cursor_.expect("]", "to close the bracket");
        } else if (!has_state) {
            cursor_.fail("\"all " + t.class_name + "\" needs what all of them must be",
                         "a state (all " + t.class_name + " bound) or have [ … ]");
        }
    }

    unsigned number() {
        Token token = cursor_.take();
        unsigned n = 0;
        auto [end, error] =
            std::from_chars(token.text.data(), token.text.data() + token.text.size(), n);
        if (token.text.empty() || error != std::errc() || end != token.text.data() + token.text.size())
            cursor_.fail_at(token, "expected a number, found " + described(token), "in digits: 2");
        if (n > 100000) cursor_.fail_at(token, "no machine has that many devices");
        return n;
    }

    std::vector<std::string> words_here() const {
        std::vector<std::string> words;
        for (size_t i = 0; i < 8 && cursor_.peek(i).kind == Token::Kind::Word; ++i) words.push_back(cursor_.peek(i).low);
        return words;
    }

    void read_class(DeviceTerm& t, Expected expected) {
        cursor_.skip_noise();
        std::vector<std::string> words = words_here();
        auto match = classes_.longest(words);
        if (!match) {
            Mistake m = no_such_term(expected, words, described(cursor_.peek()), class_before_, classes_);
            cursor_.fail(m.what, m.hint);
        }
        for (size_t i = 0; i < match->words; ++i) cursor_.take();
        t.class_id = match->id;
        t.class_name = class_before_ = classes_.class_name(match->id);
        read_bracket(t);
    }

    void read_bracket(DeviceTerm& t) {
        if (!cursor_.accept("[")) return;
        Token start = cursor_.peek();
        t.predicate = read_predicate(cursor_);
        check_carries(t.predicate, t, start);
        cursor_.expect("]", "to close the bracket");
    }

    void check_carries(const Predicate& predicate, const DeviceTerm& t, const Token& token) {
        if (!compares(predicate, Predicate::Field::CarriesRoot) || classes_.has_links(t.class_id)) return;
        cursor_.fail_at(token, "\"carries-root\" is asked of network interfaces, and " + quoted(t.class_name) + " is none",
                        "for example: network interface[carries-root]");
    }

    bool read_state(DeviceTerm& t) {
        cursor_.skip_noise();
        const Token token = cursor_.peek();
        bool has = cursor_.accept("available");  // of the specification: the same as present
        for (const StateTerm& state : state_terms()) {
            if (has || !cursor_.accept(state.word)) continue;
            if (is_of_links(state.state) && !classes_.has_links(t.class_id))
                cursor_.fail_at(token, quoted(state.word) + " is a state of network interfaces, and " +
                                           quoted(t.class_name) + " is none",
                                "for example: network interface " + std::string(state.word));
            t.state = state.state;
            has = true;
        }
        const Token& next = cursor_.peek();
        if (!has || next.kind != Token::Kind::Word || !is_state_word(next.low)) return has;
        Mistake m = second_state(t, token.low, next.low);
        cursor_.fail(m.what, m.hint);
    }

    Cursor& cursor_;
    const ClassNames& classes_;
    const Usage& usage_;
    unsigned slots_ = 0, leaves_ = 0, negations_ = 0;
    // For the hints of errors: the term that was read last, whether its device may still be named, and its class.
    std::string before_, class_before_;
    bool named_ = false;
};

// Runs `read` over the tokens of `text` and turns what it throws into a Result.
template <class Read>
auto parsed(std::string_view text, Read read) -> Result<decltype(read(std::declval<Cursor&>()))> {
    if (text.size() > kConditionBytes)
        return Error{.where = {}, .what = "longer than " + std::to_string(kConditionBytes) + " bytes",
                     .source = "", .caret = -1, .hint = ""};
    auto tokens = cut(text);
    if (!tokens) return tokens.error();
    Cursor cursor(text, std::move(*tokens));
    try {
        return read(cursor);
    } catch (const SyntaxError& e) {
        return e.error;
    }
}

}  // namespace

Result<Condition> parse_condition(std::string_view text, const ClassNames& classes,
                                  const Usage& usage) {
    return parsed(text, [&](Cursor& cursor) {
        Grammar grammar(cursor, classes, usage);
        Condition c = grammar.condition();
        grammar.expect_end();
        return c;
    });
}

Result<DeviceTerm> parse_device_set(std::string_view text, const ClassNames& classes) {
    return parsed(text, [&](Cursor& cursor) {
        return Grammar(cursor, classes, Usage{}).device_set();
    });
}

Result<Predicate> parse_predicate(std::string_view text) {
    return parsed(text, [](Cursor& cursor) {
        Predicate p = read_predicate(cursor);
        if (compares(p, Predicate::Field::CarriesRoot))
            cursor.fail("\"carries-root\" cannot make a class: it is what mounts and routes say of a network interface",
                        "behind a class of these: network interface[carries-root]");
        if (cursor.peek().kind != Token::Kind::End)
            cursor.fail("expected \"and\", \"or\" or the end, found " + described(cursor.peek()));
        return p;
    });
}

}  // namespace devmux
