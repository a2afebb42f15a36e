// What a stop would take down with it: a network interface that carries / or /usr (carriers.h).
//
// A unit takes down what its `takes-down` says. Without that, an instance takes down the interface that it is
// for; and another unit that which it was started for, unless its condition asks for one that is online: who
// asks for that found it configured, and leaves it so.
#pragma once

#include <string>

#include "conditions/truth.h"
#include "engine/plan/managed.h"
#include "engine/plan/world.h"

namespace devmux {

struct TakenDown {
    Truth truth = Truth::False;  // Unknown: it is not known whether it carries anything, or whether it is there
    std::string link;            // "eth0"
    std::string what;            // "carries the root file system (NFS from 10.0.2.2)"
    std::string unit{};          // whose stop would do it: of one that requires the unit in question; or empty

    // "eth0 carries the root file system (NFS from 10.0.2.2)"
    std::string text() const {
        std::string name = link.empty() ? "its interface" : link;
        return truth == Truth::True ? name + " " + what
                                    : "it is not known whether " + name + " carries the root file system or /usr";
    }
};

// The worst of what the unit's stop would take down. A device that has gone is none; one that was not found yet
// may be.
TakenDown taken_down(const Managed& m, const World& world, const ClassSet& classes);
// Whether it may ever take down anything.
bool may_take_down(const Unit& unit, const ClassSet& classes);

}  // namespace devmux
