// See uevent.h. One pass over the variables with memchr, and a look at each key's length to find
// the few that matter: a storm of 50,000 events goes through here, most of it concerning nobody.
//
// Formats: lib/kobject_uevent.c (kobject_uevent_env, alloc_uevent_skb, uevent_net_broadcast) and
// Documentation/ABI/testing/sysfs-uevent (SYNTH_UUID); udev's own is "libudev" and a magic number
// (systemd, src/libsystemd/sd-device/device-monitor.c).
#include "engine/intake/uevent.h"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>

#include "conditions/text.h"

namespace devmux {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kUdevPrefix = "libudev\0"sv;
constexpr size_t kShown = 80;  // bytes of a hostile text that an error repeats

std::string shown(std::string_view text) {
    std::string out = '"' + printable(text.substr(0, kShown)) + '"';
    return text.size() > kShown ? out + "…" : out;
}

Error fault_at(size_t byte, const std::string& what) {
    return Error{.what = "uevent, byte " + std::to_string(byte) + ": " + what};
}

// Whether any of eight bytes is below ' ' or DEL: "hasless" and "haszero" of Sean Anderson's Bit
// Twiddling Hacks. May say yes wrongly behind a true hit, never no; so a yes is looked at again.
bool may_hold_control(uint64_t word) {
    constexpr uint64_t kOnes = ~uint64_t{0} / 255;
    uint64_t del = word ^ (kOnes * 0x7F);
    uint64_t below = (word - kOnes * 0x20) & ~word;
    uint64_t zero = (del - kOnes) & ~del;
    return ((below | zero) & (kOnes * 0x80)) != 0;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

// Position of the first control character, or size().
size_t find_control(std::string_view text) {
    size_t i = 0;
    for (; i + 8 <= text.size(); i += 8) {
        uint64_t word;
        std::memcpy(&word, text.data() + i, 8);
        if (may_hold_control(word)) break;
    }
    while (i < text.size() && !is_control(text[i])) ++i;
    return i;
}

// Why the directory name between two slashes cannot be one.
const char* component_fault(std::string_view name) {
    if (name.empty()) return "a name between two slashes and after the last one";
    if (name == "." || name == "..") return "no component . or ..";
    return nullptr;
}

// The variables that the engine reads itself. A view without data: not seen yet.
struct Seen {
    std::string_view action, devpath, devpath_old, subsystem, driver, seqnum;
    bool synthetic = false;
};

void first(std::string_view& field, std::string_view value) {
    if (!field.data()) field = value;
}

void sort_out(Seen& seen, std::string_view key, std::string_view value) {
    switch (key.size()) {
        case 6:
            if (key == "SEQNUM"sv) seen.seqnum = value;
            else if (key == "ACTION"sv) first(seen.action, value);
            else if (key == "DRIVER"sv) first(seen.driver, value);
            break;
        case 7:
            if (key == "DEVPATH"sv) first(seen.devpath, value);
            break;
        case 9:
            if (key == "SUBSYSTEM"sv) first(seen.subsystem, value);
            break;
        case 10:
            if (key == "SYNTH_UUID"sv) seen.synthetic = true;
            break;
        case 11:
            if (key == "DEVPATH_OLD"sv) first(seen.devpath_old, value);
            break;
        default: break;
    }
}

class Parser {
  public:
    explicit Parser(std::string_view message) : message_(message) {}

    Result<Uevent> parse() {
        if (const char* expected = frame_fault()) return fault_at(fault_byte_, expected);
        size_t header_end = message_.find('\0');
        if (header_end == std::string_view::npos) return truncated();
        std::string_view header = message_.substr(0, header_end);
        size_t at = header.find('@');
        if (at == std::string_view::npos || at == 0)
            return fault_at(0, "expected the header ACTION@DEVPATH, found " + shown(header));
        if (message_.back() != '\0') return truncated();

        size_t variables = 0;
        for (size_t begin = header_end + 1; begin < message_.size();) {
            const char* text = message_.data() + begin;
            const void* nul = std::memchr(text, '\0', message_.size() - begin);
            auto length = static_cast<size_t>(static_cast<const char*>(nul) - text);
            const void* equals = std::memchr(text, '=', length);
            if (!equals || equals == text)
                return fault_at(begin, "expected KEY=VALUE, found " + shown({text, length}));
            if (++variables > kUeventMaxVariables)
                return fault_at(begin, "expected at most " + std::to_string(kUeventMaxVariables) +
                                           " variables, found " + shown({text, length}));
            auto key = static_cast<size_t>(static_cast<const char*>(equals) - text);
            sort_out(seen_, {text, key}, {text + key + 1, length - key - 1});
            begin += length + 1;
        }
        return checked(header.substr(0, at), header.substr(at + 1), header_end + 1);
    }

  private:
    const char* frame_fault() {
        if (message_.empty()) return "expected ACTION@DEVPATH, found an empty message";
        if (message_.size() > kUeventMaxBytes) {
            fault_byte_ = kUeventMaxBytes;
            return "expected at most 64 KiB, found more: this is no message of the kernel";
        }
        if (message_.starts_with(kUdevPrefix))
            return "expected ACTION@DEVPATH, found udev's own format (\"libudev\"): "
                   "this belongs to netlink group 2, not to the kernel's group 1";
        return nullptr;
    }

    Error truncated() const {
        return fault_at(message_.size(), "truncated: expected a NUL at the end, found " +
                                             shown(message_.substr(message_.rfind('\0') + 1)));
    }

    size_t offset(std::string_view part) const {
        return static_cast<size_t>(part.data() - message_.data());
    }

    Error bad_path(const char* key, std::string_view path, DevpathFault fault) const {
        return fault_at(offset(path) + fault.at, std::string("expected in ") + key + " " +
                                                     fault.expected + ", found " + shown(path));
    }

    Error missing(const char* key, size_t byte) const {
        return fault_at(byte, std::string("expected a variable ") + key + ", found none");
    }

    Result<Uevent> checked(std::string_view action, std::string_view devpath, size_t block) {
        if (!seen_.action.data()) return missing("ACTION", block);
        if (!seen_.devpath.data()) return missing("DEVPATH", block);
        if (!seen_.subsystem.data()) return missing("SUBSYSTEM", block);
        if (seen_.action != action)
            return fault_at(offset(seen_.action), "expected ACTION " + shown(action) +
                                                      " as in the header, found " +
                                                      shown(seen_.action));
        if (seen_.devpath != devpath)
            return fault_at(offset(seen_.devpath), "expected DEVPATH " + shown(devpath) +
                                                       " as in the header, found " +
                                                       shown(seen_.devpath));
        if (DevpathFault fault = devpath_fault(seen_.devpath))
            return bad_path("DEVPATH", seen_.devpath, fault);
        std::string_view subsystem = seen_.subsystem;
        if (component_fault(subsystem) || find_control(subsystem) != subsystem.size() ||
            subsystem.find('/') != std::string_view::npos)
            return fault_at(offset(subsystem),
                            "expected in SUBSYSTEM the name of one, found " + shown(subsystem));

        Uevent event{.action = action_of(action),
                     .action_word = seen_.action,
                     .devpath = seen_.devpath,
                     .devpath_old = {},
                     .subsystem = subsystem,
                     .driver = seen_.driver,
                     .seqnum = 0,
                     .synthetic = seen_.synthetic,
                     .block = message_.substr(block)};
        if (seen_.seqnum.data()) {
            std::string_view text = seen_.seqnum;
            auto [end, error] =
                std::from_chars(text.data(), text.data() + text.size(), event.seqnum);
            if (error != std::errc() || end != text.data() + text.size())
                return fault_at(offset(text),
                                "expected in SEQNUM a number of 64 bits, found " + shown(text));
        }
        if (event.action != Action::Move) return event;
        // "echo move > uevent" announces a move that never was, and so names no old path.
        if (!seen_.devpath_old.data()) {
            if (event.synthetic) return event;
            return missing("DEVPATH_OLD with the action move", block);
        }
        if (DevpathFault fault = devpath_fault(seen_.devpath_old))
            return bad_path("DEVPATH_OLD", seen_.devpath_old, fault);
        event.devpath_old = seen_.devpath_old;
        return event;
    }

    std::string_view message_;
    Seen seen_;
    size_t fault_byte_ = 0;
};

}  // namespace

DevpathFault devpath_fault(std::string_view path) {
    if (path.empty() || path[0] != '/') return {"a path that begins with /", 0};
    if (path.size() > kDevpathMaxBytes) return {"at most 4096 bytes", kDevpathMaxBytes};
    // Other control characters are allowed: a network interface may be called anything, and an event
    // that is refused is an event that is lost. They are escaped where they are shown.
    if (size_t at = path.find('\0'); at != path.npos) return {"no NUL", at};
    for (size_t begin = 1; begin <= path.size();) {
        size_t end = std::min(path.find('/', begin), path.size());
        if (const char* expected = component_fault(path.substr(begin, end - begin)))
            return {expected, begin};
        begin = end + 1;
    }
    return {};
}

Result<Uevent> parse_uevent(std::string_view message) { return Parser(message).parse(); }

}  // namespace devmux
