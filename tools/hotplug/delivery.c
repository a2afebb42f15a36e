// See delivery.h. The socket is addressed relative to its directory, which was opened and looked
// at: nobody can exchange it in between, procfs is not needed (the kernel calls before it is
// mounted), and the path may be longer than the 107 bytes of sun_path.
#include "tools/hotplug/delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/hotplug/directory.h"

static const char kSocket[] = "hotplug";

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

struct Attempt deliver(const struct Message* message, int socket, const char* directory,
                       bool wait) {
    static const char kWhat[] = "/hotplug";
    struct Attempt attempt = {.outcome = kDelivered};
    struct DirectoryFault fault;
    int fd = open_own_directory(directory, &fault);
    if (fd < 0) return fault.error ? by_error("", fault.error) : undeliverable("", fault.why, fault.next_step);
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
