// How devmux speaks to people: columns, ages, colours where they help. Whatever came from a device
// was escaped by the daemon (engine/status/status_json.h): nothing here looks into the texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/client.h"

namespace devmux {

enum class Colour : unsigned char { Plain, Good, Bad, Doubt, Faint, Bold };

// Set once by main: --color, NO_COLOR, and whether stdout is a terminal.
void use_colours(bool yes);
std::string painted(Colour colour, std::string_view text);
Colour colour_of_state(std::string_view state);
Colour colour_of_truth(std::string_view truth);

void print(std::string_view text);  // to stdout, as it is
void print_line(std::string_view text);
void complain(std::string_view text);  // to stderr, after "devmux: "

// A cell is padded by what is seen of it, not by its bytes or its colour.
struct Cell {
    std::string text;
    Colour colour = Colour::Plain;
};
using Row = std::vector<Cell>;
void print_table(const std::vector<std::string>& heads, const std::vector<Row>& rows);

// "label: text", with the colons of several lines under each other; nothing for an empty text.
void print_field(std::string_view label, std::string_view text, Colour colour = Colour::Plain);

// The daemon's JSON: indented on a terminal, one line elsewhere.
void print_json(const Json& value);

// 192.3 -> "3m12s"; of hours and days the two largest parts.
std::string age(double seconds);

// The tree of an explanation with its marks, and the shortest way to "true" below it.
void print_tree(const Json& explanation, unsigned indent);
void print_missing(const Json& missing);

// "mouse, framebuffer (unknown), not settled": what a unit waits for, in one line.
std::string waits_for(const Json& missing);

// To stderr: the units that a condition names and that are not there (of the answer of Eval); `behind` goes on with
// what was said of each.
void complain_of_absent(const Json& eval, std::string_view behind = "");

// That what is in force of a unit is not what its file says now; empty: it is.
std::string on_disk_text(const Json& unit);

// The elements of an array of texts, joined.
std::string joined(const Json& list, std::string_view separator = ", ");

}  // namespace devmux
