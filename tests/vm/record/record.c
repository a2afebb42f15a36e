/* Writes down what the kernel says of devices, in the format of tests/data/events.
 *
 *   record listen FILE      appends a block per uevent, with the attributes as they
 *                           are when the event is read, until it is killed
 *   record sysfs PATH...    prints a block for each device and each of its ancestors,
 *                           from sysfs alone
 *
 * Static and without libraries, for the guests of record_events.py.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST = 200 }; /* bytes of an attribute worth keeping */

/* Prints one attribute file if it is a short line of text. */
static void attribute(FILE *out, int dir, const char *prefix, const char *name) {
    char text[LONGEST + 2];
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) || !(st.st_mode & 0444))
        return;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    if (n < 0 || n >= LONGEST)
        return;
    char *begin = text, *end = text + n;
    while (begin < end && isspace((unsigned char)*begin))
        begin++;
    for (char *c = begin; c < end; c++)
        if (!isprint((unsigned char)*c) && *c != '\t')
            return;
    fprintf(out, "A %s%s=%.*s\n", prefix, name, (int)(end - begin), begin);
}

static int visible(const struct dirent *e) { return e->d_name[0] != '.'; }

/* Prints the attributes directly in a folder, sorted. */
static void attributes(FILE *out, int parent, const char *folder, const char *prefix) {
    int dir = openat(parent, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return;
    struct dirent **entries;
    int count = scandirat(dir, ".", &entries, visible, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        /* Reading the resources of a PCI device touches the device itself. */
        if (strcmp(name, "uevent") && strncmp(name, "resource", 8))
            attribute(out, dir, prefix, name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    close(dir);
}

/* The last component of a symbolic link's target, or an empty string. */
static const char *link_name(int dir, const char *name) {
    static char target[PATH_MAX];
    ssize_t n = readlinkat(dir, name, target, sizeof target - 1);
    if (n < 0)
        return "";
    target[n] = '\0';
    char *slash = strrchr(target, '/');
    return slash ? slash + 1 : target;
}

/* What is in the folder of a device, beside its uevent file. */
static void contents(FILE *out, int dir) {
    attributes(out, dir, ".", "");
    attributes(out, dir, "capabilities", "capabilities/"); /* input devices */
    attributes(out, dir, "id", "id/");
    const char *driver = link_name(dir, "driver");
    if (*driver)
        fprintf(out, "D %s\n", driver);
}

static int open_dir(const char *path) { return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

/* Prints KEY=VALUE as a line: a control character becomes \xHH (a CPU's MODALIAS ends with a newline). */
static void variable(FILE *out, const char *text) {
    fputs("E ", out);
    for (; *text; text++)
        fprintf(out, iscntrl((unsigned char)*text) ? "\\x%02x" : "%c", (unsigned char)*text);
    fputc('\n', out);
}

static void listen_to(const char *file) {
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    int size = 64 << 20;
    struct sockaddr_nl kernel_group = {.nl_family = AF_NETLINK, .nl_groups = 1};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) ||
        bind(fd, (struct sockaddr *)&kernel_group, sizeof kernel_group))
        err(1, "uevent socket");
    FILE *out = fopen(file, "ae");
    if (!out)
        err(1, "%s", file);
    static char message[64 << 10];
    for (;;) {
        ssize_t n = recv(fd, message, sizeof message - 1, 0);
        if (n < 0)
            err(1, "recv"); /* above all: no event may be missing */
        message[n] = '\0';
        const char *devpath = "", *action = "";
        for (char *p = message + strlen(message) + 1; p < message + n; p += strlen(p) + 1) {
            if (!strncmp(p, "DEVPATH=", 8))
                devpath = p + 8;
            if (!strncmp(p, "ACTION=", 7))
                action = p + 7;
        }
        fprintf(out, "device %s\n", devpath);
        for (char *p = message + strlen(message) + 1; p < message + n; p += strlen(p) + 1)
            variable(out, p);
        char path[PATH_MAX + 8];
        snprintf(path, sizeof path, "/sys%s", devpath);
        int dir = strcmp(action, "remove") ? open_dir(path) : -1;
        if (dir >= 0) {
            contents(out, dir);
            close(dir);
        }
        fputc('\n', out);
        fflush(out);
    }
}

static void from_sysfs(const char *path) {
    char device[PATH_MAX], line[4096];
    if (!realpath(path, device))
        err(1, "%s", path);
    for (; !strncmp(device, "/sys/devices/", 13); *strrchr(device, '/') = '\0') {
        int dir = open_dir(device);
        int fd = openat(dir, "uevent", O_RDONLY | O_CLOEXEC);
        FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
        if (in) { /* otherwise it is only a folder */
            printf("device %s\nE ACTION=add\n", device + 4);
            const char *subsystem = link_name(dir, "subsystem");
            if (*subsystem)
                printf("E SUBSYSTEM=%s\n", subsystem);
            while (fgets(line, sizeof line, in))
                if (*line != '\n')
                    printf("E %s", line);
            fclose(in);
            contents(stdout, dir);
            putchar('\n');
        }
        close(dir);
    }
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "listen"))
        listen_to(argv[2]);
    else if (argc >= 2 && !strcmp(argv[1], "sysfs"))
        for (int i = 2; i < argc; i++)
            from_sysfs(argv[i]);
    else
        errx(2, "usage: record listen FILE | record sysfs PATH...");
}
