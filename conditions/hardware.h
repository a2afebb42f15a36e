// Hardware that nobody drives. A class of devices can say which devices on a bus could become one
// (classes.d, `hardware`); where one of the class is missing, those that are there without a driver are named.
#pragma once

#include <string>
#include <vector>

#include "conditions/predicate.h"

namespace devmux {

struct Hardware {
    std::string name;  // "PCI display device"
    Predicate match;
};

class ClassNames;

// One that has no driver, as a device said: for people only through printable().
struct Undriven {
    std::string what;  // "PCI display device 1234:1111"
    std::string name;  // "0000:00:02.0"
    bool operator==(const Undriven&) const = default;
};

// Those that could become a device of the class, in the natural order of their devpaths.
std::vector<Undriven> without_driver(ClassId id, const Facts& facts, const ClassNames& classes);

// "PCI display device 1234:1111 (0000:00:02.0) has no driver bound; …". `named`: with their names on the bus.
std::string to_string(const std::vector<Undriven>& devices, bool named);

}  // namespace devmux
