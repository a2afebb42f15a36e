// See mistakes.h.
#include "conditions/mistakes.h"

#include <algorithm>
#include <array>

#include "conditions/terms.h"
#include "conditions/text.h"

namespace devmux {
namespace {

constexpr std::string_view kAllThereIs = "devmux classes lists the classes; devmux.conditions(7) the facts";
constexpr std::string_view kLinks = "network interface";
constexpr size_t kLongerNames = 3;  // that a hint proposes

constexpr std::array<std::string_view, 10> kNumbers{"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};

// "2" of "2" and "two"; empty: no number.
std::string number_in(const std::string& word) {
    if (!word.empty() && word.find_first_not_of("0123456789") == std::string::npos) return word;
    const auto* it = std::find(kNumbers.begin(), kNumbers.end(), word);
    return it == kNumbers.end() ? "" : std::to_string(it - kNumbers.begin() + 1);
}

bool is_keyword(std::string_view word) { return std::find(keywords().begin(), keywords().end(), word) != keywords().end(); }

bool is_word_of_links(std::string_view word) {
    return std::any_of(state_terms().begin(), state_terms().end(),
                       [&](const StateTerm& s) { return is_of_links(s.state) && s.word == word; });
}

bool is_unit_state(std::string_view word) { return word == "active" || word == "failed" || word == "done"; }

// "network" of "network online" and "network interface".
std::string longer(const std::string& word, const std::vector<std::string>& known) {
    std::string out;
    size_t count = 0;
    for (const std::string& name : known)
        if (name.starts_with(word + " ") && ++count <= kLongerNames) out += (out.empty() ? "" : " or ") + quoted(name);
    return count > kLongerNames ? "" : out;
}

std::vector<std::string> names(Expected expected, const ClassNames& classes) {
    std::vector<std::string> known = classes.all_names();
    if (expected != Expected::Term) return known;
    for (const FactTerm& term : fact_terms())
        if (is_fixed(term)) known.emplace_back(term.pattern);
        else if (!term.pattern.starts_with("PATH")) known.emplace_back(term.pattern.substr(0, term.pattern.find(' ')));
    return known;
}

// A device by its name, in the class that is meant.
std::string by_name(std::string_view class_name, std::string_view name) {
    return std::string(class_name) + "[name = " + quoted(name) + "]";
}

}  // namespace

bool is_state_word(std::string_view word) {
    return word == "available" || std::any_of(state_terms().begin(), state_terms().end(),
                                              [&](const StateTerm& s) { return s.word == word; });
}

Mistake no_such_term(Expected expected, const std::vector<std::string>& words, const std::string& found,
                     std::string_view before, const ClassNames& classes) {
    const bool term = expected == Expected::Term;
    const std::string what = term ? "expected a device, a fact or a parenthesis" : "expected a class of devices";
    const std::string lists = term ? std::string(kAllThereIs) : "devmux classes lists them";
    const std::string first = words.empty() ? "" : words[0], second = words.size() > 1 ? words[1] : "";
    if (term && is_state_word(first)) {
        std::string of(before.empty() ? "mouse" : before);
        if (is_word_of_links(first)) of = kLinks;
        return {found + " is a state, and stands behind a class", "a term has one state, and names its class: " + of + " " + first};
    }
    if (first.empty() || is_keyword(first))
        return {what + ", found " + found,
                expected == Expected::Set && !first.empty() ? "a class, its [ … ] and perhaps \"seen\": all of its devices are meant" : lists};
    Mistake m{found + (term ? " is no class of devices and no fact" : " is no class of devices"), ""};
    if (std::string n = number_in(first); term && !n.empty() && !second.empty()) {
        for (const char* how : {"at least ", "at most ", "exactly "}) m.hint += (m.hint.empty() ? "" : ", ") + std::string(how) + n + " " + second;
        return m;
    }
    if (term && is_unit_state(second)) return m.hint = "of a unit: unit " + first + " " + second, m;
    std::vector<std::string> known = names(expected, classes);
    std::string near = second.empty() ? "" : nearest(first + " " + second, known);
    if (near.empty()) near = nearest(first, known);
    near = near.empty() ? longer(first, known) : quoted(near);
    if (!near.empty()) m.hint = "did you mean " + near + "?";
    else if (term && is_word_of_links(second)) m.hint = "one by its name: " + by_name(kLinks, first) + " " + second;
    else m.hint = lists;
    return m;
}

Mistake second_state(const DeviceTerm& term, std::string_view written, std::string_view second) {
    DeviceTerm other = term;
    for (const StateTerm& state : state_terms())
        if (state.word == second) other.state = state.state;
    if (second == "available") other.state = DeviceState::Present;
    Mistake m{quoted(second) + " is a second state, and a term has one", "write both: " + to_string(term) + " and " + to_string(other)};
    if (is_of_links(term.state) && is_of_links(other.state) && term.state != other.state)
        m.hint += "; " + quoted(other.state > term.state ? second : written) + " alone says both";
    return m;
}

std::string hint_behind(const std::string& term, bool named, const std::vector<std::string>& words, const ClassNames& classes) {
    if (words.empty() || term.empty()) return "";
    std::string joined;
    if (auto match = classes.longest(words))
        for (size_t i = 0; i < match->words; ++i) joined += " " + words[i];
    for (const FactTerm& fact : fact_terms())
        if (joined.empty() && fact.pattern.substr(0, fact.pattern.find(' ')) == words[0]) joined = " " + words[0] + (is_fixed(fact) ? "" : " …");
    if (!joined.empty()) return "terms are joined: " + term + " and" + joined + ", or by \"or\"";
    return named && !is_keyword(words[0]) ? "one by its name: " + by_name(term, words[0]) : "";
}

}  // namespace devmux
