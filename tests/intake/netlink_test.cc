// The kernel's socket: who is believed, what a batch hands out, and what an overrun looks like.
// Where root is needed, sockets live in a network namespace of their own: what is sent there, is
// heard by nobody else on this machine.
#include "engine/intake/netlink.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>

#include "engine/intake/uevent.h"

using namespace devmux;
using std::string_literals::operator""s;
using Kind = Received::Kind;

namespace {

// A listening socket and a sending one in a namespace of their own; -1 where that is not allowed.
struct Network {
    int listener = -1;
    Descriptor sender;
    explicit Network(int receive_buffer) {
        std::thread([&] {
            if (unshare(CLONE_NEWNET) != 0) return;
            Result<int> fd = NetlinkSource::open_uevent_socket(receive_buffer);
            if (fd) listener = *fd;
            sender =
                Descriptor(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT));
        }).join();
    }
    bool there() const {
        if (listener < 0) MESSAGE("skipped: needs root for a network namespace of its own");
        return listener >= 0;
    }
    // To the kernel, which broadcasts it to group 1 in its own name, with a SEQNUM at the end
    // (uevent_net_rcv in lib/kobject_uevent.c).
    bool broadcast(const std::string& text) const {
        struct {
            nlmsghdr header{};
            std::array<char, 2000> text{};
        } packet;
        packet.header.nlmsg_len = static_cast<unsigned>(NLMSG_LENGTH(text.size()));
        packet.header.nlmsg_type = NLMSG_MIN_TYPE;
        packet.header.nlmsg_flags = NLM_F_REQUEST;
        std::memcpy(packet.text.data(), text.data(), text.size());
        return send_to(0, &packet, packet.header.nlmsg_len);
    }
    // To the group, in our own name.
    bool send_to(unsigned groups, const void* data, size_t size) const {
        sockaddr_nl to{};
        to.nl_family = AF_NETLINK;
        to.nl_groups = groups;
        return sendto(sender.get(), data, size, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) ==
               static_cast<ssize_t>(size);
    }
};

std::string numbered(int number) {
    std::string path = "/devices/test/n" + std::to_string(number);
    return "add@" + path + "\0ACTION=add\0DEVPATH="s + path + "\0SUBSYSTEM=test\0"s;
}

// The next step that is not a message of a real device of this machine.
Received next_of_test(NetlinkSource& source) {
    Received received;
    while (source.next(received) && received.kind == Kind::Message &&
           received.message.find("SUBSYSTEM=test") == std::string_view::npos) {}
    return received;
}

sockaddr_nl address(unsigned pid, unsigned groups) {
    sockaddr_nl out{};
    out.nl_family = AF_NETLINK;
    out.nl_pid = pid;
    out.nl_groups = groups;
    return out;
}

}  // namespace

TEST_SUITE_BEGIN("intake/netlink");

TEST_CASE("only the kernel is believed") {
    const ucred root{0, 0, 0}, user{123, 1000, 1000}, init{1, 0, 0};
    struct Row {
        const char* name;
        sockaddr_nl from;
        const ucred* credentials;
        unsigned flags;
        const char* why;
    };
    sockaddr_nl unix_family = address(0, 1), none{};
    unix_family.nl_family = AF_UNIX;
    for (const Row& row : {
             Row{"kernel", address(0, 1), &root, 0, ""},
             Row{"flags of no concern", address(0, 1), &root, MSG_TRUNC, ""},
             Row{"another process", address(4711, 1), &root, 0, "port 4711: expected port 0"},
             Row{"init", address(1, 1), &init, 0, "port 1"},
             Row{"udev's group", address(0, 2), &root, 0, "groups 2: expected group 1"},
             Row{"two groups", address(0, 3), &root, 0, "groups 3"},
             Row{"unicast", address(0, 0), &root, 0, "groups 0"},
             Row{"a user", address(0, 1), &user, 0, "uid 1000: expected 0"},
             Row{"nobody", address(0, 1), nullptr, 0, "without credentials"},
             Row{"cut off", address(0, 1), &root, MSG_CTRUNC, "cut off"},
             Row{"unix", unix_family, &root, 0, "not from a netlink socket"},
             Row{"unspecified", none, &root, 0, "not from a netlink socket"},
         }) {
        CAPTURE(row.name);
        std::optional<std::string> why = refuse_sender(row.from, row.credentials, row.flags);
        CHECK(why.has_value() == (row.why[0] != '\0'));
        if (why) CHECK_MESSAGE(why->find(row.why) != std::string::npos, *why);
    }
}

TEST_CASE("a socket of another family: all refused, then empty") {
    std::array<int, 2> pair{};
    REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) == 0);
    Descriptor sender(pair[1]);
    NetlinkSource source(pair[0]);
    CHECK(source.fd() == pair[0]);
    Received received;
    CHECK_FALSE(source.next(received));
    CHECK(received.kind == Kind::Empty);

    // More than a batch.
    for (int i = 0; i < 40; ++i) {
        std::string text = numbered(i);
        ssize_t sent = send(sender.get(), text.data(), text.size(), MSG_DONTWAIT);
        if (sent < 0) {  // net.unix.max_dgram_qlen
            CHECK(errno == EAGAIN);
            CHECK(source.next(received));
            --i;
        }
    }
    while (source.next(received)) {
        CHECK(received.kind == Kind::Refused);
        CHECK(received.why == "not from a netlink socket");
        CHECK(received.message.empty());
    }
    CHECK(received.kind == Kind::Empty);
    CHECK(received.why.empty());
}

