// See unit_order.h.
#include "engine/model/unit_order.h"

#include <functional>
#include <set>

#include "conditions/text.h"
#include "engine/model/unit_cycles.h"

namespace devmux {
namespace {

using Providers = std::map<std::string, std::vector<std::string>>;

bool is_unit_fact(FactKind kind) {
    return kind == FactKind::UnitActive || kind == FactKind::UnitDone || kind == FactKind::UnitFailed;
}

void each_unit_asked_for(const Unit& unit, const std::function<void(const std::string&)>& visit) {
    auto note = [&](const Condition& leaf) {
        if (leaf.kind == Condition::Kind::Fact && is_unit_fact(leaf.fact.kind)) visit(leaf.fact.name);
    };
    each_leaf(unit.condition, note);
    if (unit.stop_when) each_leaf(*unit.stop_when, note);
    if (unit.boot_if) each_leaf(*unit.boot_if, note);
}

// Of an instance, "unit@sysname", that unit.
std::string file_of(const Configuration& configuration, const std::string& name) {
    for (size_t at = name.find('@'); at != name.npos && !configuration.units.contains(name); at = name.find('@', at + 1)) {
        auto unit = configuration.units.find(name.substr(0, at));
        if (unit != configuration.units.end() && unit->second->for_each) return unit->first;
    }
    return name;
}

// "a waits for b", and how its file says so. Who is started when another has started waits for that one.
struct Wait {
    std::string from, to, words;
};

void each_wait(const Configuration& configuration, const Providers& provided,
               const std::function<void(const Wait&)>& visit) {
    for (const auto& [name, unit] : configuration.units) {
        const std::string& self = name;
        each_unit_asked_for(*unit, [&](const std::string& other) {
            visit({self, file_of(configuration, other), self + ": its condition asks for " + other});
        });
        for (const LinkKey& key : link_keys()) {
            bool behind = key.list == &UnitLinks::required || key.list == &UnitLinks::wanted ||
                          key.list == &UnitLinks::after;
            bool ahead = key.list == &UnitLinks::before || key.list == &UnitLinks::then ||
                         key.list == &UnitLinks::on_failure;
            if (!behind && !ahead) continue;
            for (const std::string& target : (*unit).links.*key.list) {
                auto p = provided.find(target);
                std::vector<std::string> others = !is_facility(target)    ? std::vector{file_of(configuration, target)}
                                                  : p == provided.end() ? std::vector<std::string>{}
                                                                          : p->second;
                for (const std::string& other : others) {
                    std::string named = target == other ? other : target + ", which " + other + " provides";
                    visit({behind ? self : other, behind ? other : self, self + ": " + key.key + " " + named});
                }
            }
        }
    }
}

}  // namespace

std::map<std::string, std::vector<std::string>> providers(const Configuration& configuration) {
    Providers out;
    for (const auto& [name, unit] : configuration.units)
        for (const std::string& facility : unit->links.provides) out[facility].push_back(name);
    return out;
}

void refuse_cycles(Configuration& out) {
    UnitEdges edges;
    std::map<std::pair<std::string, std::string>, std::string> words;
    each_wait(out, providers(out), [&](const Wait& wait) {
        edges[wait.from].push_back(wait.to);
        words.try_emplace({wait.from, wait.to}, wait.words);
    });
    for (const auto& [name, path] : units_in_cycles(edges)) {
        std::string circle = name, why;
        for (size_t i = 0; i + 1 < path.size(); ++i) {
            circle += " -> " + path[i + 1];
            why += (why.empty() ? "" : "; ") + words.at({path[i], path[i + 1]});
        }
        out.broken[name] = {{.where = {out.units.at(name)->file, 0, 0},
                             .what = "it waits for itself: " + circle + " (" + why + ")",
                             .source = "",
                             .caret = -1,
                             .hint = "one of them must not wait for the next"}};
        out.units.erase(name);
    }
}

void warn_of_missing_units(Configuration& out) {
    Providers provided = providers(out);
    std::vector<std::string> known;
    for (const auto& entry : out.units) known.push_back(entry.first);
    for (const auto& entry : provided) known.push_back(entry.first);
    for (auto& entry : out.units) {
        std::shared_ptr<const Unit>& unit = entry.second;
        Errors warnings;
        std::set<std::string> named;
        auto missing = [&](const std::string& name, const std::string& who) {
            bool there = is_facility(name) ? provided.contains(name) || stands_without_unit(name) : out.units.contains(file_of(out, name));
            if (there || !named.insert(name).second) return;
            std::string near = nearest(name, known);
            warnings.push_back({.where = {unit->file, 0, 0},
                                .what = who + (is_facility(name) ? " the facility " : " the unit ") +
                                        quoted(printable(name)) +
                                        (is_facility(name) ? ", which no unit provides" : ", which is not there"),
                                .source = "",
                                .caret = -1,
                                .hint = near.empty() ? "" : "did you mean " + quoted(near) + "?"});
        };
        each_unit_asked_for(*unit, [&](const std::string& other) { missing(other, "its condition asks for"); });
        for (const LinkKey& key : link_keys())
            if (key.list != &UnitLinks::provides)
                for (const std::string& other : (*unit).links.*key.list)
                    missing(other, quoted(key.key) + " names");
        if (warnings.empty()) continue;
        auto copy = std::make_shared<Unit>(*unit);
        copy->warnings.insert(copy->warnings.end(), warnings.begin(), warnings.end());
        unit = std::move(copy);
    }
}

}  // namespace devmux
