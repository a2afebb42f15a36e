// See drop_in.h.
#include "engine/model/drop_in.h"

namespace devmux {
namespace {

// Two drop-ins that narrow a condition narrow it twice: {all: [first, second]}.
void narrow_again(Node& old, Node value) {
    Node all, list;
    all.kind = Node::Kind::Map;
    list.kind = Node::Kind::List;
    all.mark = list.mark = value.mark;
    list.items.push_back(std::move(old));
    list.items.push_back(std::move(value));
    Node key;
    key.kind = Node::Kind::Scalar;
    key.text = "all";
    key.mark = all.mark;
    all.entries.push_back({std::move(key), std::move(list)});
    old = std::move(all);
}

}  // namespace

void merge_drop_in(Node& unit, Node drop_in) {
    if (unit.kind != Node::Kind::Map || drop_in.kind != Node::Kind::Map) {
        unit = std::move(drop_in);
        return;
    }
    for (auto& [key, value] : drop_in.entries) {
        Node* old = nullptr;
        for (auto& [k, v] : unit.entries)
            if (k.text == key.text) old = &v;
        bool appends = key.text == "documentation" || key.text == "actions";
        if (old && key.text == "and-when") {
            narrow_again(*old, std::move(value));
            continue;
        }
        if (!old) unit.entries.push_back({std::move(key), std::move(value)});
        else if (appends && old->kind == Node::Kind::List && value.kind == Node::Kind::List)
            for (Node& item : value.items) old->items.push_back(std::move(item));
        else if (old->kind == Node::Kind::Map && (key.text == "environment" || key.text == "command"))
            merge_drop_in(*old, std::move(value));
        else
            *old = std::move(value);
    }
}

}  // namespace devmux
