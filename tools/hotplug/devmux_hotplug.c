// devmux-hotplug: tells devmuxd of one event. A device manager executes it for each, as the kernel
// would its hotplug helper: the event is in the environment, the subsystem is the argument. It
// sends one datagram and is gone; man/devmux-hotplug.8 is its manual.
//
//     message.h   environment to message
//     delivery.h  message to socket
//     line.h      what it says where, if it must
//
// The time is CLOCK_MONOTONIC, which stands still in suspend: so does the daemon, and a helper that
// a resume found overdue would lose an event that nobody had the time to take.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tools/hotplug/delivery.h"
#include "tools/hotplug/line.h"
#include "tools/hotplug/message.h"

#ifndef DEVMUX_VERSION
#define DEVMUX_VERSION "unknown"
#endif

enum { kFine = 0, kFailed = 1, kUsage = 2 };

static const char kHelp[] =
    "Tells devmuxd of one event of a device, which is in the environment.\n"
    "Usage: devmux-hotplug [OPTIONS] [SUBSYSTEM]\n"
    "\n"
    "  --runtime-dir DIR  where devmuxd listens (DEVMUX_RUNTIME_DIR, /run/devmux)\n"
    "  --retry SECONDS    how long to try in the background, 0 to 30 [30]\n"
    "  -h, --help         print this\n"
    "  --version          print the version\n"
    "\n"
    "Device managers call it; devmux-hotplug(8) says how to have them do so.\n";
static const char kVersion[] = "devmux-hotplug " DEVMUX_VERSION "\n";
static const char kNotByHand[] = "device managers call this for each event: devmux-hotplug(8)";

// Static, not on the stack: read after the fork, and 8 KiB.
static struct Message message;

struct Options {
    const char* directory;
    const char* subsystem;
    int retry_seconds;
};

static int wrong_use(const char* what, const char* found, const char* expected) {
    struct Line line = {.size = 0};
    put(&line, what);
    if (found) {
        put(&line, " ");
        put_quoted(&line, found);
    }
    put(&line, ": expected ");
    put(&line, expected);
    say(&line, "devmux-hotplug --help names the options");
    return kUsage;
}

static int print(const char* text, size_t size) {
    return write(STDOUT_FILENO, text, size) == (ssize_t)size ? kFine : kFailed;
}

// The value of the option --NAME VALUE or --NAME=VALUE at `*at`, which moves on to the last
// argument that belongs to it; null when it is another option. "": there is no value.
static const char* value_of(const char* name, char** argv, int* at) {
    size_t length = strlen(name);
    const char* argument = argv[*at];
    if (strncmp(argument, name, length) != 0) return NULL;
    if (argument[length] == '=') return argument + length + 1;
    if (argument[length] != '\0') return NULL;
    if (!argv[*at + 1]) return "";
    return argv[++*at];
}

// -1: go on; else the exit status.
static int read_options(char** argv, struct Options* options) {
    static const char kNumber[] = "a whole number of seconds from 0 to 30";
    const char* value;
    for (int i = argv[0] ? 1 : 0; argv[i]; ++i) {
        const char* argument = argv[i];
        if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0)
            return print(kHelp, sizeof kHelp - 1);
        if (strcmp(argument, "--version") == 0) return print(kVersion, sizeof kVersion - 1);
        if ((value = value_of("--runtime-dir", argv, &i))) {
            options->directory = value;
        } else if ((value = value_of("--retry", argv, &i))) {
            size_t length = strlen(value);
            if (length == 0 || length > 2 || strspn(value, "0123456789") != length)
                return wrong_use("--retry", value, kNumber);
            options->retry_seconds = value[0] - '0';
            if (length == 2) options->retry_seconds = options->retry_seconds * 10 + value[1] - '0';
            if (options->retry_seconds > kRetryMostSeconds)
                return wrong_use("--retry", value, kNumber);
        } else if (argument[0] == '-') {
            return wrong_use("unknown option", argument,
                             "--runtime-dir, --retry, --help or --version");
        } else if (options->subsystem) {
            return wrong_use("one argument too many,", argument, "one at most, the subsystem");
        } else {
            options->subsystem = argument;
        }
    }
    if (options->directory[0] != '/')
        return wrong_use("--runtime-dir", options->directory, "a path that begins with /");
    return -1;
}

static int no_event(struct Fault fault) {
    struct Line line = {.size = 0};
    put(&line, fault.variable);
    if (fault.found) {
        put(&line, "=");
        put_quoted(&line, fault.found);
    } else {
        put(&line, " is not in the environment");
    }
    put(&line, ": expected ");
    put(&line, fault.expected);
    say(&line, kNotByHand);
    return kUsage;
}

// -- What was lost is told --

static void put_event(struct Line* line) {
    const char* const* environment = (const char* const*)environ;
    const char* number = variable_of(environment, "SEQNUM");
    put(line, ": lost event ");
    put(line, number ? number : "without number");
    put(line, ", ");
    put(line, variable_of(environment, "ACTION"));
    put(line, " ");
    put_quoted(line, variable_of(environment, "DEVPATH"));
}

