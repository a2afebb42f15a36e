// Asking the daemon whether an init script may go on: one packet there, one or two back.
//
//   asked    "1 start NAME"              the format, what the script is called with, the unit
//            "1 again NAME"              it was asked before, and the daemon that was starting it went away
//            "1 stop NAME"               it is stopped: nothing is asked, "g" is the answer
//   answer   "g" TEXT                    go on
//            "n" TEXT                    no: the daemon starts it, or has
//            "w" TEXT                    the daemon starts it for you now; "g" or "n" follows
//
// TEXT is for people, printable, and may be empty. engine/run/guard_socket.h is the other end.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    kGuardNameMost = 64,      // is_unit_name() of engine/model/unit_file.h
    kGuardQuestionMost = 80,  // kGuardQuestionMax
    kGuardAnswerMost = 1024,  // kGuardAnswerMax
    kGuardPatience = 3000,    // ms to be let in, and again for the first answer
};

enum GuardQuestionKind { kGuardStart, kGuardAgain, kGuardStop };

enum GuardOutcome {
    kGuardGoOn,
    kGuardNo,
    kGuardNobody,  // no daemon
    kGuardSilent,  // there is one, and it does not answer
    kGuardLost,    // it was starting the unit for us, and went away
};

struct GuardAnswer {
    enum GuardOutcome outcome;
    char text[kGuardAnswerMost];
};

// Whether a name can be a unit's: 1 to 64 of [A-Za-z0-9._:@-], not beginning with a dot.
bool guard_name_is_good(const char* name);

// Asks at the socket `guard` in the open directory, and changes into it. Within `patience`, in ms; while
// the daemon starts the unit, `told` is given what it says, and there is no time limit: it is waited for as
// for the script.
enum GuardOutcome ask_guard(int directory, const char* name, enum GuardQuestionKind kind, int patience,
                            struct GuardAnswer* answer, void (*told)(const char* text));

#ifdef __cplusplus
}
#endif