TEST_CASE("a descriptor that is no socket has failed, and says so each time") {
    std::array<int, 2> pipe_ends{};
    REQUIRE(pipe(pipe_ends.data()) == 0);
    Descriptor other(pipe_ends[1]);
    NetlinkSource source(pipe_ends[0]);
    Received received;
    for (int i = 0; i < 2; ++i) {
        CHECK_FALSE(source.next(received));
        CHECK(received.kind == Kind::Failed);
        CHECK(received.why.find("reading the uevent socket: ") == 0);
    }
}

TEST_CASE("the kernel's messages, in order, over several batches") {
    Network network(1 << 20);
    if (!network.there()) return;
    NetlinkSource source(network.listener);
    constexpr int kCount = 100;
    for (int i = 0; i < kCount; ++i) REQUIRE(network.broadcast(numbered(i)));
    uint64_t last = 0;
    for (int i = 0; i < kCount; ++i) {
        Received received = next_of_test(source);
        REQUIRE_MESSAGE(received.kind == Kind::Message, received.why);
        Result<Uevent> event = parse_uevent(received.message);
        REQUIRE(event);
        CHECK(event->devpath == "/devices/test/n" + std::to_string(i));
        CHECK(event->seqnum > last);
        last = event->seqnum;
    }
    CHECK(next_of_test(source).kind == Kind::Empty);
}

TEST_CASE("a process that speaks on the kernel's group is refused, the kernel still heard") {
    Network network(1 << 20);
    if (!network.there()) return;
    NetlinkSource source(network.listener);
    std::string text = numbered(1);
    REQUIRE(network.send_to(1, text.data(), text.size()));
    REQUIRE(network.broadcast(numbered(2)));
    Received received = next_of_test(source);
    CHECK(received.kind == Kind::Refused);
    CHECK(received.why.find("expected port 0, the kernel") != std::string::npos);
    CHECK(received.message.empty());
    received = next_of_test(source);
    REQUIRE(received.kind == Kind::Message);
    CHECK(received.message.find("n2") != std::string_view::npos);
    CHECK(received.why.empty());
}

TEST_CASE("a message that does not fit is truncated, not cut and passed on") {
    Network network(1 << 20);
    if (!network.there()) return;
    NetlinkSource source(network.listener, 64);
    REQUIRE(network.broadcast(numbered(1)));
    Received received;
    REQUIRE(source.next(received));
    CHECK(received.kind == Kind::Truncated);
    CHECK(received.why == "longer than 64 bytes");
    CHECK(received.message.empty());
}

TEST_CASE("an overrun is told once, before what was queued; what follows it works again") {
    Network network(1);  // the kernel makes it its minimum: some two kilobytes
    if (!network.there()) return;
    NetlinkSource source(network.listener);
    constexpr int kCount = 200;
    for (int i = 0; i < kCount; ++i) network.broadcast(numbered(i));
    int overruns = 0, messages = 0;
    Received received;
    bool first = true;
    while (source.next(received)) {
        if (first) CHECK(received.kind == Kind::Overrun);
        first = false;
        overruns += received.kind == Kind::Overrun;
        messages += received.kind == Kind::Message;
    }
    CHECK(received.kind == Kind::Empty);
    CHECK(overruns == 1);
    CHECK(messages > 0);
    CHECK(messages < kCount);
    REQUIRE(network.broadcast(numbered(1000)));
    received = next_of_test(source);
    REQUIRE(received.kind == Kind::Message);
    CHECK(received.message.find("n1000") != std::string_view::npos);
}

TEST_CASE("a real device of this machine, asked to announce itself") {
    Result<int> fd = NetlinkSource::open_uevent_socket(1 << 20);
    REQUIRE_MESSAGE(fd, fd.error().what);
    NetlinkSource source(*fd);
    const std::string uuid =
        "deadbeef-0000-4000-8000-00000000" + std::to_string(1000 + getpid() % 9000);
    std::ofstream file("/sys/class/mem/null/uevent");
    file << "change " + uuid + " TEST=1" << std::flush;
    if (!file) {
        MESSAGE("skipped: needs root to write into a uevent file");
        return;
    }
    bool found = false;
    Received received;
    pollfd readable{source.fd(), POLLIN, 0};
    while (!found && poll(&readable, 1, 60'000) == 1)
        while (source.next(received)) {
            REQUIRE_MESSAGE(received.kind == Kind::Message, received.why);
            Result<Uevent> event = parse_uevent(received.message);
            REQUIRE_MESSAGE(event, event.error().what);
            if (find_in(event->block, "SYNTH_UUID") != uuid) continue;
            found = true;
            CHECK(event->action == Action::Change);
            CHECK(event->devpath == "/devices/virtual/mem/null");
            CHECK(event->subsystem == "mem");
            CHECK(event->synthetic);
            CHECK(event->seqnum > 0);
            CHECK(find_in(event->block, "SYNTH_ARG_TEST") == "1");
        }
    CHECK(found);
}

TEST_SUITE_END();
