// Evaluation and spelling of predicates. No strings are built while an event is evaluated; words
// for people are made only when they are asked for (seen_by).
#include "conditions/predicate.h"

#include <fnmatch.h>

#include <array>
#include <charconv>

#include "conditions/text.h"

namespace devmux {
namespace {

using Field = Predicate::Field;
using Kind = Predicate::Kind;
using Operator = Predicate::Operator;

// The value of a field; `exists` is False where the device has no such thing.
struct Value {
    Truth exists = Truth::True;
    std::string_view text;
    bool awaited = false;
};

const DeviceFacts* with_driver(const DeviceFacts& device) {
    for (const DeviceFacts* d = &device; d; d = d->parent())
        if (!d->driver().empty()) return d;
    return nullptr;
}

const DeviceFacts* subject(const Predicate& p, const DeviceFacts& device) {
    if (p.parent.empty()) return &device;
    const DeviceFacts* d = device.parent();
    while (d && d->subsystem() != p.parent) d = d->parent();
    return d;
}

Value optional_text(std::optional<std::string_view> text) {
    return text ? Value{Truth::True, *text} : Value{Truth::False, {}};
}

Value value_of(const Predicate& p, const DeviceFacts& device) {
    const DeviceFacts* d = subject(p, device);
    if (!d) return {Truth::False, {}};
    switch (p.field) {
        case Field::Name: return {Truth::True, d->name()};
        case Field::Devpath: return {Truth::True, d->devpath()};
        case Field::Subsystem: return {Truth::True, d->subsystem()};
        case Field::Driver: {
            const DeviceFacts* bound = with_driver(*d);
            return bound ? Value{Truth::True, bound->driver()} : Value{Truth::False, {}};
        }
        case Field::Property: return optional_text(d->property(p.key));
        case Field::Attribute: {
            AttributeValue v = d->attribute(p.key);
            // Who says what a missing file counts as does not wait for it to come.
            bool missing = v.exists == Truth::False || v.awaited;
            if (missing && p.has_fallback) return {Truth::True, p.fallback};
            return {v.exists, v.text, v.awaited};
        }
        case Field::Virtual: return {truth_of(d->devpath().starts_with("/devices/virtual/")), {}};
        case Field::Wireless: return {truth_of(d->property("DEVTYPE") == "wlan"), {}};
        case Field::Bound: return {truth_of(with_driver(*d) != nullptr), {}};
        case Field::CarriesRoot: break;
    }
    return {};
}

bool glob(std::string_view pattern, std::string_view text) {
    return fnmatch(std::string(pattern).c_str(), std::string(text).c_str(), 0) == 0;
}

Truth compare(const Predicate& p, const DeviceFacts& device, const Facts* facts) {
    if (p.field == Field::CarriesRoot) return facts ? facts->carries_root(device) : Truth::Unknown;
    Value v = value_of(p, device);
    if (p.op == Operator::Flag || v.exists == Truth::Unknown) return v.exists;
    bool there = v.exists == Truth::True;
    switch (p.op) {
        case Operator::Equal: return truth_of(there && v.text == p.value);
        case Operator::NotEqual: return truth_of(!there || v.text != p.value);
        case Operator::Like: return truth_of(there && glob(p.value, v.text));
        case Operator::NotLike: return truth_of(!there || !glob(p.value, v.text));
        case Operator::Has: return truth_of(there && bitmap_has(v.text, p.bit));
        case Operator::Flag: break;
    }
    return Truth::False;
}

std::string field_name(const Predicate& p) {
    std::string prefix = p.parent.empty() ? "" : "parent." + p.parent + ".";
    switch (p.field) {
        case Field::Name: return prefix + "name";
        case Field::Devpath: return prefix + "devpath";
        case Field::Subsystem: return prefix + "subsystem";
        case Field::Driver: return prefix + "driver";
        case Field::Attribute: return prefix + "attr." + p.key;
        case Field::Virtual: return prefix + "virtual";
        case Field::Wireless: return prefix + "wireless";
        case Field::Bound: return prefix + "bound";
        case Field::CarriesRoot: return prefix + "carries-root";
        case Field::Property: break;
    }
    return prefix + (stands_bare(p.key) ? p.key : "property." + p.key);
}

constexpr std::string_view operator_text(Operator op) {
    switch (op) {
        case Operator::Equal: return " = ";
        case Operator::NotEqual: return " != ";
        case Operator::Like: return " ~ ";
        case Operator::NotLike: return " !~ ";
        case Operator::Has: return " has ";
        case Operator::Flag: break;
    }
    return "";
}

std::string spell(const Predicate& p, Kind around) {
    switch (p.kind) {
        case Kind::Always: return "";
        case Kind::Not: return "not " + spell(p.parts[0], Kind::Not);
        case Kind::Comparison:
            if (p.op == Operator::Flag) return field_name(p);
            return field_name(p) + std::string(operator_text(p.op)) +
                   (p.op == Operator::Has ? p.value : quoted(p.value)) +
                   (p.has_fallback ? " default " + quoted(p.fallback) : "");
        case Kind::All:
        case Kind::Any: break;
    }
    std::string out;
    for (const Predicate& part : p.parts) {
        if (!out.empty()) out += p.kind == Kind::All ? " and " : " or ";
        out += spell(part, p.kind);
    }
    bool bare = around == Kind::Always || (around == Kind::Any && p.kind == Kind::All);
    return bare ? out : "(" + out + ")";
}

struct Code {
    std::string_view name;
    unsigned number;
};

constexpr std::array kCodes{
    Code{"EV_KEY", 0x01}, Code{"EV_REL", 0x02}, Code{"EV_ABS", 0x03}, Code{"EV_SND", 0x12},
    Code{"KEY_ESC", 1}, Code{"KEY_1", 2}, Code{"KEY_Q", 16}, Code{"KEY_ENTER", 28},
    Code{"KEY_A", 30}, Code{"KEY_D", 32}, Code{"KEY_Z", 44}, Code{"KEY_SPACE", 57},
    Code{"BTN_0", 0x100},
    Code{"BTN_MOUSE", 0x110}, Code{"BTN_LEFT", 0x110}, Code{"BTN_RIGHT", 0x111},
    Code{"BTN_JOYSTICK", 0x120}, Code{"BTN_TRIGGER", 0x120}, Code{"BTN_GAMEPAD", 0x130},
    Code{"BTN_SOUTH", 0x130}, Code{"BTN_TOOL_PEN", 0x140}, Code{"BTN_TOOL_FINGER", 0x145},
    Code{"BTN_TOUCH", 0x14a}, Code{"BTN_STYLUS", 0x14b}, Code{"BTN_DPAD_UP", 0x220},
    Code{"BTN_TRIGGER_HAPPY", 0x2c0},
    Code{"REL_X", 0}, Code{"REL_Y", 1}, Code{"REL_WHEEL", 8},
    Code{"ABS_X", 0}, Code{"ABS_Y", 1}, Code{"ABS_MT_SLOT", 0x2f},
    Code{"ABS_MT_POSITION_X", 0x35}, Code{"ABS_MT_POSITION_Y", 0x36},
    Code{"INPUT_PROP_POINTER", 0}, Code{"INPUT_PROP_DIRECT", 1},
    Code{"INPUT_PROP_ACCELEROMETER", 6},
};

}  // namespace

Truth matches(const Predicate& p, const DeviceFacts& device, const Facts* facts) {
    switch (p.kind) {
        case Kind::Always: return Truth::True;
        case Kind::Not: return negate(matches(p.parts[0], device, facts));
        case Kind::Comparison: return compare(p, device, facts);
        case Kind::All: {
            Truth all = Truth::True;
            for (const Predicate& part : p.parts)
                if ((all = both(all, matches(part, device, facts))) == Truth::False) break;
            return all;
        }
        case Kind::Any: {
            Truth any = Truth::False;
            for (const Predicate& part : p.parts)
                if ((any = either(any, matches(part, device, facts))) == Truth::True) break;
            return any;
        }
    }
    return Truth::Unknown;
}

std::string to_string(const Predicate& predicate) { return spell(predicate, Kind::Always); }

std::string seen_by(const Predicate& p, const DeviceFacts& device, const Facts& facts) {
    std::string out;
    each_comparison(p, [&](const Predicate& c) {
        Truth matched = matches(c, device, &facts);
        if (matched == Truth::True) return;
        Value v = value_of(c, device);
        if (!out.empty()) out += ", ";
        if (std::string carries = c.field == Field::CarriesRoot ? facts.carries_seen(device) : ""; !carries.empty()) out += carries;
        else if (c.field == Field::CarriesRoot && matched == Truth::Unknown)
            out += "not known yet whether it carries the root file system or /usr";
        else if (c.op == Operator::Flag) out += "not " + field_name(c);
        else if (v.exists == Truth::Unknown)
            out += field_name(c) + (v.awaited ? " is not there yet" : " not read yet");
        else if (v.exists == Truth::False)
            out += c.field == Field::Attribute ? field_name(c) + " never appeared, or has gone"
                                               : "no " + field_name(c);
        else out += field_name(c) + " is " + quoted(v.text);
    });
    return out;
}

const Predicate* exact(const Predicate& p, Field field) {
    if (p.kind == Kind::Comparison && p.op == Operator::Equal && p.field == field && p.parent.empty()) return &p;
    if (p.kind == Kind::All)
        for (const Predicate& part : p.parts)
            if (const Predicate* found = exact(part, field)) return found;
    return nullptr;
}

bool compares(const Predicate& p, Field field) {
    bool asks = false;
    each_comparison(p, [&](const Predicate& c) { asks |= c.field == field; });
    return asks;
}

void each_comparison(const Predicate& p, const std::function<void(const Predicate&)>& visit) {
    if (p.kind == Kind::Comparison) visit(p);
    for (const Predicate& part : p.parts) each_comparison(part, visit);
}

bool bitmap_has(std::string_view bitmap, unsigned bit, unsigned word_bits) {
    unsigned word = bit / word_bits, offset = bit % word_bits;
    while (true) {
        size_t space = bitmap.rfind(' ');
        std::string_view text = space == std::string_view::npos ? bitmap : bitmap.substr(space + 1);
        if (word-- == 0) {
            uint64_t bits = 0;
            auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits, 16);
            return error == std::errc() && end == text.data() + text.size() && (bits >> offset & 1);
        }
        if (space == std::string_view::npos) return false;
        bitmap = bitmap.substr(0, space);
    }
}

std::optional<unsigned> bit_number(std::string_view text) {
    for (const Code& code : kCodes)
        if (code.name == text) return code.number;
    int base = text.starts_with("0x") ? 16 : 10;
    if (base == 16) text.remove_prefix(2);
    unsigned number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
    if (number >= 4096) return {};
    return number;
}

}  // namespace devmux
