// See device_text.h. A variable is told from a word of the trace by its first character: an upper-case
// letter, a digit or an underscore. Of any other variable the first byte is written as \xNN, and what
// begins with a backslash is always a variable.
#include "engine/recording/device_text.h"

#include "conditions/text.h"

namespace devmux {
namespace {

bool may_begin(char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

std::string byte_text(char c) {
    constexpr std::string_view kHex = "0123456789abcdef";
    auto byte = static_cast<unsigned char>(c);
    return {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
}

std::string variable_text(std::string_view variable) {
    if (variable.empty()) return "\\&";
    if (may_begin(variable[0]) && variable.find('=') != variable.npos) return escaped(variable);
    return byte_text(variable[0]) + escaped(variable.substr(1));
}

template <class Visit>
void each_variable(Block block, const Visit& visit) {
    while (!block.empty()) {
        size_t end = std::min(block.find('\0'), block.size());
        visit(block.substr(0, end));
        block.remove_prefix(std::min(end + 1, block.size()));
    }
}

// The name of an attribute ends at the first "=".
std::string name_text(std::string_view name) {
    std::string out;
    for (char c : escaped_word(name)) {
        if (c == '=') out += "\\x3d";
        else out += c;
    }
    return out;
}

}  // namespace

void append_detail(std::string_view key, std::string_view value, std::string& out) {
    out += "  ";
    out += key;
    out += '=';
    out += escaped(value);
    out += '\n';
}

void append_variables(Block block, std::string& out) {
    each_variable(block, [&](std::string_view v) { out += "  " + variable_text(v) + "\n"; });
}

void append_record(Block record, std::string& out) {
    out += "  udev\n";
    each_variable(record, [&](std::string_view v) { out += "  udev." + variable_text(v) + "\n"; });
}

void append_attributes(const std::vector<Attribute>& attributes, std::string& out) {
    for (const Attribute& a : attributes) {
        out += (a.awaited ? "  awaited." : "  attr.") + name_text(a.name);
        if (a.text) out += "=" + escaped(*a.text);
        out += '\n';
    }
}

void append_generation(const Generation& generation, std::string& out) {
    if (generation.inode) append_detail("inode", std::to_string(generation.inode), out);
    if (generation.ifindex) append_detail("ifindex", std::to_string(generation.ifindex), out);
    if (generation.diskseq) append_detail("diskseq", std::to_string(generation.diskseq), out);
}

Error TraceCursor::wrong(const TraceLine& line, std::string what, std::string hint) const {
    return {.where = {file_, line.number, 0}, .what = std::move(what), .source = "", .caret = -1,
            .hint = std::move(hint)};
}

Error TraceCursor::wrong_at(const TraceLine& line, std::string_view part, std::string what, std::string hint) const {
    Error error = wrong(line, std::move(what), std::move(hint));
    const auto offset = static_cast<int>(part.data() - line.text.data());
    error.where.column = offset + 1;
    if (printable(line.text) != line.text) return error;  // escaped, it would have other columns
    error.source = line.text;
    error.caret = offset;
    return error;
}

std::optional<Error> TraceCursor::details(DeviceDetails& out, const Other& other) {
    while (indented())
        if (auto error = detail(take(), out, other)) return error;
    return std::nullopt;
}

std::optional<Error> TraceCursor::detail(const TraceLine& line, DeviceDetails& out, const Other& other) {
    auto bad_escape = [&] {
        return wrong(line, "a backslash stands before \\, & or xNN, found " + quoted(printable(line.text)));
    };
    std::string_view text = line.text;
    size_t equals = std::min(text.find('='), text.size());
    bool has_value = equals < text.size();
    std::string_view key = text.substr(0, equals);
    auto value = unescaped(text.substr(std::min(equals + 1, text.size())));
    if (text.starts_with('\\') || (!text.empty() && may_begin(text[0]) && has_value)) {
        auto variable = unescaped(text);
        if (!variable) return bad_escape();
        out.block += *variable + '\0';
        return std::nullopt;
    }
    if (!value) return bad_escape();
    if (key.starts_with("attr.") || key.starts_with("awaited.")) {
        bool awaited = key[1] == 'w';
        auto name = unescaped(key.substr(awaited ? 8 : 5));
        if (!name) return bad_escape();
        out.standing.attributes.push_back({*name, has_value ? value : std::nullopt, awaited});
    } else if (text == "udev") {
        out.udev = out.udev.value_or("");
    } else if (key.starts_with("udev.") && (has_value || text[5 % text.size()] == '\\')) {
        auto variable = unescaped(text.substr(5));
        if (!variable) return bad_escape();
        out.udev = out.udev.value_or("") + *variable + '\0';
    } else if (key == "inode" || key == "seqnum" || key == "ifindex" || key == "diskseq") {
        auto n = number_of(*value);
        if (!n) return wrong(line, "expected a number, found " + quoted(printable(*value)));
        Generation& g = out.standing.generation;
        (key == "inode" ? g.inode : key == "seqnum" ? out.seqnum : key == "ifindex" ? g.ifindex : g.diskseq) = *n;
    } else if (key == "standing") {
        out.standing_said = true;
        out.standing.exists = value->find("there") != value->npos;
        out.standing.device = value->find("device") != value->npos;
        out.standing.bare = value->find("bare") != value->npos;
        out.standing.orphan = value->find("orphan") != value->npos;
    } else if (key == "driver") {
        out.standing.driver = *value;
    } else if (key == "subsystem") {
        out.subsystem = *value;
    } else if (key == "synthetic") {
        out.synthetic = true;
    } else if (key == "gone") {
        out.gone = true;
    } else if (key == "whole") {
        out.whole = true;
    } else if (key == "from") {
        out.from = *value;
    } else if (other && other(key, text.substr(std::min(equals + 1, text.size())))) {
        return std::nullopt;
    } else if (has_value) {
        out.block += std::string(text.substr(0, equals)) + "=" + *value + '\0';
    } else {
        return wrong(line, "expected KEY=VALUE, found " + quoted(printable(text)));
    }
    return std::nullopt;
}

}  // namespace devmux
