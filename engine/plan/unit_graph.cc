// See unit_graph.h.
#include "engine/plan/unit_graph.h"

#include <algorithm>

namespace devmux {
namespace {

void unique(std::vector<UnitIndex>& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
}

}  // namespace

void UnitGraph::build(const std::vector<const Unit*>& units) {
    nodes_.clear();
    links_ = 0;
    stale_ = false;
    std::unordered_map<std::string, std::vector<UnitIndex>> named;
    for (UnitIndex i = 0; i < units.size(); ++i) {
        named[units[i]->name].push_back(i);
        if (!units[i]->of.empty()) named[units[i]->of].push_back(i);  // whoever names the unit means all its instances
        for (const std::string& facility : units[i]->links.provides) named[facility].push_back(i);
    }
    for (UnitIndex i = 0; i < units.size(); ++i) {
        const UnitLinks& links = units[i]->links;
        if (links.empty()) continue;
        auto each = [&](const std::vector<std::string>& names, auto&& visit) {
            for (const std::string& name : names)
                if (auto it = named.find(name); it != named.end())
                    for (UnitIndex other : it->second)
                        if (other != i) visit(other);
        };
        auto first = [&](UnitIndex ahead, UnitIndex behind) {
            nodes_[behind].ahead.push_back(ahead);
            nodes_[ahead].behind.push_back(behind);
        };
        auto needs = [&](const std::vector<std::string>& names, std::vector<Need> UnitNode::*list) {
            for (const std::string& name : names) {
                Need need{name, {}};
                each({name}, [&](UnitIndex other) { need.units.push_back(other); });
                (nodes_[i].*list).push_back(std::move(need));
            }
        };
        needs(links.required, &UnitNode::required);
        needs(links.wanted, &UnitNode::wanted);
        for (const auto* list : {&links.required, &links.wanted, &links.after})
            each(*list, [&](UnitIndex other) { first(other, i); });
        each(links.required, [&](UnitIndex other) { nodes_[other].dependents.push_back(i); });
        each(links.before, [&](UnitIndex other) { first(i, other); });
        each(links.conflicts, [&](UnitIndex other) {
            nodes_[i].conflicts.push_back(other);
            nodes_[other].conflicts.push_back(i);
        });
        each(links.then, [&](UnitIndex other) { nodes_[i].then.push_back(other); });
        each(links.on_failure, [&](UnitIndex other) { nodes_[i].on_failure.push_back(other); });
    }
    for (auto& [unit, node] : nodes_) {
        for (auto* list : {&node.ahead, &node.behind, &node.dependents, &node.conflicts}) {
            unique(*list);
            node.neighbours.insert(node.neighbours.end(), list->begin(), list->end());
        }
        unique(node.neighbours);
        links_ += node.neighbours.size() + node.then.size() + node.on_failure.size();
    }
}

const UnitNode& UnitGraph::of(UnitIndex unit) const {
    static const UnitNode none;
    auto it = nodes_.find(unit);
    return it == nodes_.end() ? none : it->second;
}

}  // namespace devmux
