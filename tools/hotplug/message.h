// The message of devmux-hotplug: an event as it is in the environment of a hotplug helper, put into
// the kernel's own form "ACTION@DEVPATH\0ACTION=…\0DEVPATH=…\0SUBSYSTEM=…\0KEY=VALUE\0…", so that
// the daemon has one parser (engine/intake/uevent.h). C, for a program that is executed once for
// each event and must cost nothing; the fuzzer holds the two against each other
// (tests/fuzz/fuzz_hotplug.cc).
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// Numbers that the daemon's side has as well; tests/intake/hotplug_test.cc keeps them equal.
enum {
    kMessageMaxBytes = 8192,     // kHotplugMaxBytes
    kMessageMaxVariables = 256,  // kUeventMaxVariables
    kDevpathMost = 4096,         // kDevpathMaxBytes
    kRetryMostSeconds = 30,      // kHotplugRetrySeconds
};

struct Message {
    size_t size;
    size_t variables;
    size_t left_out;             // variables for which there was no room
    const char* first_left_out;  // the first of them, "KEY=VALUE"; null: none
    char bytes[kMessageMaxBytes];
};

// What of the environment makes no event. `variable` is null when nothing is wrong.
struct Fault {
    const char* variable;
    const char* found;  // its value; null: it is missing
    const char* expected;
};

// Each variable is in it once, the first counts, those that the engine itself reads come first.
// Names that cannot be a device's (`PATH`, `MDEV`, what shells add) are not in it. `subsystem`
// stands in where the environment has no SUBSYSTEM; it may be null. Views of Fault and Message
// point into the arguments.
struct Fault build_message(struct Message* message, const char* subsystem,
                           const char* const* environment);

// The value of a variable of an environment; null without one.
const char* variable_of(const char* const* environment, const char* name);

#ifdef __cplusplus
}
#endif
