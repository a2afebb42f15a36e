// See message.h. What comes in: the kernel's helper has the device's variables, HOME and PATH
// (kobject_uevent_env in lib/kobject_uevent.c). Busybox mdev puts the variables of the message, at
// most 32, into its own environment, adds MDEV, and has a shell run the command (make_device and
// daemon_loop in util-linux/mdev.c): whatever its parent and the shell exported is there as well.
#include "tools/hotplug/message.h"

#include <stdbool.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

// First in line where room is short: without these it is no event, or another one …
static const char* const kNeeded[] = {"ACTION", "DEVPATH",     "SUBSYSTEM",
                                      "SEQNUM", "DEVPATH_OLD", "SYNTH_UUID"};
enum { kAction, kDevpath, kSubsystem, kSeqnum, kDevpathOld, kSynthUuid };
// … and these the engine reads as well, or they name the device.
static const char* const kWanted[] = {"DRIVER", "DEVTYPE", "DEVNAME", "MAJOR", "MINOR"};
// Of a helper's process and never of a device. What else a parent may have exported cannot be told
// from a property; the daemon filters what it hands to scripts (engine/plan/environment.h).
static const char* const kNever[] = {"HOME",  "LOGNAME", "MDEV", "OLDPWD", "PATH", "PWD",
                                     "SHELL", "SHLVL",   "TERM", "USER",   "_",    NULL};
static const char* const kNeverBegins[] = {"DEVMUX_", "LD_", NULL};

static bool is_one_of(const char* const* list, const char* name, size_t length) {
    for (; *list; ++list)
        if (strlen(*list) == length && memcmp(*list, name, length) == 0) return true;
    return false;
}

static bool may_be_in_a_name(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == ':' || c == '-';
}

// The length of the name before "=" of a variable that may be a device's; 0 of any other.
static size_t name_length(const char* text) {
    size_t length = 0;
    while (may_be_in_a_name(text[length])) ++length;
    if (text[length] != '=' || is_one_of(kNever, text, length)) return 0;
    for (const char* const* begin = kNeverBegins; *begin; ++begin)
        if (strncmp(text, *begin, strlen(*begin)) == 0) return 0;
    return length;
}

