// See redact.h. Two passes over the text: which words are secrets, by the names of the variables that
// they stand behind and by the shape of an address; then each of them is replaced wherever it stands
// (links in DEVLINKS, devpaths of Bluetooth devices, decisions).
#include "tools/redact.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <vector>

#include "engine/recording/line_text.h"

namespace devmux {
namespace {

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_word(char c) { return is_hex(c) || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z'); }

// "02:ca:fe:00:00:01", also with "-" or "_" for ":". Its length, or 0.
size_t address_at(std::string_view text, size_t at) {
    constexpr size_t kLength = 17;
    if (at + kLength > text.size() || (at > 0 && (is_word(text[at - 1]) || text[at - 1] == ':'))) return 0;
    if (at + kLength < text.size() && (is_word(text[at + kLength]) || text[at + kLength] == text[at + 2])) return 0;
    char between = text[at + 2];
    if (between != ':' && between != '-' && between != '_') return 0;
    for (size_t i = 0; i < kLength; ++i)
        if (i % 3 == 2 ? text[at + i] != between : !is_hex(text[at + i])) return 0;
    // Nobody's: no address, and everybody's.
    std::string_view found = text.substr(at, kLength);
    bool nobody = found.find_first_not_of("0:-_") == found.npos || found.find_first_not_of("fF:-_") == found.npos;
    return nobody ? 0 : kLength;
}

bool is_secret(std::string_view key) {
    if (key.starts_with("udev.")) key.remove_prefix(5);
    if (key.starts_with("attr.") || key.starts_with("awaited.")) {
        std::string_view name = key.substr(key.find('.') + 1);
        name = name.substr(name.rfind('/') + 1);
        return name == "serial" || name == "uniq" || name == "wwid" || name == "address" || name == "unique_id" ||
               name == "product_uuid" || name == "product_serial" || name == "board_serial" || name == "chassis_serial";
    }
    for (std::string_view begin : {"ID_SERIAL", "SERIAL", "ID_FS_UUID", "ID_WWN", "ID_PART_ENTRY_UUID", "ID_PART_TABLE_UUID",
                                   "ID_SCSI_SERIAL", "DM_UUID", "MD_UUID", "ID_FS_LABEL", "PARTUUID"})
        if (key.starts_with(begin)) return true;
    return key.ends_with("_SERIAL") || key.ends_with("_SERIAL_SHORT") || key == "UNIQ" || key == "HID_UNIQ";
}

// Letters become letters and digits digits, by a mix of the number that the secret has; the rest stays.
std::string pseudonym(const std::string& secret, size_t number) {
    uint64_t state = 0x9e3779b97f4a7c15U * (number + 1);
    auto next = [&] {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        return state >> 11;
    };
    std::string out = secret;
    bool all_hex = std::all_of(secret.begin(), secret.end(), [](char c) { return is_hex(c) || !is_word(c); });
    for (size_t i = 0; i < out.size(); ++i) {
        char c = out[i];
        if (c == '\\') {  // an escape stays what it is
            i += i + 1 < out.size() && out[i + 1] == 'x' ? 3 : 1;
            continue;
        }
        if (!is_word(c)) continue;
        uint64_t n = next();
        if (c >= '0' && c <= '9') out[i] = static_cast<char>('0' + n % 10);
        else if (c >= 'a' && c <= 'z') out[i] = static_cast<char>('a' + n % (all_hex ? 6 : 26));
        else if (c >= 'A' && c <= 'Z') out[i] = static_cast<char>('A' + n % (all_hex ? 6 : 26));
    }
    return out;
}

class Redaction {
  public:
    explicit Redaction(std::string_view text) : text_(text) {}

    std::string run() {
        each_line([this](std::string_view line) { look(line); });
        for (const std::string& secret : found_)
            if (named_.find(secret) == named_.npos) secrets_.emplace(secret, pseudonym(secret, number_of_secret(secret)));
        for (const auto& [secret, other] : secrets_) by_head_[secret.substr(0, kHead)].push_back(&secret);
        for (auto& [head, list] : by_head_)
            std::sort(list.begin(), list.end(), [](auto* a, auto* b) { return a->size() > b->size(); });
        std::string out;
        out.reserve(text_.size());
        each_line([&](std::string_view line) { out += replaced(line), out += '\n'; });
        return out;
    }

  private:
    static constexpr size_t kHead = 4;  // of a secret; a shorter one is none: it would be found everywhere

    template <class Visit>
    void each_line(const Visit& visit) const {
        for (std::string_view rest = text_; !rest.empty();) {
            std::string_view line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(line.size() + 1, rest.size()));
            visit(line);
        }
    }

    void look(std::string_view line) {
        bool indented = line.starts_with("  ");
        if (!indented) {
            std::string_view word = line.substr(0, line.find(' '));
            in_file_ = word == "unit" || word == "class" || word == "orphan";
        }
        // What a condition names must go on meaning the same.
        if (in_file_) {
            named_ += line;
            named_ += '\n';
            return;
        }
        if (indented) line.remove_prefix(2);
        size_t equals = line.find('=');
        if (indented && equals != line.npos && is_secret(line.substr(0, equals))) found(line.substr(equals + 1));
        // "enx02cafe000001": behind the three letters an address without colons.
        if (line.find("ID_NET_NAME_MAC=") != line.npos && line.size() > 12) found(line.substr(line.size() - 12));
        if (line.starts_with("cmdline "))
            for (std::string_view word : words_of(line))
                for (std::string_view key : {"UUID=", "PARTUUID=", "LABEL=", "serial="})
                    if (size_t at = word.find(key); at != word.npos) found(word.substr(at + key.size()));
        for (size_t at = 0; at < line.size(); ++at)
            if (size_t length = address_at(line, at)) {
                std::string address(line.substr(at, length)), bare;
                found(address);
                std::copy_if(address.begin(), address.end(), std::back_inserter(bare), is_hex);
                found(bare);  // "enx02cafe000001"
                at += length - 1;
            }
    }

    void found(std::string_view secret) {
        bool nothing = secret.find_first_not_of("0:- ._") == secret.npos;
        if (secret.size() >= kHead && !nothing) found_.emplace(secret);
    }

    // The same for all spellings of one address. Counted, not computed: from the pseudonym nothing follows.
    size_t number_of_secret(const std::string& secret) {
        std::string bare;
        for (char c : secret)
            if (is_word(c)) bare += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        return numbers_.try_emplace(bare, numbers_.size()).first->second;
    }

    // A short secret counts as such where it stands for itself.
    static bool stands(std::string_view line, size_t at, const std::string& secret) {
        if (!line.substr(at).starts_with(secret)) return false;
        size_t end = at + secret.size();
        return secret.size() >= 12 || ((at == 0 || !is_word(line[at - 1])) && (end == line.size() || !is_word(line[end])));
    }

    std::string replaced(std::string_view line) const {
        std::string out;
        // Moments and numbers of the trace itself.
        size_t value = line.find_first_of("=@");
        bool number = value != line.npos && line.find_first_not_of("0123456789.- ", value + 1) == line.npos;
        if (number && !is_secret(line.substr(std::min<size_t>(2, line.size()), value - std::min<size_t>(2, value))))
            return std::string(line);
        for (size_t at = 0; at < line.size();) {
            auto it = by_head_.find(line.substr(at, kHead));
            const std::string* hit = nullptr;
            if (it != by_head_.end())
                for (const std::string* secret : it->second)
                    if (!hit && stands(line, at, *secret)) hit = secret;
            out += hit ? secrets_.find(*hit)->second : std::string(1, line[at]);
            at += hit ? hit->size() : 1;
        }
        return out;
    }

    std::string_view text_;
    bool in_file_ = false;
    std::string named_;
    std::set<std::string> found_;
    std::map<std::string, std::string> secrets_;
    std::map<std::string, size_t> numbers_;
    std::map<std::string, std::vector<const std::string*>, std::less<>> by_head_;
};

}  // namespace

std::string redacted(std::string_view recording) { return Redaction(recording).run(); }

}  // namespace devmux
