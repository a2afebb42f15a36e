// READY=1 over a real socket: who has said it, and what is not believed.
#include "engine/run/notify_socket.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/run/temp_dir.h"

using namespace devmux;

namespace {

// Sends to the socket, with a descriptor along if `fd` is one.
void send(const std::string& path, const std::string& text, int fd = -1) {
    Descriptor from(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    std::string copy = text;
    iovec part{.iov_base = copy.data(), .iov_len = copy.size()};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = sizeof address;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    }
    REQUIRE(sendmsg(from.get(), &message, 0) == static_cast<ssize_t>(text.size()));
}

int open_descriptors() {
    int count = 0;
    for (int fd = 0; fd < 1024; ++fd) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

}  // namespace

TEST_SUITE("run/notify_socket") {
    TEST_CASE("who says READY=1, by the kernel's word") {
        TempDir dir;
        auto socket = NotifySocket::open(dir / "notify");
        REQUIRE(socket);
        CHECK(socket->take().empty());
        send(socket->path(), "READY=1");
        send(socket->path(), "STATUS=well\nREADY=1\nMAINPID=1\n");
        CHECK(socket->take() == std::vector<int>{getpid(), getpid()});
        pid_t child = fork();
        if (child == 0) {
            send(socket->path(), "READY=1");
            _exit(0);
        }
        REQUIRE(waitpid(child, nullptr, 0) == child);
        CHECK(socket->take() == std::vector<int>{child});
        CHECK(socket->take().empty());
    }

    TEST_CASE("what is no such word") {
        TempDir dir;
        auto socket = NotifySocket::open(dir / "notify");
        REQUIRE(socket);
        for (const std::string& text : {std::string("READY=0"), std::string("XREADY=1"), std::string("READY=1x"),
                                        std::string("STATUS=READY=1"), std::string("\n\n"),
                                        "READY=1\n" + std::string(5000, 'x')})
            send(socket->path(), text);
        CHECK(socket->take().empty());
    }

    TEST_CASE("a descriptor that comes along is not kept") {
        TempDir dir;
        auto socket = NotifySocket::open(dir / "notify");
        REQUIRE(socket);
        int before = open_descriptors();
        for (int i = 0; i < 8; ++i) send(socket->path(), "READY=1", 0);
        CHECK(socket->take().size() == 8);
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("a flood is read in parts") {
        TempDir dir;
        auto socket = NotifySocket::open(dir / "notify");
        REQUIRE(socket);
        // The kernel's own bound is net.unix.max_dgram_qlen, 10 on small machines: sent and read by turns.
        size_t got = 0;
        for (int i = 0; i < 200; ++i) {
            send(socket->path(), "READY=1");
            if (i % 5 == 4) got += socket->take().size();
        }
        CHECK(got == 200);
    }

    TEST_CASE("an old socket is replaced; a path that is too long is told") {
        TempDir dir;
        auto first = NotifySocket::open(dir / "notify");
        auto second = NotifySocket::open(dir / "notify");
        REQUIRE(first);
        REQUIRE(second);
        send(dir / "notify", "READY=1");
        CHECK(first->take().empty());
        CHECK(second->take().size() == 1);
        auto long_one = NotifySocket::open(dir / std::string(120, 'x'));
        REQUIRE_FALSE(long_one);
        CHECK(long_one.error().what.find("too long") != std::string::npos);
    }
}
