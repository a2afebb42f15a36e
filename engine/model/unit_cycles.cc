// Breadth first from each unit that could be on a circle; no recursion, so a chain of 10,000 units
// is no deeper than one of two.
#include "engine/model/unit_cycles.h"

#include <deque>
#include <set>

namespace devmux {
namespace {

// Units left when those nobody points at, and those that point at nobody, are taken away again and
// again: all circles, and what lies between circles.
std::set<std::string> core_of(const UnitEdges& edges) {
    std::map<std::string, unsigned> out, in;
    std::map<std::string, std::vector<std::string>> back;
    for (const auto& [from, targets] : edges)
        for (const std::string& to : targets)
            if (edges.contains(to)) ++out[from], ++in[to], back[to].push_back(from);
    std::set<std::string> left;
    std::deque<std::string> todo;
    for (const auto& [name, targets] : edges) {
        left.insert(name);
        todo.push_back(name);
    }
    while (!todo.empty()) {
        std::string name = todo.front();
        todo.pop_front();
        if (!left.contains(name) || (out[name] > 0 && in[name] > 0)) continue;
        left.erase(name);
        for (const std::string& to : edges.at(name))
            if (left.contains(to) && in[to]-- == 1) todo.push_back(to);
        for (const std::string& from : back[name])
            if (left.contains(from) && out[from]-- == 1) todo.push_back(from);
    }
    return left;
}

}  // namespace

std::map<std::string, std::vector<std::string>> units_in_cycles(const UnitEdges& edges) {
    std::map<std::string, std::vector<std::string>> cycles;
    std::set<std::string> core = core_of(edges);
    for (const std::string& start : core) {
        std::map<std::string, std::string> came_from;
        std::deque<std::string> todo{start};
        while (!todo.empty() && !came_from.contains(start)) {
            std::string name = todo.front();
            todo.pop_front();
            for (const std::string& to : edges.at(name))
                if (core.contains(to) && came_from.try_emplace(to, name).second) todo.push_back(to);
        }
        if (!came_from.contains(start)) continue;  // it lies between two circles
        std::vector<std::string> path{start};
        for (std::string at = came_from[start]; at != start; at = came_from[at]) path.insert(path.begin(), at);
        path.insert(path.begin(), start);
        cycles[start] = std::move(path);
    }
    return cycles;
}

}  // namespace devmux
