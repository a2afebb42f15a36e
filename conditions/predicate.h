// What stands between the brackets of `usb device[attr.idVendor = "046d"]`: comparisons on one
// device, joined by and, or, not. Classes are defined in the same language (classes.d/*.yaml).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conditions/facts.h"
#include "conditions/truth.h"

namespace devmux {

struct Predicate {
    enum class Kind : unsigned char { Always, All, Any, Not, Comparison };
    enum class Operator : unsigned char { Equal, NotEqual, Like, NotLike, Has, Flag };
    // What is compared. `Driver` and `Bound` mean the device or its nearest ancestor on a bus:
    // class devices have no driver of their own.
    enum class Field : unsigned char {
        Name, Devpath, Subsystem, Driver, Property, Attribute, Virtual, Wireless, Bound,
        CarriesRoot  // what mounts and routes say of a network interface, and not the device itself
    };

    Kind kind = Kind::Always;
    std::vector<Predicate> parts;  // of All, Any (two or more) and Not (one)

    Field field = Field::Name;
    Operator op = Operator::Equal;
    std::string key;       // of Property and Attribute
    std::string parent;    // `parent.usb.…`: nearest ancestor in this subsystem; empty: the device
    std::string value;     // the text, the glob (fnmatch(3)), or the bit as it was written
    unsigned bit = 0;      // of Has: the number that `value` stands for
    std::string fallback;  // of Attribute: what a file that does not exist counts as
    bool has_fallback = false;
};

// Unknown where an attribute was not read yet; a missing property or attribute is false for every
// comparison but != and !~. `facts`: for what is no property of the device (CarriesRoot); without them that
// is unknown.
Truth matches(const Predicate& predicate, const DeviceFacts& device, const Facts* facts = nullptr);

// Text that the grammar reads back to the same tree; empty for Always.
std::string to_string(const Predicate& predicate);

// Whether the grammar reads the name of a property for one without "property." before it: `NAME` is the
// device's name, and not the property of that name.
bool stands_bare(std::string_view property);

// What was seen of the device instead of what the predicate asked, for people: `driver is "e1000"`.
std::string seen_by(const Predicate& predicate, const DeviceFacts& device, const Facts& facts);

// The comparison with an exact value of that field which every matching device must pass; null when
// the predicate demands none. What can be looked up need not be searched.
const Predicate* exact(const Predicate& predicate, Predicate::Field field);

// Visits each comparison of the tree.
void each_comparison(const Predicate& predicate, const std::function<void(const Predicate&)>& visit);
// Whether one of them is about that field.
bool compares(const Predicate& predicate, Predicate::Field field);

// Bit `bit` of a kernel bitmap in text, as input devices print them: words of hexadecimal, the most
// significant first (drivers/input/input.c, input_bits_to_string()). `word_bits`: the kernel's long.
bool bitmap_has(std::string_view bitmap, unsigned bit, unsigned word_bits = 8 * sizeof(long));

// The number of an input event code ("BTN_LEFT", "272", "0x110"); nothing for an unknown name.
// The names are those of linux/input-event-codes.h that tell kinds of devices apart.
std::optional<unsigned> bit_number(std::string_view text);

}  // namespace devmux
