// See class_set.h.
#include "engine/model/class_set.h"

#include <algorithm>

#include "conditions/terms.h"
#include "conditions/text.h"

namespace devmux {
namespace {

constexpr size_t kMostClasses = 1024;

std::vector<std::string> words_of(const std::string& name) {
    std::vector<std::string> words;
    for (size_t at = 0; at <= name.size();) {
        size_t space = std::min(name.find(' ', at), name.size());
        words.push_back(name.substr(at, space - at));
        at = space + 1;
    }
    return words;
}

// A class of inclusions alone matches nothing by itself.
bool has_own_match(const DeviceClass& c) {
    return c.match.kind != Predicate::Kind::Always || !c.subsystems.empty() || c.includes.empty();
}

}  // namespace

std::string plural_of(const std::string& name) {
    auto ends = [&](std::string_view tail) { return name.ends_with(tail); };
    if (ends("s") || ends("x") || ends("ch") || ends("sh")) return name + "es";
    if (ends("y") && name.size() > 1 && std::string_view("aeiou").find(name[name.size() - 2]) ==
                                            std::string_view::npos)
        return name.substr(0, name.size() - 1) + "ies";
    return name + "s";
}

// Why a name cannot be told from the words of the language.
std::optional<std::string> ClassSet::name_trouble(const std::string& name) const {
    if (name.empty() || name.size() > 64) return "a class name has 1 to 64 characters";
    std::vector<std::string> words = words_of(name);
    if (words.size() > 6) return "a class name has at most six words";
    for (const std::string& word : words) {
        if (word.empty() || !std::all_of(word.begin(), word.end(), [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
            }))
            return quoted(printable(name)) +
                   ": words of lower-case letters, digits, - and _ with one space between them";
        for (std::string_view keyword : keywords())
            if (word == keyword) return quoted(name) + " contains the keyword " + quoted(keyword);
        for (std::string_view noise : noise_words())
            if (word == noise) return quoted(name) + " contains " + quoted(noise) + ", which says nothing";
    }
    for (const FactTerm& term : fact_terms())
        if (is_fixed(term) ? (std::string(term.pattern) + " ").starts_with(name + " ") ||
                                 (name + " ").starts_with(std::string(term.pattern) + " ")
                           : words[0] == term.pattern.substr(0, term.pattern.find(' ')))
            return quoted(name) + " begins with the first word of the fact " + quoted(term.pattern);
    return std::nullopt;
}

std::optional<Error> ClassSet::add(DeviceClass c) {
    auto trouble = [&](std::string what) {
        return Error{.where = {c.file, 0, 0}, .what = std::move(what), .source = "", .caret = -1,
                     .hint = ""};
    };
    if (classes_.size() >= kMostClasses) return trouble("more than 1024 classes");
    if (c.plural.empty()) c.plural = plural_of(c.name);
    std::vector<std::string> all{c.name, c.plural};
    for (const std::string& alias : c.aliases) {
        all.push_back(alias);
        all.push_back(plural_of(alias));
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    for (const std::string& name : all) {
        if (auto what = name_trouble(name)) return trouble(*what);
        if (auto it = names_.find(name); it != names_.end())
            return trouble("the name " + quoted(name) + " is taken by the class " +
                           quoted(classes_[it->second].name) + " (" + classes_[it->second].file + ")");
    }
    auto id = static_cast<ClassId>(classes_.size());
    for (const std::string& name : all) names_.emplace(name, id);
    bool own_match = has_own_match(c);
    if (own_match && c.subsystems.empty()) any_subsystem_.push_back(id);
    if (own_match)
        for (const std::string& s : c.subsystems) by_subsystem_[s].push_back(id);
    classes_.push_back(std::move(c));
    return std::nullopt;
}

Errors ClassSet::finish() {
    Errors errors;
    included_in_.assign(classes_.size(), {});
    auto add_once = [](std::vector<ClassId>& list, ClassId id) {
        bool is_new = std::find(list.begin(), list.end(), id) == list.end();
        if (is_new) list.push_back(id);
        return is_new;
    };
    for (ClassId id = 0; id < classes_.size(); ++id)
        for (const std::string& name : classes_[id].includes) {
            auto other = find(name);
            if (!other)
                errors.push_back({.where = {classes_[id].file, 0, 0},
                                  .what = "includes " + quoted(printable(name)) + ", which is no class",
                                  .source = "", .caret = -1,
                                  .hint = nearest(name, all_names()).empty()
                                              ? "" : "did you mean " + quoted(nearest(name, all_names())) + "?"});
            else
                add_once(included_in_[*other], id);
        }
    // The transitive closure; a set is a set, so a circle of inclusions ends by itself.
    for (bool grew = true; grew;) {
        grew = false;
        for (auto& list : included_in_)
            for (size_t i = 0; i < list.size(); ++i)
                for (ClassId above : std::vector<ClassId>(included_in_[list[i]]))
                    grew |= add_once(list, above);
    }
    // A class of inclusions has links if all that it includes have.
    has_links_.assign(classes_.size(), true);
    for (ClassId id = 0; id < classes_.size(); ++id) {
        const DeviceClass& c = classes_[id];
        bool own = has_own_match(c), net = c.subsystems == std::vector<std::string>{"net"};
        if (!own || net) continue;
        has_links_[id] = false;
        for (ClassId above : included_in_[id]) has_links_[above] = false;
    }
    hardware_.assign(classes_.size(), {});
    auto take = [&](ClassId id, const std::vector<Hardware>& from) {
        for (const Hardware& h : from) {
            auto same = [&](const Hardware& other) { return other.name == h.name; };
            if (std::none_of(hardware_[id].begin(), hardware_[id].end(), same)) hardware_[id].push_back(h);
        }
    };
    for (ClassId id = 0; id < classes_.size(); ++id) take(id, classes_[id].hardware);
    for (ClassId id = 0; id < classes_.size(); ++id)
        for (ClassId above : included_in_[id]) take(above, classes_[id].hardware);
    return errors;
}

std::vector<Device::Membership> ClassSet::classify(const DeviceFacts& device) const {
    std::vector<Device::Membership> out;
    // The root of a PCI bus, a CPU's cache: somebody's parent, announced by nobody, of no kind.
    if (device.subsystem().empty()) return out;
    auto join = [&](ClassId id, Truth truth) {
        auto it = std::find_if(out.begin(), out.end(), [&](const auto& m) { return m.id == id; });
        if (it == out.end()) out.push_back({id, truth == Truth::Unknown});
        else if (truth == Truth::True) it->unsure = false;
    };
    auto consider = [&](ClassId id) {
        Truth truth = matches(classes_[id].match, device);
        if (truth == Truth::False) return;
        join(id, truth);
        for (ClassId above : included_in_[id]) join(above, truth);
    };
    for (ClassId id : any_subsystem_) consider(id);
    if (auto it = by_subsystem_.find(std::string(device.subsystem())); it != by_subsystem_.end())
        for (ClassId id : it->second) consider(id);
    std::sort(out.begin(), out.end(), [](auto a, auto b) { return a.id < b.id; });
    return out;
}

std::optional<ClassId> ClassSet::find(std::string_view name) const {
    auto it = names_.find(lower(name));
    return it == names_.end() ? std::nullopt : std::optional<ClassId>(it->second);
}

std::optional<ClassNames::Match> ClassSet::longest(const std::vector<std::string>& words) const {
    std::optional<Match> best;
    std::string name;
    for (size_t i = 0; i < words.size(); ++i) {
        name += (i ? " " : "") + words[i];
        if (auto it = names_.find(name); it != names_.end()) best = Match{it->second, i + 1};
    }
    return best;
}

std::vector<std::string> ClassSet::all_names() const {
    std::vector<std::string> out;
    for (const auto& [name, id] : names_) out.push_back(name);
    return out;
}

}  // namespace devmux
