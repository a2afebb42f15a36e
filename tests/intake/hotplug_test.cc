// The socket of devmux-hotplug: who is heard, what is not, and what a full queue does to the
// senders. The helper itself is run by tests/e2e/hotplug_helper.py.
#include "engine/intake/hotplug.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "engine/intake/uevent.h"
#include "tests/run/temp_dir.h"
#include "tools/hotplug/message.h"

using namespace devmux;
using std::string_literals::operator""s;
using Kind = Received::Kind;

// The helper is C and has these numbers for itself.
static_assert(kMessageMaxBytes == kHotplugMaxBytes);
static_assert(kRetryMostSeconds == kHotplugRetrySeconds);
static_assert(kMessageMaxVariables == kUeventMaxVariables);
static_assert(kDevpathMost == kDevpathMaxBytes);

namespace {

constexpr uid_t kNobody = 65534;

std::string event(int number) {
    std::string path = "/devices/test/n" + std::to_string(number);
    return "add@" + path + "\0ACTION=add\0DEVPATH="s + path + "\0SUBSYSTEM=test\0"s +
           "SEQNUM=" + std::to_string(number) + '\0';
}

// A sender that is connected already: it needs no path and no right to the file.
struct Sender {
    Descriptor fd{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    explicit Sender(const std::string& path) {
        sockaddr_un to{};
        to.sun_family = AF_UNIX;
        path.copy(to.sun_path, sizeof to.sun_path - 1);
        error = connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 ? 0 : errno;
    }
    int error = 0;
    // 0, or errno.
    int send(const std::string& text) const {
        ssize_t sent = ::send(fd.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        return sent == static_cast<ssize_t>(text.size()) ? 0 : errno;
    }
    int send_with_descriptor(const std::string& text, int other) const {
        iovec vector{const_cast<char*>(text.data()), text.size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof other)> control{};
        msghdr header{};
        header.msg_iov = &vector;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof other);
        std::memcpy(CMSG_DATA(part), &other, sizeof other);
        return sendmsg(fd.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? 0 : errno;
    }
};

// Runs `body` in a process of another user; what it returns, or -1 where that is not allowed. Its
// pid goes to `pid`.
int as_user(uid_t uid, const std::function<int()>& body, pid_t* pid = nullptr) {
    pid_t child = fork();
    if (child == 0) _exit(setgid(uid) == 0 && setuid(uid) == 0 ? body() : 255);
    if (pid) *pid = child;
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) != 255) return WEXITSTATUS(status);
    MESSAGE("skipped: needs root to become another user");
    return -1;
}

Received next_of(HotplugSocket& socket) {
    Received received;
    bool more = socket.next(received);
    CHECK(more == (received.kind != Kind::Empty && received.kind != Kind::Failed));
    CHECK(received.message.empty() == (received.kind != Kind::Message));
    return received;
}

struct Fixture : TempDir {
    std::string at = *this / "hotplug";
    HotplugSocket socket = std::move(*HotplugSocket::open(at));
    Sender sender{at};
};

std::string error_of(const std::string& path) {
    auto opened = HotplugSocket::open(path);
    REQUIRE(!opened);
    return opened.error().to_string();
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

size_t open_descriptors() {
    namespace fs = std::filesystem;
    return static_cast<size_t>(
        std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

size_t queue_length() {
    size_t length = 0;
    std::ifstream("/proc/sys/net/unix/max_dgram_qlen") >> length;
    return length;
}

}  // namespace

TEST_SUITE_BEGIN("intake/hotplug");

TEST_CASE("events in order, then empty, and events again") {
    Fixture f;
    CHECK(next_of(f.socket).kind == Kind::Empty);
    for (int round = 0; round < 2; ++round) {
        for (int i = 1; i <= 5; ++i) REQUIRE(f.sender.send(event(i)) == 0);
        for (int i = 1; i <= 5; ++i) {
            Received received = next_of(f.socket);
            REQUIRE_MESSAGE(received.kind == Kind::Message, received.why);
            CHECK(received.message == event(i));
            CHECK(received.why.empty());
            Result<Uevent> parsed = parse_uevent(received.message);
            REQUIRE(parsed);
            CHECK(parsed->seqnum == static_cast<uint64_t>(i));
        }
        CHECK(next_of(f.socket).kind == Kind::Empty);
    }
}

TEST_CASE("readable when there is something, and not before") {
    Fixture f;
    pollfd fd{f.socket.fd(), POLLIN, 0};
    CHECK(poll(&fd, 1, 0) == 0);
    REQUIRE(f.sender.send(event(1)) == 0);
    CHECK(poll(&fd, 1, 0) == 1);
}

TEST_CASE("the longest is taken whole; what is longer is truncated, and what follows is heard") {
    Fixture f;
    std::string longest = event(1) + "X=";
    longest.append(kHotplugMaxBytes - longest.size() - 1, 'x').push_back('\0');
    REQUIRE(f.sender.send(longest) == 0);
    REQUIRE(f.sender.send(longest + "x") == 0);
    REQUIRE(f.sender.send(event(3)) == 0);
    CHECK(next_of(f.socket).message == longest);
    Received received = next_of(f.socket);
    CHECK(received.kind == Kind::Truncated);
    CHECK(received.why == "longer than 8192 bytes");
    CHECK(next_of(f.socket).message == event(3));
}

TEST_CASE("an empty datagram is a message, and no event") {
    Fixture f;
    REQUIRE(f.sender.send("") == 0);
    Received received;
    CHECK(f.socket.next(received));
    CHECK(received.kind == Kind::Message);
    CHECK_FALSE(parse_uevent(received.message));
}

TEST_CASE("another user is refused by name, also with a descriptor that root connected") {
    Fixture f;
    pid_t pid = 0;
    // Too long as well: it is refused, not an event that was lost.
    std::string text = event(1) + std::string(kHotplugMaxBytes, 'x');
    for (const std::string& sent : {event(1), text}) {
        int error = as_user(
            kNobody, [&] { return f.sender.send(sent); }, &pid);
        if (error < 0) return;
        REQUIRE(error == 0);
        Received received = next_of(f.socket);
        CHECK(received.kind == Kind::Refused);
        CHECK(received.why == "uid 65534 (process " + std::to_string(pid) +
                                  ") may not tell us of events: only root may");
    }
    REQUIRE(f.sender.send(event(2)) == 0);
    CHECK(next_of(f.socket).message == event(2));
}

TEST_CASE("another user does not get as far as that") {
    Fixture f;
    std::filesystem::permissions(f.path(), std::filesystem::perms(0755));
    int error = as_user(kNobody, [&] { return Sender(f.at).error; });
    if (error >= 0) CHECK(error == EACCES);
}

TEST_CASE("a daemon of another user hears that user and root, and nobody else") {
    TempDir dir;
    std::filesystem::permissions(dir.path(), std::filesystem::perms(0777));
    // The effective user is whom the daemon runs as, the real one who sends.
    int failed = as_user(0, [&] {
        if (setresuid(0, kNobody, 0) != 0) return 1;
        auto socket = HotplugSocket::open(dir / "hotplug");
        if (!socket) return 2;
        Sender sender(dir / "hotplug");
        for (uid_t uid : {uid_t{0}, kNobody, uid_t{1}}) {
            Received received;
            // Only an effective root may become anybody.
            if (setresuid(0, 0, 0) != 0 || setresuid(uid, kNobody, 0) != 0) return 7;
            if (sender.send(event(1)) != 0) return 3;
            if (!socket->next(received)) return 4;
            if ((received.kind == Kind::Message) != (uid != 1)) return 5;
            if (uid == 1 && !contains(received.why, "only root and uid 65534 may")) return 6;
        }
        return 0;
    });
    if (failed >= 0) CHECK(failed == 0);
}

TEST_CASE("credentials: none, older than the wish for them, or not alone") {
    Fixture f;
    int on = 1, off = 0;
    auto credentials = [&](int value) {
        REQUIRE(setsockopt(f.socket.fd(), SOL_SOCKET, SO_PASSCRED, &value, sizeof value) == 0);
    };
    credentials(off);
    REQUIRE(f.sender.send(event(1)) == 0);
    Received received = next_of(f.socket);
    CHECK(received.kind == Kind::Refused);
    CHECK(received.why == "without credentials");

    // The reason for asking before bind(2): it is from nobody, whoever sent it.
    REQUIRE(f.sender.send(event(2)) == 0);
    credentials(on);
    received = next_of(f.socket);
    if (geteuid() != kNobody) {
        CHECK(received.kind == Kind::Refused);
        CHECK(contains(received.why, "uid 65534 (process 0)"));
    }

    size_t before = open_descriptors();
    REQUIRE(f.sender.send_with_descriptor(event(3), f.sender.fd.get()) == 0);
    received = next_of(f.socket);
    CHECK(received.kind == Kind::Refused);
    CHECK(contains(received.why, "(process " + std::to_string(getpid()) +
                                     ") attached more than its credentials"));
    CHECK(open_descriptors() == before);

    REQUIRE(f.sender.send(event(4)) == 0);
    CHECK(next_of(f.socket).message == event(4));
}

TEST_CASE("a full queue makes the sender wait and loses nothing; SO_RCVBUF has no say in it") {
    Fixture f;
    for (int receive_buffer : {0, 1, 1 << 22}) {
        if (receive_buffer != 0)
            REQUIRE(setsockopt(f.socket.fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                               sizeof receive_buffer) == 0);
        std::string longest = event(1) + "X=" + std::string(8000, 'x') + '\0';
        size_t sent = 0;
        int error = 0;
        // Each its own sender, as helpers are: what is queued counts against theirs.
        while ((error = Sender(f.at).send(longest)) == 0) REQUIRE(++sent < 100'000);
        CHECK(error == EAGAIN);
        CHECK(sent == queue_length() + 1);
        for (size_t i = 0; i < sent; ++i) REQUIRE(next_of(f.socket).message == longest);
        CHECK(next_of(f.socket).kind == Kind::Empty);
    }
    REQUIRE(f.sender.send(event(1)) == 0);
    CHECK(next_of(f.socket).message == event(1));
}

TEST_CASE("the file: nobody else's from the first moment, gone in the end") {
    TempDir dir;
    std::string path = dir / "hotplug";
    for (mode_t mask : {0u, 022u}) {
        mode_t old = umask(mask);
        auto socket = HotplugSocket::open(path);
        umask(old);
        REQUIRE(socket);
        struct stat status {};
        REQUIRE(lstat(path.c_str(), &status) == 0);
        CHECK(S_ISSOCK(status.st_mode));
        CHECK((status.st_mode & 07777) == 0600);
        CHECK((fcntl(socket->fd(), F_GETFD) & FD_CLOEXEC) != 0);
        CHECK((fcntl(socket->fd(), F_GETFL) & O_NONBLOCK) != 0);
    }
    CHECK_FALSE(dir.has("hotplug"));
}

TEST_CASE("a socket that a killed daemon left is replaced") {
    TempDir dir;
    std::string path = dir / "hotplug";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    {
        Descriptor killed(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        REQUIRE(bind(killed.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    CHECK(Sender(path).error == ECONNREFUSED);  // what the helper then sees, and tries again
    auto opened = HotplugSocket::open(path);
    REQUIRE(opened);
    REQUIRE(Sender(path).send(event(1)) == 0);
    CHECK(next_of(*opened).message == event(1));
}

TEST_CASE("moved: one socket, one file; what was assigned over is removed") {
    TempDir dir;
    // Long enough for a string that is not kept in place.
    std::string first = dir / "the-first-of-two-sockets",
                second = dir / "the-second-of-two-sockets";
    auto opened = HotplugSocket::open(first);
    REQUIRE(opened);
    HotplugSocket socket = std::move(*opened);
    CHECK(dir.has("the-first-of-two-sockets"));
    {
        auto other = HotplugSocket::open(second);
        REQUIRE(other);
        socket = std::move(*other);
    }
    CHECK_FALSE(dir.has("the-first-of-two-sockets"));
    REQUIRE(Sender(second).send(event(1)) == 0);
    CHECK(next_of(socket).message == event(1));
}

TEST_CASE("paths at which there can be no socket") {
    TempDir dir;
    std::string file = dir.write("file", "precious");
    CHECK(contains(error_of(file), file + ": is there already and is no socket"));
    CHECK(dir.read("file") == "precious");

    std::string link = dir / "link";
    REQUIRE(symlink(file.c_str(), link.c_str()) == 0);
    CHECK(contains(error_of(link), "is no socket"));
    CHECK(dir.read("file") == "precious");

    CHECK(
        contains(error_of(dir / "missing/hotplug"), "cannot be bound: No such file or directory"));
    CHECK(contains(error_of(dir / "missing/hotplug"), "is the runtime directory there"));
    CHECK(contains(error_of(dir / std::string(200, 'x')), "1 to 107 bytes: choose a shorter"));
    CHECK(contains(error_of(""), "1 to 107 bytes"));
    size_t room = 107 - (dir / "").size();
    CHECK(HotplugSocket::open(dir / std::string(room, 'x')));
    CHECK_FALSE(HotplugSocket::open(dir / std::string(room + 1, 'x')));
}

TEST_CASE("a descriptor that is no socket any more has failed, and says so each time") {
    Fixture f;
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    Descriptor read_end(ends[0]), write_end(ends[1]);
    REQUIRE(dup2(ends[0], f.socket.fd()) >= 0);
    for (int i = 0; i < 2; ++i) {
        Received received = next_of(f.socket);
        CHECK(received.kind == Kind::Failed);
        CHECK(contains(received.why, "reading " + f.at));
    }
}

TEST_SUITE_END();
