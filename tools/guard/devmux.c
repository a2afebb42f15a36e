// devmux, as it is installed: `devmux guard` itself, and everything else by devmux-client.
//
// An init script calls the guard at each start, before /usr may be there and before anything is: so
// this is C, static, and links what a question needs and no more (meson.build has the figures). The
// client links what people want: JSON, colours, the whole engine for `simulate`.
//
// The guard says no by exit status 77 and by nothing else: whatever goes wrong here, the script runs.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tools/guard/claim.h"
#include "tools/guard/question.h"
#include "tools/hotplug/directory.h"

#ifndef DEVMUX_CLIENT
#define DEVMUX_CLIENT "/usr/lib/devmux/devmux-client"
#endif

enum { kGoOn = 0, kNo = 77, kCannotExecute = 127 };

// While the daemon that was starting the unit is restarted: for how long it is asked again, and after
// which pause.
enum { kRestartPatience = 5 };  // s
enum { kPause = 200 };          // ms

// To tell of a stop: at the machine's end each script does.
enum { kStopPatience = 1000 };  // ms

static void say(const char* text, const char* more) {
    struct iovec line[] = {{"devmux: ", 8},
                           {(void*)text, strlen(text)},
                           {(void*)more, strlen(more)},
                           {"\n", 1}};
    (void)!writev(STDERR_FILENO, line, sizeof line / sizeof line[0]);
}

static void say_if_any(const char* text) {
    if (text[0] != '\0') say(text, "");
}

static int open_directory(const char* path) {
    struct DirectoryFault fault;
    int directory = open_own_directory(path, &fault);
    if (directory < 0 && fault.why) say(path, ": is not asked: the directory is not safe");
    return directory;
}

// Before the first daemon of a boot there is none: a claim that nobody could leave would be a script that runs twice.
static int make_directory(const char* path) {
    char above[PATH_MAX];
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') --size;
    size_t end = size;
    while (size > 0 && path[size - 1] != '/') --size;
    if (size == 0 || end == size || end >= sizeof above) return -1;
    memcpy(above, path, end);
    above[end] = above[size - 1] = '\0';
    struct DirectoryFault fault;
    int parent = open_own_directory(size == 1 ? "/" : above, &fault);
    if (parent < 0) return -1;
    bool made = mkdirat(parent, above + size, 0755) == 0, raced = !made && errno == EEXIST;
    int directory = made ? openat(parent, above + size, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    close(parent);
    if (directory >= 0) fchmod(directory, 0755);  // whatever the umask of the script is
    // Scripts that boot runs beside each other come here at once, and so may the daemon.
    return raced ? open_own_directory(path, &fault) : directory;
}

static enum GuardOutcome ask(int directory, const char* name, enum GuardQuestionKind kind, int patience,
                             struct GuardAnswer* answer) {
    if (directory < 0) return kGuardNobody;
    enum GuardOutcome outcome = ask_guard(directory, name, kind, patience, answer, say_if_any);
    (void)!chdir("/");
    return outcome;
}

static bool is_answer(enum GuardOutcome outcome) { return outcome == kGuardGoOn || outcome == kGuardNo; }

// Nobody has answered, and the script will run: whoever comes later is to know. Then once more: a daemon that
// has come meanwhile either finds the claim, or hears us; one that sleeps hears that there is a claim.
static enum GuardOutcome claim(const char* path, int* directory, const char* name, enum GuardOutcome outcome,
                               struct GuardAnswer* answer) {
    char text[kClaimMost];
    pid_t script = getppid();
    size_t size = claim_text("/proc", script > 1 ? script : getpid(), text);
    if (size == 0) return outcome;
    if (*directory < 0) *directory = make_directory(path);
    if (*directory < 0) return outcome;
    (void)leave_claim(*directory, name, text, size);  // where it could not, who has come meanwhile may hear it
    outcome = ask(*directory, name, kGuardStart, outcome == kGuardSilent ? 1 : kGuardPatience, answer);
    if (is_answer(outcome)) take_claim_back(*directory, name);
    return outcome;
}

static time_t seconds(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static int guard(const char* path, const char* name, const char* action) {
    // Who reads what we say may have gone; the answer is the exit status all the same.
    signal(SIGPIPE, SIG_IGN);
    bool stop = strcmp(action, "stop") == 0;
    if (!stop && strcmp(action, "start") != 0) return kGoOn;
    if (!guard_name_is_good(name)) {
        say("guard: this is no name of a unit, the script goes on: ", name);
        return kGoOn;
    }
    struct GuardAnswer answer;
    int directory = open_directory(path);
    if (stop) {
        (void)ask(directory, name, kGuardStop, kStopPatience, &answer);
        if (directory >= 0) take_claim_back(directory, name);
        return kGoOn;
    }
    enum GuardOutcome outcome = ask(directory, name, kGuardStart, kGuardPatience, &answer);
    if (outcome == kGuardLost) {
        say("guard: devmuxd went away while it was starting ", name);
        for (time_t end = seconds() + kRestartPatience; !is_answer(outcome) && seconds() < end;) {
            nanosleep(&(struct timespec){.tv_nsec = kPause * 1000000L}, NULL);
            outcome = ask(directory, name, kGuardAgain, kGuardPatience, &answer);
        }
    }
    if (!is_answer(outcome)) outcome = claim(path, &directory, name, outcome, &answer);
    if (is_answer(outcome)) say_if_any(answer.text);
    return outcome == kGuardNo ? kNo : kGoOn;
}

// `devmux [--runtime-dir DIR] guard NAME ACTION`: null for everything else, and for what is no such
// line in full; of that the client says what is wrong.
static bool is_guard(char** argv, const char** path, const char* words[3]) {
    static const char kOption[] = "--runtime-dir";
    size_t length = sizeof kOption - 1, found = 0;
    for (int i = argv[0] ? 1 : 0; argv[i]; ++i) {
        if (strncmp(argv[i], kOption, length) == 0 && argv[i][length] == '=') {
            *path = argv[i] + length + 1;
        } else if (strcmp(argv[i], kOption) == 0 && argv[i + 1]) {
            *path = argv[++i];
        } else if (argv[i][0] == '-' || found == 3 || (found == 0 && strcmp(argv[i], "guard") != 0)) {
            return false;
        } else {
            words[found++] = argv[i];
        }
    }
    return found == 3;
}

// Beside this program, for one that is not installed; else where it was installed to.
static int be_the_client(char** argv) {
    static const char kName[] = "devmux-client";
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - sizeof kName);
    while (size > 0 && path[size - 1] != '/') --size;
    if (size > 0) {
        memcpy(path + size, kName, sizeof kName);
        execv(path, argv);
    }
    execv(DEVMUX_CLIENT, argv);
    say(DEVMUX_CLIENT ": cannot be executed: ", strerror(errno));
    return kCannotExecute;
}

int main(int argc, char** argv) {
    (void)argc;  // the list ends with a null, also where argc is 0
    const char* path = getenv("DEVMUX_RUNTIME_DIR");
    if (!path || path[0] == '\0') path = "/run/devmux";
    const char* words[3];
    if (is_guard(argv, &path, words)) return guard(path, words[1], words[2]);
    return be_the_client(argv);
}
