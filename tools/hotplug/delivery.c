// See delivery.h. The socket is addressed relative to its directory, which was opened and looked
// at: nobody can exchange it in between, procfs is not needed (the kernel calls before it is
// mounted), and the path may be longer than the 107 bytes of sun_path.
#include "tools/hotplug/delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char kSocket[] = "hotplug";
enum { kMostLinks = 16 };

static struct Attempt undeliverable(const char* what, const char* why, const char* next_step) {
    return (struct Attempt){kUndeliverable, why, what, next_step};
}

static struct Attempt by_error(const char* what, int error) {
    switch (error) {
        case ENOENT:
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE:
            return (struct Attempt){kNobodyListens, "nobody listened at", what,
                                    "is devmuxd running?"};
        case EAGAIN:
            return (struct Attempt){kQueueFull, "the queue was full at", what,
                                    "devmuxd is busy or stopped: devmux status"};
        case ENOBUFS:
        case ENOMEM: return (struct Attempt){kNobodyListens, "no memory to reach", what, NULL};
        case EPROTOTYPE:
            return undeliverable(what, "is a socket of another type",
                                 "is that the runtime directory of devmuxd?");
        case EACCES:
        case EPERM: return undeliverable(what, "may not be used by this user", "be root");
        default: return undeliverable(what, strerror(error), NULL);
    }
}

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

// The runtime directory, open; or -1, and in `attempt` why not.
static int open_directory(const char* path, struct Attempt* attempt) {
    struct Way way = {.links = 0};
    struct stat here, next;
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
            *attempt = undeliverable("", "is behind a symbolic link that others may change",
                                     "name the directory itself");
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
        *attempt = by_error("", error);
    } else if (!is_safe(&here)) {
        *attempt = undeliverable("", "belongs to another user, or others may write into it",
                                 "name the one that devmuxd has");
    } else {
        return fd;
    }
    if (fd >= 0) close(fd);
    return -1;
}

struct Attempt deliver(const struct Message* message, int socket, const char* directory,
                       bool wait) {
    static const char kWhat[] = "/hotplug";
    struct Attempt attempt = {.outcome = kDelivered};
    int fd = open_directory(directory, &attempt);
    if (fd < 0) return attempt;
    // connect(2) and sendto(2) would follow a link here as well.
    struct stat status;
    int error = 0;
    if (fstatat(fd, kSocket, &status, AT_SYMLINK_NOFOLLOW) != 0 || fchdir(fd) != 0) error = errno;
    close(fd);
    if (error != 0) return by_error(kWhat, error);
    if (S_ISSOCK(status.st_mode)) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        memcpy(to.sun_path, kSocket, sizeof kSocket);
        ssize_t size;
        do
            size =
                sendto(socket, message->bytes, message->size,
                       MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT), (struct sockaddr*)&to, sizeof to);
        while (size < 0 && errno == EINTR);
        if (size < 0) attempt = by_error(kWhat, errno);
    } else {
        attempt = undeliverable(kWhat, "is no socket", "remove it and start devmuxd again");
    }
    // Nobody should find that we keep a file system from being unmounted.
    (void)!chdir("/");
    return attempt;
}
