// See redact.h. Two passes over the text: which words are secrets (redact_shapes.h), then each of them is
// replaced wherever it stands (pseudonyms.h): in links, devpaths, files of units, decisions. The words and
// the numbers of the trace itself stay, whatever a device says of itself.
#include "tools/redact.h"

#include <algorithm>
#include <array>

#include "tools/pseudonyms.h"
#include "tools/redact_shapes.h"

namespace devmux {
namespace {

// The kernel's and udev's own: kinds and numbers.
bool is_kind(std::string_view key) {
    constexpr std::array<std::string_view, 5> kKinds{"SUBSYSTEM", "ACTION", "DRIVER", "DEVTYPE", "SYNTH_UUID"};
    return std::find(kKinds.begin(), kKinds.end(), key) != kKinds.end();
}
bool is_number(std::string_view key) {
    constexpr std::array<std::string_view, 7> kNumbers{"SEQNUM", "IFINDEX", "DISKSEQ", "MAJOR", "MINOR", "PARTN", "USEC_INITIALIZED"};
    return std::find(kNumbers.begin(), kNumbers.end(), key) != kNumbers.end();
}
bool is_ours(std::string_view key) {
    return key[0] >= 'a' && key[0] <= 'z' && !key.starts_with("attr.") && !key.starts_with("awaited.") && !key.starts_with("udev.");
}

// Of a saved record: the variables of an instance's device stand in one field, with \0 between them.
constexpr std::string_view kBetween = "\\\\0";
bool is_instance(std::string_view line) {
    return line.starts_with("saved instance\\x09") || line.starts_with("absent instance\\x09");
}

std::string_view without_blanks(std::string_view line) {
    return line.substr(std::min(line.find_first_not_of(" \t\r"), line.size()));
}

class Redaction {
  public:
    explicit Redaction(std::string_view text) : text_(text) {}

    std::string run() {
        each_line([this](std::string_view line, bool indented) { look(line, indented); });
        each_line([this](std::string_view line, bool indented) {
            if (in_file_ && !(indented && line.starts_with("environment:"))) pseudonyms_.keep(line);
        });
        pseudonyms_.finish();
        std::string out;
        out.reserve(text_.size() + 1);
        each_line([&](std::string_view line, bool indented) { out += blanks_, out += replaced(line, indented), out += '\n'; });
        return out;
    }

  private:
    template <class Visit>
    void each_line(const Visit& visit) {
        in_file_ = given_name_ = false;
        for (std::string_view rest = text_; !rest.empty();) {
            std::string_view whole = rest.substr(0, rest.find('\n')), line = without_blanks(whole);
            rest.remove_prefix(std::min(whole.size() + 1, rest.size()));
            blanks_ = whole.substr(0, whole.size() - line.size());
            std::string_view word = line.substr(0, line.find(' '));
            if (blanks_.empty()) {
                in_file_ = word == "unit" || word == "class" || word == "orphan";
                given_name_ = line.find("/0005:") != line.npos;  // linux/input.h, BUS_BLUETOOTH
            }
            visit(line, !blanks_.empty());
        }
    }

    void look(std::string_view line, bool indented) {
        if (in_file_) return;
        auto found = [this](std::string_view secret) { pseudonyms_.add(secret); };
        shapes(line, found);
        if (!indented) {
            devpath_ = line.substr(std::min(line.find('/'), line.size()));
            if (line.starts_with("cmdline ")) command_line_secrets(line.substr(8), found);
            if (!is_instance(line)) return;
            line.remove_prefix(line.rfind("\\x09", line.size() - 6) + 4);  // a dot is behind the last field
            for (size_t end = 0; !line.empty(); line.remove_prefix(std::min(end + kBetween.size(), line.size()))) {
                end = std::min(line.find(kBetween), line.size());
                look(line.substr(0, end), true);
            }
            return;
        }
        size_t equals = line.find('=');
        if (equals == line.npos) return;
        std::string_view key = line.substr(0, equals), value = line.substr(equals + 1);
        given_name_ |= line.starts_with("PRODUCT=5/") || line.starts_with("HID_ID=0005:");
        // Where a device has none of its own, a driver may say where it stands: root hubs do.
        bool place = devpath_.find("/" + std::string(value) + "/") != devpath_.npos;
        if ((is_secret(key) && !place) || (given_name_ && is_given_name(key))) {
            found(value);
            // A volume group's name in that of a volume.
            std::string doubled;
            for (char c : value) doubled.append(c == '-' ? 2 : 1, c);
            if (key.ends_with("DM_VG_NAME")) found(doubled);
        }
    }

