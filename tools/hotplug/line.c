// See line.h.
#include "tools/hotplug/line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

static const char kName[] = "devmux-hotplug: ";
static const char kPriority[] = "<28>";  // syslog(3): LOG_DAEMON | LOG_WARNING
enum { kShownMost = 200 };

static bool stderr_is_heard;

static void put_bytes(struct Line* line, const char* bytes, size_t size) {
    size_t room = sizeof line->bytes - 1 - line->size;  // always one left for the newline
    if (size > room) size = room;
    memcpy(line->bytes + line->size, bytes, size);
    line->size += size;
}

void put(struct Line* line, const char* text) { put_bytes(line, text, strlen(text)); }

void put_number(struct Line* line, unsigned long long number) {
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    put_bytes(line, digits + at, sizeof digits - at);
}

void put_printable(struct Line* line, const char* text) {
    static const char kHex[] = "0123456789abcdef";
    size_t length = strnlen(text, kShownMost + 1);
    for (size_t i = 0; i < length && i < kShownMost; ++i) {
        unsigned char c = (unsigned char)text[i];
        if (c >= ' ' && c < 0x7F && c != '"' && c != '\\') {
            put_bytes(line, text + i, 1);
        } else {
            char escaped[] = {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
            put_bytes(line, escaped, sizeof escaped);
        }
    }
    if (length > kShownMost) put(line, "…");
}

void put_quoted(struct Line* line, const char* text) {
    put(line, "\"");
    put_printable(line, text);
    put(line, "\"");
}

void open_standard_descriptors(void) {
    bool was_open = fcntl(STDERR_FILENO, F_GETFD) >= 0;
    // "/" is always there, /dev/null is not; and by such a descriptor nothing can be read or
    // written.
    for (int fd = 0; fd <= STDERR_FILENO; ++fd)
        if (fcntl(fd, F_GETFD) < 0) (void)!open("/", O_PATH);
    struct stat status;
    bool to_nowhere = fstat(STDERR_FILENO, &status) != 0 ||
                      (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3));  // /dev/null
    stderr_is_heard = was_open && !to_nowhere;
}

void say_to_the_log_alone(void) { stderr_is_heard = false; }

static bool write_whole(int fd, const struct Line* line) {
    ssize_t size;
    do size = write(fd, line->bytes, line->size);
    while (size < 0 && errno == EINTR);
    return size == (ssize_t)line->size;
}

static bool say_to_kernel_log(const struct Line* line) {
    int fd = open("/dev/kmsg", O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return false;
    bool said = write_whole(fd, line);
    close(fd);
    return said;
}

static void say_to_syslog(const struct Line* line) {
    struct sockaddr_un log = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    (void)sendto(fd, line->bytes, line->size - 1, MSG_DONTWAIT | MSG_NOSIGNAL,
                 (struct sockaddr*)&log, sizeof log);
    close(fd);
}

void say(const struct Line* what, const char* next_step) {
    struct Line line = {.size = 0};
    if (!stderr_is_heard) put(&line, kPriority);
    put(&line, kName);
    put_bytes(&line, what->bytes, what->size);
    if (next_step) {
        put(&line, stderr_is_heard ? "\n    " : "; ");
        put(&line, next_step);
    }
    line.bytes[line.size++] = '\n';
    if (stderr_is_heard) (void)write_whole(STDERR_FILENO, &line);
    else if (!say_to_kernel_log(&line)) say_to_syslog(&line);
}
