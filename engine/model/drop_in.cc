// See drop_in.h.
#include "engine/model/drop_in.h"

#include <algorithm>

#include "engine/model/unit_links.h"

namespace devmux {
namespace {

bool is_link_key(std::string_view key) {
    const auto& keys = link_keys();
    return std::any_of(keys.begin(), keys.end(), [&](const LinkKey& k) { return k.key == key; });
}

// One text is a list of one: `after: a` in the unit and `after: [b]` in a drop-in are both.
Node as_list(Node node) {
    if (node.kind == Node::Kind::List) return node;
    Node list;
    list.kind = Node::Kind::List;
    list.mark = node.mark;
    list.items.push_back(std::move(node));
    return list;
}

void append(Node& old, Node more) {
    old = as_list(std::move(old));
    for (Node& item : as_list(std::move(more)).items) old.items.push_back(std::move(item));
}

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

// Maps of which a drop-in may say a part; `drivers` stands within `timeout`.
bool is_joined(std::string_view key) {
    return key == "environment" || key == "command" || key == "timeout" || key == "drivers";
}

}  // namespace

void merge_drop_in(Node& unit, Node drop_in) {
    if (unit.kind != Node::Kind::Map || drop_in.kind != Node::Kind::Map) {
        unit = std::move(drop_in);
        return;
    }
    // Who names a script has chosen.
    if (drop_in.find("init-script") && !drop_in.find("chosen-by"))
        std::erase_if(unit.entries, [](const auto& entry) { return entry.key.text == "chosen-by"; });
    for (auto& [key, value] : drop_in.entries) {
        Node* old = nullptr;
        for (auto& [k, v] : unit.entries)
            if (k.text == key.text) old = &v;
        bool appends = key.text == "documentation" || key.text == "actions" || is_link_key(key.text);
        if (old && key.text == "and-when") {
            narrow_again(*old, std::move(value));
            continue;
        }
        if (!old) unit.entries.push_back({std::move(key), std::move(value)});
        else if (appends) append(*old, std::move(value));
        else if (old->kind == Node::Kind::Map && is_joined(key.text))
            merge_drop_in(*old, std::move(value));
        else
            *old = std::move(value);
    }
}

}  // namespace devmux
