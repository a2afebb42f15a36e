// See directory.h. The path is walked name by name: procfs is not needed, which is not mounted yet
// when the kernel calls, and nobody can exchange a step between the look at it and its use.
#include "tools/hotplug/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kMostLinks = 16 };

static bool is_safe(const struct stat* directory) {
    return (directory->st_uid == 0 || directory->st_uid == geteuid()) &&
           (directory->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// The path that is still to be walked: as it was given, with links replaced by what they lead to.
struct Way {
    char text[PATH_MAX];
    int links;
};

// Takes the first name off the way; false at its end, and where a name is longer than there can be.
static bool next_name(struct Way* way, char name[NAME_MAX + 1]) {
    const char* begin = way->text + strspn(way->text, "/");
    size_t length = strcspn(begin, "/");
    if (length == 0 || length > NAME_MAX) return false;
    memcpy(name, begin, length);
    name[length] = '\0';
    memmove(way->text, begin + length, strlen(begin + length) + 1);
    return true;
}

// Puts what the link `fd` leads to in front of the way.
static int follow(struct Way* way, int fd) {
    char target[PATH_MAX];
    ssize_t size = readlinkat(fd, "", target, sizeof target);
    if (size < 0) return errno;
    if (++way->links > kMostLinks) return ELOOP;
    size_t rest = strlen(way->text);  // it is empty, or begins with "/"
    if ((size_t)size + rest >= sizeof way->text) return ENAMETOOLONG;
    memmove(way->text + size, way->text, rest + 1);
    memcpy(way->text, target, (size_t)size);
    return 0;
}

int open_own_directory(const char* path, struct DirectoryFault* fault) {
    struct Way way = {.links = 0};
    struct stat here, next;
    *fault = (struct DirectoryFault){0, NULL, NULL};
    int error = strlen(path) < sizeof way.text ? 0 : ENAMETOOLONG;
    if (error == 0) memcpy(way.text, path, strlen(path) + 1);
    int fd = open("/", O_PATH | O_CLOEXEC);
    char name[NAME_MAX + 1];
    while (fd >= 0 && error == 0 && next_name(&way, name)) {
        int step = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (step < 0 || fstat(fd, &here) != 0 || fstat(step, &next) != 0) {
            error = errno;
        } else if (!S_ISLNK(next.st_mode)) {
            int before = fd;
            fd = step;
            step = before;
        } else if (!is_safe(&here)) {
            fault->why = "is behind a symbolic link that others may change";
            fault->next_step = "name the directory itself";
            close(step);
            close(fd);
            return -1;
        } else if ((error = follow(&way, step)) == 0 && way.text[0] == '/') {
            close(fd);
            fd = open("/", O_PATH | O_CLOEXEC);
        }
        if (step >= 0) close(step);
    }
    if (fd < 0) error = errno;
    if (error == 0 && way.text[strspn(way.text, "/")] != '\0') error = ENAMETOOLONG;
    if (error == 0 && fstat(fd, &here) != 0) error = errno;
    if (error == 0 && !S_ISDIR(here.st_mode)) error = ENOTDIR;
    if (error != 0) {
        fault->error = error;
    } else if (!is_safe(&here)) {
        fault->why = "belongs to another user, or others may write into it";
        fault->next_step = "name the one that devmuxd has";
    } else {
        return fd;
    }
    if (fd >= 0) close(fd);
    return -1;
}
