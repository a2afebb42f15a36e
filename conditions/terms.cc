// The rows. See terms.h for what feeds on them.
#include "conditions/terms.h"

#include <algorithm>
#include <array>

#include "conditions/text.h"

namespace devmux {
namespace {

constexpr std::array kFacts{
    FactTerm{FactKind::Settled, "settled",
             "the machine has come to rest after boot: coldplug is complete and nothing was added "
             "for 3 s",
             "waiting: it holds 60 s after the start at the latest"},
    FactTerm{FactKind::File, "file PATH exists",
             "a file of that name exists (symbolic links are followed)",
             "whoever creates the file"},
    FactTerm{FactKind::KernelArgument, "kernel argument WORD [= VALUE]",
             "the kernel's command line has that word, or WORD=VALUE",
             "the boot loader: it cannot change before the next boot"},
    FactTerm{FactKind::UnitActive, "unit NAME active",
             "that unit's service runs", "the unit itself: devmux explain NAME"},
    FactTerm{FactKind::UnitFailed, "unit NAME failed",
             "that unit's last start, or stop, failed", "the unit itself: devmux explain NAME"},
    FactTerm{FactKind::UnitDone, "unit NAME done",
             "that unit is a task and has run to its end", "the unit itself: devmux explain NAME"},
    FactTerm{FactKind::Mounted, "PATH mounted",
             "a file system is mounted right there: PATH is a mount point", "whoever mounts it: mount PATH"},
    FactTerm{FactKind::OnType, "PATH on FSTYPE",
             "the mounted file system that PATH lies on is of that type; nfs is nfs or nfs4",
             "whoever mounts it: mount -t FSTYPE"},
    FactTerm{FactKind::RootOnType, "root on FSTYPE",
             "the same of the root file system: root on nfs",
             "the boot loader: it cannot change before the next boot"},
    FactTerm{FactKind::Runlevel, "runlevel N [to N]",
             "init says that the machine is in that runlevel, or in one of these", "init: telinit N"},
    FactTerm{FactKind::NetworkOnline, "network online",
             "a link that runs has an address beyond link scope, and a default route of the same family "
             "leads over a link that runs",
             "whoever configures the network: ifup, a DHCP client, NetworkManager"},
    FactTerm{FactKind::RouteTo, "route to ADDRESS",
             "the main routing table has a way to that address",
             "whoever configures the network, or ip route add"},
    FactTerm{FactKind::Mode, "mode NAME",
             "somebody has put the machine into that mode, in this boot", "whoever sets it: devmux mode NAME"},
};

constexpr std::array kStates{
    StateTerm{DeviceState::Present, "present", "the device is there and ready for use", ""},
    StateTerm{DeviceState::Seen, "seen", "the kernel announced it; udev may still be at work on it", ""},
    StateTerm{DeviceState::Bound, "bound",
              "it, or its nearest ancestor on a bus, has a driver", ""},
    StateTerm{DeviceState::Up, "up", "of a network interface: it is switched on",
              "whoever switches it on: ifup, NetworkManager, ip link set NAME up"},
    StateTerm{DeviceState::Running, "running", "of a network interface: it is up, and has a carrier",
              "whoever switches it on, and a carrier: a cable, an access point, the other end of a tunnel"},
    StateTerm{DeviceState::Online, "online",
              "of a network interface: it is running, and has an address beyond link scope",
              "whoever configures the network: ifup, a DHCP client, NetworkManager"},
};

constexpr std::array<std::string_view, 21> kKeywords{
    "and", "or", "not", "no", "for", "first", "any", "at", "least", "most", "exactly", "all",
    "have", "only", "it", "present", "seen", "bound", "up", "running", "online"};

constexpr std::array<std::string_view, 6> kNoise{"both", "the", "a", "an", "is", "are"};

bool is_word(std::string_view text) {
    for (char c : text)
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              std::string_view("._:@-").find(c) != std::string_view::npos))
            return false;
    return !text.empty();
}