    // Devpaths and other paths; a tab stands between the fields of what was saved.
    std::string paths(std::string_view text) const {
        std::string out;
        while (!text.empty()) {
            size_t end = std::min({text.find(' '), text.find("\\x09"), text.size()});
            std::string_view word = text.substr(0, end);
            size_t slash = std::min({word.find('/'), word.find('@', 1), word.size()});  // an instance is called as its device
            out += word.substr(0, slash);
            out += pseudonyms_.replaced(word.substr(slash));
            end += end == text.size() ? 0 : text[end] == ' ' ? 1 : 4;
            out += text.substr(word.size(), end - word.size());
            text.remove_prefix(end);
        }
        return out;
    }

    // Of a unit or class: within double quotes, and paths. A keyword is neither.
    std::string file_line(std::string_view line) {
        if (line.starts_with("environment:")) return environment(line);
        std::string out;
        while (!line.empty()) {
            bool quote = line[0] == '"';
            size_t end = quote ? line.find('"', 1) : line.find_first_of(" \"'[]{},()");
            end = std::min(end == 0 ? 1 : end, line.size());
            std::string_view part = line.substr(0, end);
            bool open = quote || part.find('/') != part.npos;
            out += open ? pseudonyms_.replaced(part) : std::string(part);
            if (quote && end < line.size()) out += line[end++];
            line.remove_prefix(end);
        }
        return out;
    }

    // Every value in "environment: {A: 'x', B: 'y'}".
    std::string environment(std::string_view line) {
        std::string out(line.substr(0, 12)), value;
        bool in_value = false;
        auto flush = [&] { out += pseudonyms_.alone(value), value.clear(); };
        char quote = '\0';
        for (char c : line.substr(12)) {
            if (!quote && in_value && (c == '\'' || c == '"') && value.find_first_not_of(' ') == value.npos) quote = c;
            else if (quote && c == quote) quote = '\0';
            if (!quote && c == ':') in_value = true;
            bool ends = !quote && (c == ',' || c == '}');
            if (ends) flush(), in_value = false;
            if (in_value) value += c;
            else out += c;
        }
        flush();
        return out;
    }

    std::string replaced(std::string_view line, bool indented) {
        if (in_file_) return indented ? file_line(line) : std::string(line);
        size_t equals = line.find('=');
        if (!indented) {
            if (line.starts_with("= ")) return "= " + pseudonyms_.replaced(line.substr(2), Pseudonyms::In::Prose);
            if (line.starts_with("cmdline ")) return "cmdline " + command_line(line.substr(8));
            if (is_instance(line)) return std::string(line.substr(0, line.find('\\'))) + pseudonyms_.replaced(line.substr(line.find('\\')));
            return paths(line);
        }
        if (equals == line.npos || equals == 0) return std::string(line);
        std::string_view key = line.substr(0, equals), value = line.substr(equals + 1);
        std::string out(line.substr(0, equals + 1));
        if (is_ours(key)) {
            bool prose = key == "reason" || key == "last_end" || key == "error";
            return out + (prose ? pseudonyms_.replaced(value, Pseudonyms::In::Prose) : paths(value));
        }
        bool digits = value.find_first_not_of("0123456789") == value.npos;
        std::string_view name = key.starts_with("udev.") ? key.substr(5) : key;
        return out + (is_kind(name) || (digits && is_number(name)) ? std::string(value) : pseudonyms_.replaced(value));
    }

    // What stands in front of "=" is asked for by name.
    std::string command_line(std::string_view words) const {
        std::string out;
        while (!words.empty()) {
            std::string_view word = words.substr(0, std::min(words.find(' '), words.size()));
            size_t equals = word.find('=');
            std::string_view key = word.substr(0, equals == word.npos ? 0 : equals + 1);
            out += key;
            out += pseudonyms_.replaced(word.substr(key.size()));
            words.remove_prefix(word.size());
            if (words.empty()) break;
            out += ' ';
            words.remove_prefix(1);
        }
        return out;
    }

    std::string_view text_, blanks_, devpath_;
    bool in_file_ = false, given_name_ = false;
    Pseudonyms pseudonyms_;
};

}  // namespace

std::string redacted(std::string_view recording) { return Redaction(recording).run(); }

}  // namespace devmux
