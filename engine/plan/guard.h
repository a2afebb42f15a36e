// May an init script that asks (devmux guard) go on? Decided from what is known of the unit, and of who
// asks. Pure; run/guard_socket.h hears the question, run/starter.h finds out who asks.
//
// Boot and devmux never both start a unit, and one of them does: the boot sequence is told to go on
// where devmux would not start it, and to leave it where devmux does, or did, or will once it may.
#pragma once

#include <string>
#include <string_view>

#include "engine/plan/planner.h"

namespace devmux {

// Who starts the script that asks.
struct Starter {
    enum class Kind : unsigned char {
        Job,      // a program that devmux has started; `unit`: of this unit
        Systemd,  // systemd, for whomever
        Boot,     // the boot sequence
        Person,   // anybody else: a person, a package, cron
    };
    Kind kind = Kind::Person;
    std::string unit = {};
};

struct GuardVerdict {
    enum class Kind : unsigned char {
        GoOn,      // the script runs, and is no start of the unit, or devmux's own
        Elsewhere, // the script runs, and is the start of the unit
        LeaveIt,   // devmux starts it, has, or will
        HandOver,  // devmux starts it now, as `devmux start` does
    };
    Kind kind = Kind::GoOn;
    std::string text = {};  // for who reads the script's output; may be empty
};

// `again`: a start was handed over, and the daemon that made it is no more: what it came to is the answer.
// `missing`: what the unit would start is not installed, and that is no failure (if-missing: skip).
GuardVerdict guard_verdict(const Planner& planner, std::string_view unit, const Starter& who, bool again,
                           bool missing = false);

}  // namespace devmux
