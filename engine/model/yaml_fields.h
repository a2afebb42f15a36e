// Reading a map by a table of its keys: unknown keys are errors that name the nearest known one.
// Shared by class files and unit files.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/document.h"
#include "conditions/duration.h"
#include "conditions/result.h"

namespace devmux {

struct Field {
    std::string_view key;
    // Reads the value into wherever it belongs; the error, or nothing.
    std::function<std::optional<Error>(const Node&)> read;
};

// Every entry of `map` is read by its field; all errors are collected.
Errors read_fields(const Node& map, const std::vector<Field>& fields, std::string_view what);

// The value readers that fields are made of. Each refuses what is not of its kind, with what was
// expected and an example.
std::optional<Error> read_text(const Node& node, std::string& out);            // one line of text
std::optional<Error> read_bool(const Node& node, bool& out);                   // true or false
std::optional<Error> read_texts(const Node& node, std::vector<std::string>& out, bool single_allowed);
std::optional<Error> read_duration(const Node& node, Duration& out);           // 500ms, 5s, 2m
std::optional<Error> read_argv(const Node& node, std::vector<std::string>& out);  // [/absolute/path, argument]

}  // namespace devmux
