// See output.h.
#include "tools/output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace devmux {
namespace {

bool colours = false;

const char* code_of(Colour colour) {
    switch (colour) {
        case Colour::Plain: return "";
        case Colour::Good: return "\033[32m";
        case Colour::Bad: return "\033[31m";
        case Colour::Doubt: return "\033[33m";
        case Colour::Faint: return "\033[2m";
        case Colour::Bold: return "\033[1m";
    }
    return "";
}

// Characters, not bytes: the continuation bytes of UTF-8 take no column.
size_t width(std::string_view text) {
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }));
}

std::string padded(const Cell& cell, size_t columns) {
    size_t used = width(cell.text);
    return painted(cell.colour, cell.text) + std::string(columns > used ? columns - used : 0, ' ');
}

char mark_of(std::string_view truth) {
    return truth == "true" ? '+' : truth == "false" ? '-' : '?';
}

}  // namespace

void use_colours(bool yes) { colours = yes; }

std::string painted(Colour colour, std::string_view text) {
    if (!colours || colour == Colour::Plain || text.empty()) return std::string(text);
    return code_of(colour) + std::string(text) + "\033[0m";
}

Colour colour_of_state(std::string_view state) {
    if (state == "active" || state == "done") return Colour::Good;
    if (state == "failed" || state == "broken") return Colour::Bad;
    if (state == "starting" || state == "stopping" || state == "overdue" || state == "orphaned") return Colour::Doubt;
    return Colour::Plain;
}

Colour colour_of_truth(std::string_view truth) {
    return truth == "true" ? Colour::Good : truth == "false" ? Colour::Bad : Colour::Doubt;
}

void print(std::string_view text) { (void)std::fwrite(text.data(), 1, text.size(), stdout); }

void print_line(std::string_view text) {
    print(text);
    print("\n");
}

void complain(std::string_view text) {
    std::fprintf(stderr, "devmux: %.*s\n", static_cast<int>(text.size()), text.data());
}

void print_table(const std::vector<std::string>& heads, const std::vector<Row>& rows) {
    std::vector<size_t> columns;
    for (const std::string& head : heads) columns.push_back(width(head));
    for (const Row& row : rows)
        for (size_t i = 0; i < row.size() && i < columns.size(); ++i)
            columns[i] = std::max(columns[i], width(row[i].text));
    auto put = [&](const Row& row) {
        std::string line;
        for (size_t i = 0; i < row.size(); ++i) {
            bool last = i + 1 == row.size();
            line += last ? painted(row[i].colour, row[i].text) : padded(row[i], columns[i]) + "  ";
        }
        line.erase(line.find_last_not_of(' ') + 1);
        print_line(line);
    };
    Row head_row;
    for (const std::string& head : heads) head_row.push_back({head, Colour::Bold});
    put(head_row);
    for (const Row& row : rows) put(row);
}

void print_field(std::string_view label, std::string_view text, Colour colour) {
    constexpr size_t kLabel = 12;
    if (text.empty()) return;
    std::string line(width(label) < kLabel ? kLabel - width(label) : 0, ' ');
    line += std::string(label) + ": ";
    // An error with its caret has lines of its own: they all begin in the same column.
    for (size_t end = 0; end != std::string_view::npos; line = std::string(kLabel + 2, ' ')) {
        end = text.find('\n');
        print_line(line + painted(colour, text.substr(0, end)));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
}

void print_json(const Json& value) {
    bool pretty = isatty(STDOUT_FILENO) == 1;
    print_line(value.dump(pretty ? 2 : -1, ' ', false, Json::error_handler_t::replace));
}

std::string age(double seconds) {
    auto whole = std::chrono::seconds(static_cast<int64_t>(std::max(seconds, 0.0)));
    if (whole.count() == 0) return "<1s";
    if (whole >= std::chrono::days(1))
        return to_string(Duration(std::chrono::floor<std::chrono::hours>(whole)));
    if (whole >= std::chrono::hours(1))
        return to_string(Duration(std::chrono::floor<std::chrono::minutes>(whole)));
    return to_string(Duration(whole));
}

std::string on_disk_text(const Json& unit) {
    std::string what = unit.at("on_disk");
    if (what == "changed") return "changed on disk: devmux reload";
    if (what == "gone") return "its file is gone from the disk: devmux reload";
    if (what == "masked") return "masked on disk: devmux reload";
    if (what == "new") return "not loaded yet: devmux reload";
    if (what == "broken") return unit.at("state") == "new" ? "broken" : "broken now; the last good one is in force";
    return "";
}

std::string joined(const Json& list, std::string_view separator) {
    std::string out;
    for (const Json& item : list) {
        if (!out.empty()) out += separator;
        out += item.get<std::string>();
    }
    return out;
}

void print_tree(const Json& e, unsigned indent) {
    std::string kind = e.at("kind"), truth = e.at("truth"), text = e.at("text"),
                seen = e.at("seen");
    if (kind == "all") text = "all of";
    if (kind == "any") text = "any of";
    if (kind == "not") text = "not";
    std::string line(size_t{2} * indent, ' ');
    line += painted(colour_of_truth(truth), std::string(1, mark_of(truth))) + " " + text;
    if (!seen.empty()) line += painted(Colour::Faint, ": " + seen);
    print_line(line);
    for (const Json& part : e.at("parts")) print_tree(part, indent + 1);
}

// A leaf that is true and yet stands here is one under a "not": it has to go away.
void print_missing(const Json& missing) {
    std::string label = "Missing: ";
    for (const Json& leaf : missing) {
        std::string text = leaf.at("text"), seen = leaf.at("seen"), supplier = leaf.at("supplier");
        if (leaf.at("truth") == "true") text = "not " + text;
        // What was seen instead stands in the tree already, device by device.
        size_t semicolon = std::min(seen.find(';'), seen.size());
        if (!seen.empty()) text += " – " + seen.substr(0, semicolon);
        if (std::string hardware = leaf.at("hardware"); !hardware.empty()) text += "; " + hardware;
        if (!supplier.empty() && leaf.at("truth") != "true") text += "; it takes " + supplier;
        print_line(label + text);
        label = std::string(label.size(), ' ');
    }
}

void complain_of_absent(const Json& eval, std::string_view behind) {
    for (const Json& absent : eval.value("absent", Json::array())) {
        std::string hint = absent.at("hint");
        complain(absent.at("what").get<std::string>() + std::string(behind) + (hint.empty() ? "" : "\n    " + hint));
    }
}

std::string waits_for(const Json& missing) {
    std::string out;
    for (const Json& leaf : missing) {
        if (!out.empty()) out += ", ";
        if (leaf.at("truth") == "true") out += "not ";
        out += leaf.at("text").get<std::string>();
        if (leaf.at("truth") == "unknown") out += " (unknown)";
    }
    return out;
}

}  // namespace devmux
