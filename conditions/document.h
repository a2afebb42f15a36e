// A YAML file as a strict tree: every node with its place, repeated keys noticed, sizes bounded.
//
// Built on yaml-cpp's event interface, since its node interface keeps repeated keys silently (the
// first wins), forgets whether a scalar was quoted, and expands aliases without a bound.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/result.h"

namespace devmux {

struct Entry;

struct Node {
    enum class Kind : unsigned char { Null, Scalar, List, Map };
    Kind kind = Kind::Null;
    std::string text;     // of a scalar
    bool plain = false;   // a scalar without quotes: `yes` and `{name}` mean something else then
    std::string comment;  // of a plain scalar: what stands behind " #" in its line, and is cut
    bool flow = false;    // a list or map in brackets: `[a, b]`, `{a: b}`
    Mark mark;
    std::vector<Node> items;                               // of a list
    std::vector<Entry> entries;                            // of a map: keys are scalars, none twice

    const Node* find(std::string_view key) const;
};

struct Entry {
    Node key, value;
};

// A human word for what a node is: `a list`, `the text "yes"`, `nothing`.
std::string described(const Node& node);

// Bounds. A unit file of real life has 30 lines; nobody needs an alias in one.
inline constexpr size_t kDocumentBytes = 64 * 1024;
inline constexpr size_t kDocumentNodes = 4096;
inline constexpr size_t kDocumentDepth = 24;

// `file` names the text in errors. A document that holds nothing is an error: an empty unit file is
// a mistake, not a unit.
Result<Node> read_document(std::string_view text, const std::string& file);

// An error at a node, with the line of `source` that it stands in.
Error error_at(const Node& node, std::string what, std::string hint = "");

}  // namespace devmux
