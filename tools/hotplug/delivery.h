// Handing a message to the socket of the daemon: the way to it, and one attempt.
#pragma once

#include <stdbool.h>

#include "tools/hotplug/message.h"

enum Outcome {
    kDelivered,
    kNobodyListens,  // no socket, or nobody behind it: there may be one soon (or soon more memory)
    kQueueFull,      // the daemon has as many datagrams to read as the kernel keeps
    kUndeliverable,  // it will not be better next time
};

struct Attempt {
    enum Outcome outcome;
    const char* why;   // of all but kDelivered: "nobody listened at", "is no socket"
    const char* what;  // of kUndeliverable, what it is about: "" the directory, "/hotplug" in it
    const char* next_step;  // may be null
};

// Tries once to hand `message` to DIRECTORY/hotplug. `socket` is an AF_UNIX datagram socket;
// `wait`: wait for room in the queue as long as its SO_SNDTIMEO says. Changes the working directory
// to the root.
// The directory is one that open_own_directory() (directory.h) opens.
struct Attempt deliver(const struct Message* message, int socket, const char* directory, bool wait);