const char* variable_of(const char* const* environment, const char* name) {
    size_t length = strlen(name);
    for (; *environment; ++environment)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

static bool append(struct Message* message, const char* bytes, size_t size) {
    if (size > sizeof message->bytes - message->size) return false;
    memcpy(message->bytes + message->size, bytes, size);
    message->size += size;
    return true;
}

// All of it or nothing.
static bool append_variable(struct Message* message, const char* name, size_t length,
                            const char* value) {
    size_t before = message->size;
    if (message->variables < kMessageMaxVariables && append(message, name, length) &&
        append(message, "=", 1) && append(message, value, strlen(value) + 1)) {
        ++message->variables;
        return true;
    }
    message->size = before;
    return false;
}

// The message begins with its header, which is no variable.
static bool is_in(const struct Message* message, const char* name, size_t length) {
    const char* end = message->bytes + message->size;
    const char* at = message->bytes;
    for (at += strlen(at) + 1; at < end; at += strlen(at) + 1)
        if (strncmp(at, name, length) == 0 && at[length] == '=') return true;
    return false;
}

static bool begins_one_of(const char* const* texts, size_t count, const char* name, size_t length) {
    for (size_t i = 0; i < count; ++i)
        if (strncmp(texts[i], name, length) == 0) return true;
    return false;
}

// -- What the daemon would refuse is refused here, where somebody may see it --

static bool is_control(char c) { return (unsigned char)c < ' ' || c == 0x7F; }

static bool is_dots(const char* name, size_t length) {
    return (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.');
}

static const char* devpath_expected(const char* path) {
    if (path[0] != '/') return "a path that begins with /";
    if (strlen(path) > kDevpathMost) return "at most 4096 bytes";
    if (strncmp(path, "/sys/", 5) == 0) return "a path below /sys, without /sys itself";
    for (const char* begin = path + 1;; ++begin) {
        size_t length = strcspn(begin, "/");
        if (length == 0) return "a name between two slashes and after the last one";
        if (is_dots(begin, length)) return "no component . or ..";
        begin += length;
        if (*begin == '\0') return NULL;
    }
}

static const char* action_expected(const char* word) {
    if (*word == '\0') return "a word like add";
    for (; *word; ++word)
        if (!may_be_in_a_name(*word)) return "a word like add";
    return NULL;
}

static const char* subsystem_expected(const char* name) {
    if (*name == '\0' || is_dots(name, strlen(name))) return "the name of a subsystem";
    for (; *name; ++name)
        if (*name == '/' || is_control(*name)) return "the name of a subsystem";
    return NULL;
}

static const char* seqnum_expected(const char* text) {
    static const char kMost[] = "18446744073709551615";
    const char* digits = text;
    while (*digits == '0' && digits[1] != '\0') ++digits;
    size_t length = strlen(digits);
    if (length == 0 || strspn(digits, "0123456789") != length || length > sizeof kMost - 1 ||
        (length == sizeof kMost - 1 && strcmp(digits, kMost) > 0))
        return "a number of 64 bits";
    return NULL;
}

static const struct Fault kSound = {NULL, NULL, NULL};

static struct Fault fault(const char* variable, const char* found, const char* expected) {
    return (struct Fault){variable, found, expected};
}

// What a variable has to be; null when it is that.
static const char* expected_of(const char* name, const char* value, const char* action) {
    if (strcmp(name, "ACTION") == 0) return action_expected(value);
    if (strcmp(name, "DEVPATH") == 0) return devpath_expected(value);
    if (strcmp(name, "SUBSYSTEM") == 0) return subsystem_expected(value);
    if (strcmp(name, "SEQNUM") == 0) return seqnum_expected(value);
    if (strcmp(name, "DEVPATH_OLD") == 0 && strcmp(action, "move") == 0)
        return devpath_expected(value);
    return NULL;
}

// kNeeded, with the header in front of them; `values` are theirs, null where there is none.
static struct Fault append_needed(struct Message* message, const char* const* values) {
    static const char kShorter[] = "an event of at most 8192 bytes";
    const char *action = values[kAction], *devpath = values[kDevpath];
    for (size_t i = 0; i < COUNT(kNeeded); ++i) {
        const char* expected = values[i] ? expected_of(kNeeded[i], values[i], action) : NULL;
        if (expected) return fault(kNeeded[i], values[i], expected);
    }
    if (!append(message, action, strlen(action)) || !append(message, "@", 1) ||
        !append(message, devpath, strlen(devpath) + 1))
        return fault("DEVPATH", devpath, kShorter);
    for (size_t i = 0; i < COUNT(kNeeded); ++i)
        if (values[i] && !append_variable(message, kNeeded[i], strlen(kNeeded[i]), values[i]))
            return fault(kNeeded[i], values[i], kShorter);
    return kSound;
}

struct Fault build_message(struct Message* message, const char* subsystem,
                           const char* const* environment) {
    message->size = message->variables = message->left_out = 0;
    message->first_left_out = NULL;
    const char* values[COUNT(kNeeded)];
    for (size_t i = 0; i < COUNT(kNeeded); ++i) values[i] = variable_of(environment, kNeeded[i]);
    if (!values[kAction]) return fault("ACTION", NULL, "what happened to the device");
    if (!values[kDevpath]) return fault("DEVPATH", NULL, "the device that it happened to");
    if (!values[kSubsystem]) values[kSubsystem] = subsystem;
    if (!values[kSubsystem]) return fault("SUBSYSTEM", NULL, "it there, or as an argument");
    // Somebody wrote "move" into a uevent file: nothing moved, and so there is no old path.
    if (strcmp(values[kAction], "move") == 0 && !values[kDevpathOld] && !values[kSynthUuid])
        return fault("DEVPATH_OLD", NULL, "with ACTION=move the path that it had before");

    struct Fault trouble = append_needed(message, values);
    if (trouble.variable) return trouble;
    for (size_t i = 0; i < COUNT(kWanted); ++i) {
        const char* value = variable_of(environment, kWanted[i]);
        if (value) (void)append_variable(message, kWanted[i], strlen(kWanted[i]), value);
    }
    // The names of what was left out: a second value of such a variable is no better than of
    // another. When that many did not fit, nothing more is tried.
    const char* left_out[16];
    for (; *environment; ++environment) {
        const char* text = *environment;
        size_t length = name_length(text);
        if (length == 0 || is_in(message, text, length)) continue;
        if (message->left_out < COUNT(left_out)) {
            if (begins_one_of(left_out, message->left_out, text, length + 1)) continue;
            if (append_variable(message, text, length, text + length + 1)) continue;
            left_out[message->left_out] = text;
        }
        if (message->left_out++ == 0) message->first_left_out = text;
    }
    return kSound;
}
