// See question.h.
#include "tools/guard/question.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static const char kSocket[] = "guard";
static const char* const kWords[] = {"1 start ", "1 again ", "1 stop "};

bool guard_name_is_good(const char* name) {
    size_t length = strnlen(name, kGuardNameMost + 1);
    return length > 0 && length <= kGuardNameMost && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:@-") == length;
}

// Above 2: a script may be called with its standard descriptors closed, and what we say to people must
// not go to the daemon.
static int make_socket(void) {
    int made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (made < 0 || made > STDERR_FILENO) return made;
    int fd = fcntl(made, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(made);
    return fd;
}

// 0 is for ever.
static void set_patience(int fd, int which, int ms) {
    struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, which, &limit, sizeof limit);
}

// connect(2) would follow a link, and it does wait where the line of those who want in is full.
static bool reach(int fd, int directory, int patience) {
    struct stat status;
    if (fchdir(directory) != 0 || fstatat(directory, kSocket, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISSOCK(status.st_mode))
        return false;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, kSocket, sizeof kSocket);
    set_patience(fd, SO_SNDTIMEO, patience);
    return connect(fd, (struct sockaddr*)&to, sizeof to) == 0;
}

static bool say(int fd, const char* name, enum GuardQuestionKind kind) {
    char question[kGuardQuestionMost];
    size_t begin = strlen(kWords[kind]), length = strlen(name);
    memcpy(question, kWords[kind], begin);
    memcpy(question + begin, name, length);
    return send(fd, question, begin + length, MSG_NOSIGNAL) == (ssize_t)(begin + length);
}

// One packet; its letter, or 0.
static char hear(int fd, int flags, struct GuardAnswer* answer) {
    char packet[kGuardAnswerMost];
    ssize_t size;
    do size = recv(fd, packet, sizeof packet - 1, flags);
    while (size < 0 && errno == EINTR);
    if (size <= 0) return '\0';
    packet[size] = '\0';
    memcpy(answer->text, packet + 1, (size_t)size);
    return packet[0];
}

enum GuardOutcome ask_guard(int directory, const char* name, enum GuardQuestionKind kind, int patience,
                            struct GuardAnswer* answer, void (*told)(const char* text)) {
    answer->text[0] = '\0';
    answer->outcome = kGuardNobody;
    int fd = make_socket();
    if (fd < 0) return answer->outcome;
    if (reach(fd, directory, patience) && say(fd, name, kind)) {
        answer->outcome = kGuardSilent;
        set_patience(fd, SO_RCVTIMEO, patience);
        char letter = hear(fd, 0, answer);
        if (letter == '\0') {
            // From here on nothing that the daemon says reaches us, and it finds that out; what it has
            // said before that counts.
            shutdown(fd, SHUT_RDWR);
            letter = hear(fd, MSG_DONTWAIT, answer);
        }
        if (letter == 'w') {
            answer->outcome = kGuardLost;
            told(answer->text);
            set_patience(fd, SO_RCVTIMEO, 0);
            answer->text[0] = '\0';
            letter = hear(fd, 0, answer);
        }
        if (letter == 'g') answer->outcome = kGuardGoOn;
        if (letter == 'n') answer->outcome = kGuardNo;
    }
    close(fd);
    return answer->outcome;
}