std::string word(std::string_view text) { return is_word(text) ? std::string(text) : quoted(text); }

// A path as the lexer takes it without quotes.
std::string path(std::string_view text) {
    std::string words(text);
    std::replace(words.begin(), words.end(), '/', '-');
    return is_word(words) ? std::string(text) : quoted(text);
}

}  // namespace

std::span<const FactTerm> fact_terms() { return kFacts; }

bool is_mode_name(std::string_view text) { return text.size() <= kModeBytes && is_word(text); }

const FactTerm& fact_term(FactKind kind) {
    for (const FactTerm& term : kFacts)
        if (term.kind == kind) return term;
    __builtin_unreachable();
}

bool is_fixed(const FactTerm& term) {
    return std::none_of(term.pattern.begin(), term.pattern.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::span<const StateTerm> state_terms() { return kStates; }

std::string_view state_name(DeviceState state) {
    for (const StateTerm& term : kStates)
        if (term.state == state) return term.word;
    __builtin_unreachable();
}

std::string_view state_supplier(DeviceState state) {
    for (const StateTerm& term : kStates)
        if (term.state == state) return term.supplier;
    __builtin_unreachable();
}

std::span<const std::string_view> keywords() { return kKeywords; }
std::span<const std::string_view> noise_words() { return kNoise; }

bool is_of_mounts(FactKind kind) {
    return kind == FactKind::Mounted || kind == FactKind::OnType || kind == FactKind::RootOnType;
}

bool is_of_units(FactKind kind) {
    return kind == FactKind::UnitActive || kind == FactKind::UnitFailed || kind == FactKind::UnitDone;
}

std::string supplier_of(const FactKey& key) {
    std::string out(fact_term(key.kind).supplier);
    auto put = [&out](std::string_view what, const std::string& text) {
        if (size_t at = out.rfind(what); at != std::string::npos) out.replace(at, what.size(), text);
    };
    if (is_of_units(key.kind) || key.kind == FactKind::Mode) put("NAME", word(key.name));
    if (key.kind == FactKind::Runlevel) put("telinit N", "telinit " + key.name.substr(0, 1));
    if (key.kind == FactKind::Mounted) put("PATH", path(mount_path(key)));
    if (key.kind == FactKind::OnType) put("FSTYPE", word(mount_type(key)));
    return out;
}

std::string_view mount_path(const FactKey& key) {
    std::string_view name = key.name;
    if (key.kind == FactKind::RootOnType) return "/";
    return key.kind == FactKind::OnType ? name.substr(std::min(name.find(' ') + 1, name.size())) : name;
}

std::string_view mount_type(const FactKey& key) {
    std::string_view name = key.name;
    return key.kind == FactKind::Mounted ? "" : name.substr(0, name.find(' '));
}

std::string to_string(const FactKey& key) {
    std::string out;
    std::string_view pattern = fact_term(key.kind).pattern;
    while (!pattern.empty()) {
        size_t space = std::min(pattern.find(' '), pattern.size());
        std::string_view part = pattern.substr(0, space);
        pattern.remove_prefix(std::min(space + 1, pattern.size()));
        if (!out.empty()) out += ' ';
        if (part == "PATH") {
            out += is_of_mounts(key.kind) ? path(mount_path(key)) : quoted(key.name);
        } else if (part == "FSTYPE") {
            out += word(mount_type(key));
        } else if (part == "NAME" || part == "ADDRESS") {
            out += word(key.name);
        } else if (part == "N") {
            out += key.name;
            break;  // with the optional "[to N]"
        } else if (part == "WORD") {
            size_t equals = key.name.find('=');
            out += word(key.name.substr(0, equals));
            if (equals != std::string::npos) out += " = " + word(key.name.substr(equals + 1));
            break;  // the optional "[= VALUE]" is written by now
        } else {
            out += part;
        }
    }
    return out;
}

}  // namespace devmux
