// The tree of a condition, as a value. It is read by the grammar (grammar.h) or from YAML
// (spelling.h), evaluated by evaluate.h, and printed back to a sentence that reads to the same tree.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "conditions/duration.h"
#include "conditions/facts.h"
#include "conditions/predicate.h"

namespace devmux {

// It: the device of the instance whose condition this is (Memory::it), and no other.
enum class Quantifier : unsigned char { Any, First, AtLeast, AtMost, Exactly, All, It };

// What a matching device must be besides present. The last three are of network interfaces alone.
enum class DeviceState : unsigned char { Present, Seen, Bound, Up, Running, Online };
constexpr bool is_of_links(DeviceState state) { return state >= DeviceState::Up; }

// `at least 2 usb device[driver = "usb"] present`
struct DeviceTerm {
    Quantifier quantifier = Quantifier::Any;
    unsigned count = 1;         // of AtLeast, AtMost, Exactly
    std::string class_name;     // canonical
    ClassId class_id = 0;
    Predicate predicate;
    DeviceState state = DeviceState::Present;
    Predicate have;             // of All: `all disk have [ … ]`; of It: what for-each asks of it
};

// Whether `carries-root` stands in it.
bool asks_what_it_carries(const DeviceTerm& term);

// `it`, of a unit that has one instance for each of `devices`.
DeviceTerm it_of(const DeviceTerm& devices);

struct Condition {
    enum class Kind : unsigned char { Device, Fact, Not, All, Any, For };
    Kind kind = Kind::All;
    std::vector<Condition> parts;  // of All and Any (two or more), Not and For (one)
    DeviceTerm device;
    FactKey fact;
    Duration hold{};  // of For: how long the part must have been true
    // Where evaluation keeps what a First or a For must remember: an index into Memory, given in
    // reading order.
    unsigned slot = 0;
};

bool asks_what_it_carries(const Condition& condition);

// A sentence of the language, with the fewest parentheses.
std::string to_string(const Condition& condition);
std::string to_string(const DeviceTerm& term);

// Every Device and Fact leaf, in reading order.
void each_leaf(const Condition& condition, const std::function<void(const Condition&)>& visit);

// `PATH on TYPE` and `root on TYPE` then also ask what boot is going to mount: /etc/fstab, and root= and
// nfsroot= of the kernel's command line, where nothing is mounted yet. For `boot-if`.
void ask_expected(Condition& condition);

}  // namespace devmux
