// See redact_shapes.h. Formats: Documentation/ABI in the kernel for attributes, 60-persistent-storage.rules
// and 75-net-description.rules for variables, dracut.cmdline(7) and bootparam(7) for the command line.
#include "tools/redact_shapes.h"

#include <algorithm>
#include <array>
#include <string>

#include "engine/recording/line_text.h"
#include "tools/pseudonyms.h"

namespace devmux {
namespace {

constexpr size_t kAddress = 17;  // "02:ca:fe:00:00:01"

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// How many characters of `text` from `at` on are hexadecimal digits.
size_t hex_digits(std::string_view text, size_t at) {
    size_t n = 0;
    while (at + n < text.size() && is_hex(text[at + n])) ++n;
    return n;
}

// No address, and everybody's.
bool is_nobodys(std::string_view address) {
    return address.find_first_not_of("0:-_") == address.npos || address.find_first_not_of("fF:-_") == address.npos;
}

std::string hex_of(std::string_view text) {
    std::string out;
    std::copy_if(text.begin(), text.end(), std::back_inserter(out), is_hex);
    return out;
}

bool begins_word(std::string_view line, size_t at) { return at == 0 || !is_word(line[at - 1]); }

// Six bytes or more as "02:ca:fe:00:00:01", also with "-" or "_". Its length, or 0.
size_t address_at(std::string_view line, size_t at) {
    size_t length = 0;
    for (size_t i = at; hex_digits(line, i) == 2; i += 3) {
        length = i + 2 - at;
        char between = i + 2 < line.size() ? line[i + 2] : '\0';
        if (is_word(between)) return 0;
        if ((between != ':' && between != '-' && between != '_') || between != line[at + 2]) break;
    }
    return length >= kAddress && !is_nobodys(line.substr(at, length)) ? length : 0;
}

void found_address(std::string_view address, const Found& found) {
    // PXE puts the kind of the network in front: BOOTIF=01-52-54-00-12-34-56.
    bool seven = address.size() == kAddress + 3;
    if (!seven || !address.starts_with("01")) found(address);
    if (seven) address.remove_prefix(3);
    found(address);
    found(hex_of(address));
}

// "aaaabbbb-cccc-dddd-eeee-ffff00001111", or the same without the lines. Its length, or 0.
size_t uuid_at(std::string_view line, size_t at) {
    size_t n = hex_digits(line, at);
    bool ends = at + n == line.size() || !is_word(line[at + n]);
    if (n == 32) return ends ? n : 0;
    if (n != 8) return 0;
    size_t end = at + 8;
    for (size_t group : {4, 4, 4, 12}) {
        if (end == line.size() || line[end] != '-' || hex_digits(line, end + 1) != group) return 0;
        end += 1 + group;
    }
    return end == line.size() || !is_word(line[end]) ? end - at : 0;
}

// What is made of an address (RFC 4291, appendix A), in IPv6 or as a port's GID. Of a link-local address
// the four groups at the end; of others all: the first ones name a network.
size_t ipv6_at(std::string_view line, size_t at, const Found& found) {
    size_t end = at, colons = 0, digits = 0;
    for (size_t group = 0; end < line.size() && (is_hex(line[end]) || line[end] == ':'); ++end) {
        bool colon = line[end] == ':';
        if (!colon && ++group > 4) return 0;
        if (colon) group = 0, ++colons;
        else ++digits;
    }
    std::string_view text = line.substr(at, end - at);
    if (end < line.size() && is_word(line[end])) return 0;
    bool shortened = contains(text, "::");
    if (digits < 8 || colons > 7 || (!shortened && (colons != 7 || digits < 20))) return 0;
    if (text.starts_with("fe80")) {
        size_t tail = text.size();
        for (int groups = 0; groups < 4 && tail != text.npos && tail > 0; ++groups) tail = text.rfind(':', tail - 1);
        if (tail != text.npos) text.remove_prefix(tail + 1);
    }
    found(text);
    return end - at;
}

// Until what ends a name in a path or in a word of the command line.
std::string_view name_in(std::string_view text) { return text.substr(0, text.find_first_of(" /:,\"'")); }

}  // namespace

bool is_secret(std::string_view key) {
    if (key.starts_with("attr.") || key.starts_with("awaited.")) {
        std::string_view name = key.substr(key.find('.') + 1);
        name = name.substr(name.rfind('/') + 1);
        if (contains(name, "serial") || contains(name, "uuid") || contains(name, "guid") || contains(name, "nqn") ||
            contains(name, "asset_tag"))
            return true;
        constexpr std::array<std::string_view, 20> kNames{
            "uniq", "wwid", "wwn", "address", "unique_id", "cid", "gid", "nguid", "eui", "hostid", "backing_file", "port_name",
            "node_name", "sas_address", "phys_port_id", "phys_switch_id", "ifalias", "initiatorname", "targetname", "bdaddr"};
        return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
    }
    if (key.starts_with("udev.")) key.remove_prefix(5);
    if (contains(key, "SERIAL") || contains(key, "UUID") || contains(key, "WWN") || key == "UNIQ" || key == "HID_UNIQ")
        return key != "SYNTH_UUID";
    return key.starts_with("ID_FS_LABEL") || key == "ID_PART_ENTRY_NAME" || key == "PARTNAME" || key == "DM_VG_NAME";
}

bool is_given_name(std::string_view key) {
    if (key.starts_with("udev.")) key.remove_prefix(5);
    return key == "NAME" || key == "HID_NAME" || key == "POWER_SUPPLY_MODEL_NAME" || key == "attr.name";
}

void command_line_secrets(std::string_view words, const Found& found) {
    for (std::string_view word : words_of(words)) {
        for (std::string_view key : {"UUID=", "LABEL=", "serial="})  // also in PARTUUID=, PARTLABEL=
            if (size_t at = word.find(key); at != word.npos) found(name_in(word.substr(at + key.size())));
        size_t equals = std::min(word.find('='), word.size());
        std::string_view key = word.substr(0, equals), value = word.substr(std::min(equals + 1, word.size()));
        for (std::string_view part : {"pass", "secret", "token"})
            if (contains(key, part)) found(value);
        if (key == "systemd.hostname" || key == "hostname") found(value);
        if (key == "rd.lvm.vg" || key == "rd.lvm.lv") found(name_in(value));
        if (key != "ip") continue;
        // CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:…; an IPv6 address stands in brackets.
        int field = 0, depth = 0;
        for (size_t i = 0; i < value.size() && field < 4; ++i) {
            if (value[i] == '[') ++depth;
            if (value[i] == ']') --depth;
            if (value[i] != ':' || depth > 0 || ++field != 4) continue;
            found(name_in(value.substr(i + 1)));
        }
    }
}

void shapes(std::string_view line, const Found& found) {
    for (std::string_view folder : {"by-uuid/", "by-partuuid/", "by-label/", "by-partlabel/"})
        for (size_t at = 0; (at = line.find(folder, at)) != line.npos;) {
            at += folder.size();
            found(name_in(line.substr(at)));
        }
    for (size_t at = 0; at < line.size(); ++at) {
        if (behind_prefix(line, at) && hex_digits(line, at) == 12 && (at + 12 == line.size() || !is_word(line[at + 12]))) {
            found(line.substr(at, 12));
            at += 11;
            continue;
        }
        if (!begins_word(line, at)) continue;
        // NAA names begin with 1 to 6; what begins with 0 is a number.
        if (line.substr(at).starts_with("0x") && hex_digits(line, at + 2) >= 16 && hex_digits(line, at + 2) <= 32 &&
            line[at + 2] >= '1' && line[at + 2] <= '6') {
            found(line.substr(at + 2, hex_digits(line, at + 2)));
            continue;
        }
        if (!is_hex(line[at])) continue;
        bool in_address = at >= 3 && (line[at - 1] == ':' || line[at - 1] == '-' || line[at - 1] == '_') && is_hex(line[at - 2]) &&
                          is_hex(line[at - 3]) && begins_word(line, at - 3);
        size_t length = in_address ? 0 : address_at(line, at);
        if (length) found_address(line.substr(at, length), found);
        if (!length && (length = uuid_at(line, at))) found(line.substr(at, length));
        bool in_ipv6 = at >= 2 && line[at - 1] == ':' && (is_hex(line[at - 2]) || line[at - 2] == ':');
        if (!length && !in_ipv6) length = ipv6_at(line, at, found);
        if (length) at += length - 1;
    }
}

}  // namespace devmux