static int lost(const struct Attempt* attempt, const struct Options* options) {
    struct Line line = {.size = 0};
    bool final = attempt->outcome == kUndeliverable;
    if (!final) {
        put(&line, attempt->why);
        put(&line, " ");
    }
    put_printable(&line, options->directory);
    put(&line, final ? attempt->what : "/hotplug");
    if (final) {
        put(&line, ": ");
        put(&line, attempt->why);
    } else if (options->retry_seconds > 0) {
        put(&line, " for ");
        put_number(&line, (unsigned)options->retry_seconds);
        put(&line, " s");
    }
    put_event(&line);
    say(&line, attempt->next_step);
    return kFailed;
}

static void tell_what_is_left_out(void) {
    struct Line line = {.size = 0};
    put_number(&line, message.left_out);
    put(&line, " of the variables do not fit into the 8192 bytes of an event and are left out: ");
    put_quoted(&line, message.first_left_out);
    say(&line, NULL);
}

// -- Trying again --

enum { kFirstPause = 10, kLongestPause = 500, kLongestWait = 1000 };  // ms

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

// A quarter more or less than `pause`: hundreds that were started in one moment shall not all come
// back in one moment. Their process ids differ, and so does what follows from them (Knuth's
// factors).
static int64_t spread(int64_t pause, uint32_t* dice) {
    *dice = *dice * 1664525u + 1013904223u;
    return pause * 3 / 4 + (int64_t)(*dice >> 8) * (pause / 2) / (1 << 24);
}

static void sleep_for(int64_t milliseconds) {
    struct timespec rest = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = milliseconds % 1000 * 1000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) continue;
}

// Nothing of whoever called us is kept: no terminal, no pipe whose reader waits for its end.
static int leave_everything_but(int socket) {
    setsid();
    (void)!chdir("/");
    say_to_the_log_alone();
    int nothing = open("/", O_PATH | O_CLOEXEC);
    for (int fd = 0; fd <= STDERR_FILENO; ++fd)
        if (dup2(nothing, fd) < 0) close(fd);
    int kept = STDERR_FILENO + 1;
    if (socket != kept) {
        dup2(socket, kept);
        socket = kept;
    }
#ifdef SYS_close_range
    if (syscall(SYS_close_range, kept + 1, ~0U, 0) == 0) return socket;
#endif
    // It is younger than many of the kernels that call a helper.
    long end = sysconf(_SC_OPEN_MAX);
    if (end < 0 || end > 65536) end = 65536;
    for (int fd = kept + 1; fd < end; ++fd) close(fd);
    return socket;
}

// With a full queue it waits in the kernel's line of senders, which is woken one by one as the
// daemon reads (unix_wait_for_peer in net/unix/af_unix.c): no polling, no stampede. But not too
// long at a time: by now there may be another daemon behind the path, or the turn may have come to
// one that was just giving up.
static struct Attempt keep_trying(int socket, const struct Options* options, int64_t begin) {
    int64_t end = begin + (int64_t)options->retry_seconds * 1000;
    int64_t pause = kFirstPause;
    uint32_t dice = (uint32_t)getpid() * 2654435761u;
    for (;;) {
        int64_t left = end - now();
        int64_t nap = spread(pause, &dice);
        sleep_for(nap < left ? nap : left > 0 ? left : 0);
        left = end - now();
        int64_t wait = left < 1 ? 1 : left < kLongestWait ? left : kLongestWait;
        struct timeval limit = {.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000};
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        struct Attempt attempt = deliver(&message, socket, options->directory, true);
        if (attempt.outcome == kDelivered || attempt.outcome == kUndeliverable || now() >= end)
            return attempt;
        pause = attempt.outcome == kQueueFull ? kFirstPause : pause * 2;
        if (pause > kLongestPause) pause = kLongestPause;
    }
}

static int run(const struct Options* options) {
    int64_t begin = now();
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct Attempt attempt = {kUndeliverable, "no socket can be made to reach it", "/hotplug",
                              NULL};
    if (fd >= 0) attempt = deliver(&message, fd, options->directory, false);
    if (attempt.outcome == kDelivered) return kFine;
    if (attempt.outcome == kUndeliverable || options->retry_seconds == 0)
        return lost(&attempt, options);
    // Device managers wait for what they execute, and mdev executes one after the other.
    pid_t child = fork();
    if (child > 0) return kFine;
    if (child == 0) {
        fd = leave_everything_but(fd);
        attempt = keep_trying(fd, options, begin);
        return attempt.outcome == kDelivered ? kFine : lost(&attempt, options);
    }
    attempt = (struct Attempt){kUndeliverable, "not reached, and no process can be made to wait",
                               "/hotplug", "raise the limit of processes"};
    return lost(&attempt, options);
}

int main(int argc, char** argv) {
    (void)argc;  // the list ends with a null, also where argc is 0
    open_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);  // whoever read what we say may be gone; the event still counts
    const char* const* environment = (const char* const*)environ;
    struct Options options = {.directory = variable_of(environment, "DEVMUX_RUNTIME_DIR"),
                              .retry_seconds = kRetryMostSeconds};
    if (!options.directory || options.directory[0] == '\0') options.directory = "/run/devmux";
    int status = read_options(argv, &options);
    if (status >= 0) return status;
    struct Fault fault = build_message(&message, options.subsystem, environment);
    if (fault.variable) return no_event(fault);
    if (message.left_out > 0) tell_what_is_left_out();
    return run(&options);
}
