// udev's side of a device. Its presence is looked up in trees made up for it; what libudev makes of
// messages is asked with messages made by hand, so that each outcome can be had; and that all of
// this is what udevd really does, with a real one. See udevd_fixture.h for what that needs.
#include "engine/intake/udev.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include "engine/intake/netlink.h"
#include "tests/intake/temp_tree.h"
#include "tests/intake/udevd_fixture.h"

using namespace devmux;
using std::string_literals::operator""s;
using Kind = Received::Kind;

namespace {

constexpr const char* kHeading = "Num       RefCount Protocol Flags    Type St Inode Path\n";

// A machine that is but files.
struct Tree {
    TempTree tree;
    UdevPaths paths{
        .root = tree.at("root"), .run = tree.at("run/udev"), .net_unix = tree.at("net_unix")};
    Tree() { tree.directory("run/udev"); }

    void program(const std::string& name, bool executable = true) const {
        tree.file("root/" + name);
        std::filesystem::permissions(tree.at("root/" + name), executable
                                                                  ? std::filesystem::perms(0755)
                                                                  : std::filesystem::perms(0644));
    }
    // The file of a socket, behind which is nobody.
    void control() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, (paths.run + "/control").c_str());
        Descriptor fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        REQUIRE(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    void table(const std::string& lines) const { tree.file("net_unix", kHeading + lines); }
    UdevPresence presence() const { return look_at_udev(paths).presence; }
};

// Events of one device and one number each, as udevd would send them.
std::string event_number(int number, const std::string& more = "") {
    return UdevMachine::udev_message("ACTION=change\0DEVPATH=/devices/test/n"s +
                                     std::to_string(number) + "\0SUBSYSTEM=test\0SEQNUM="s +
                                     std::to_string(1000 + number) + '\0' + more);
}

UdevMonitor open_monitor(int receive_buffer = 1 << 20) {
    Result<UdevMonitor> monitor = UdevMonitor::open(receive_buffer);
    REQUIRE_MESSAGE(monitor, monitor.error().what);
    return std::move(*monitor);
}

// A monitor without a udevd: it hears as soon as the file is there.
UdevMonitor open_monitor_alone(int receive_buffer = 1 << 20) {
    std::filesystem::create_directories("/run/udev");
    std::ofstream("/run/udev/control") << "";
    return open_monitor(receive_buffer);
}

// A test of messages alone: of none but those that it sends.
void with_monitor(const std::function<void(UdevMonitor&)>& test, int receive_buffer = 1 << 20) {
    UdevMachine::run([&](UdevMachine&) {
        UdevMonitor monitor = open_monitor_alone(receive_buffer);
        test(monitor);
    });
}

// What one message becomes.
Received step_of(UdevMonitor& monitor, const std::string& message) {
    REQUIRE(UdevMachine::send_to_group(message) == 0);
    Received received;
    REQUIRE(monitor.next(received));
    return received;
}

Uevent parsed(std::string_view message) {
    Result<Uevent> event = parse_uevent(message);
    REQUIRE_MESSAGE(event, event.error().what);
    return *event;
}

NetlinkSource open_kernel() {
    Result<int> fd = NetlinkSource::open_uevent_socket(1 << 20);
    REQUIRE_MESSAGE(fd, fd.error().what);
    return NetlinkSource(*fd);
}

// What is written to stderr in its time, with libudev asked by the environment to say all.
struct Stderr {
    Descriptor kept{fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
    Descriptor said{memfd_create("stderr", MFD_CLOEXEC)};
    Stderr() {
        setenv("SYSTEMD_LOG_LEVEL", "debug", 1);
        setenv("SYSTEMD_LOG_TARGET", "console", 1);
        dup2(said.get(), STDERR_FILENO);
    }
    ~Stderr() {
        dup2(kept.get(), STDERR_FILENO);
        unsetenv("SYSTEMD_LOG_LEVEL");
        unsetenv("SYSTEMD_LOG_TARGET");
    }
    off_t bytes() const { return lseek(said.get(), 0, SEEK_END); }
};

}  // namespace

TEST_SUITE_BEGIN("intake/udev");

TEST_CASE("a machine without udev, and without any of the files") {
    Tree tree;
    CHECK(tree.presence() == UdevPresence::Absent);
    CHECK(look_at_udev(tree.paths).idle);
    UdevSeen nothing = look_at_udev({.root = tree.tree.at("no"), .run = "", .net_unix = ""});
    CHECK(nothing.presence == UdevPresence::Absent);
    CHECK(nothing.idle);
}

TEST_CASE("where udevd is installed") {
    for (const char* place :
         {"usr/lib/systemd/systemd-udevd", "lib/systemd/systemd-udevd", "usr/sbin/udevd",
          "sbin/udevd", "usr/bin/udevd", "bin/udevd", "usr/lib/udev/udevd", "lib/udev/udevd"}) {
        CAPTURE(place);
        Tree tree;
        tree.program(place, false);
        CHECK(tree.presence() == UdevPresence::Absent);
        tree.program(place);
        CHECK(tree.presence() == UdevPresence::Installed);
    }
    Tree tree;
    tree.tree.directory("root/sbin/udevd");
    CHECK(tree.presence() == UdevPresence::Absent);
    tree.program("bin/udevadm");
    CHECK(tree.presence() == UdevPresence::Absent);
    tree.tree.link("root/lib/systemd/systemd-udevd", "../../bin/udevadm");  // as Debian's is
    CHECK(tree.presence() == UdevPresence::Installed);
}

TEST_CASE("somebody listens on the control socket: lines of the table of unix sockets") {
    Tree tree;
    tree.program("sbin/udevd");
    tree.control();
    const std::string path = tree.paths.run + "/control";
    struct Row {
        const char* name;
        std::string line;
        bool running;
    };
    for (const Row& row : {
             Row{"nobody", "", false},
             Row{"listens", "0000000000000000: 00000002 00000000 00010000 0005 01 12345 " + path,
                 true},
             Row{"a short inode", "ffff8880: 00000002 00000000 00010000 0005 01     7 " + path,
                 true},
             Row{"a connection", "0: 00000003 00000000 00000000 0005 03 12345 " + path, false},
             Row{"longer", "0: 00000002 00000000 00010000 0005 01 12345 " + path + "2", false},
             Row{"behind another", "0: 00000002 00000000 00010000 0005 01 12345 /x " + path, false},
             Row{"abstract", "0: 00000002 00000000 00010000 0005 01 12345 @" + path, false},
             Row{"without a name", "0: 00000002 00000000 00010000 0001 01 12345", false},
             Row{"a field too few", "0: 00000002 00000000 00010000 0005 12345 " + path, false},
             Row{"flags of letters", "0: 00000002 00000000 zzzzzzzz 0005 01 12345 " + path, false},
             Row{"blanks", "      ", false},
             Row{"long", std::string(100'000, 'x'), false},
         }) {
        CAPTURE(row.name);
        auto expected = row.running ? UdevPresence::Running : UdevPresence::Installed;
        tree.table(row.line);
        CHECK(tree.presence() == expected);
        tree.table("0: 00000003 00000000 00000000 0001 03 1\n" + row.line +
                   "\n0: 1 2 3 4 5 6 /y\n");
        CHECK(tree.presence() == expected);
    }
}

TEST_CASE("the control socket's file: without it nobody listens, without a table it must do") {
    Tree tree;
    tree.table("0: 00000002 00000000 00010000 0005 01 12345 " + tree.paths.run + "/control\n");
    CHECK(tree.presence() == UdevPresence::Absent);
    tree.tree.file("run/udev/control");  // no socket
    CHECK(tree.presence() == UdevPresence::Absent);
    tree.tree.remove("run/udev/control");
    tree.control();
    CHECK(tree.presence() == UdevPresence::Running);  // installed wherever it may be

    tree.table("");
    CHECK(tree.presence() == UdevPresence::Absent);
    tree.tree.remove("net_unix");
    CHECK(tree.presence() == UdevPresence::Running);
    tree.tree.directory("net_unix");
    CHECK(tree.presence() == UdevPresence::Running);
}

TEST_CASE("udev is idle when it has no queue") {
    Tree tree;
    CHECK(look_at_udev(tree.paths).idle);
    tree.tree.file("run/udev/queue");
    CHECK_FALSE(look_at_udev(tree.paths).idle);
}

TEST_CASE("an event takes the kernel's form") {
    with_monitor([](UdevMonitor& monitor) {
        CHECK(monitor.hears());
        Received received;
        CHECK_FALSE(monitor.next(received));
        CHECK(received.kind == Kind::Empty);

        received = step_of(monitor, UdevMachine::udev_message(
                                        "UDEV_DATABASE_VERSION=1\0TAGS=:b:a:\0SEQNUM=77\0MAJOR=10\0"
                                        "SUBSYSTEM=misc\0DEVNAME=/dev/x\0MINOR=200\0ACTION=add\0"
                                        "A_FIRST=1\0ID_X=a=b\0EMPTY=\0DEVPATH=/devices/test/x\0"
                                        "USEC_INITIALIZED=5\0DEVLINKS=/dev/y\0"s));
        REQUIRE_MESSAGE(received.kind == Kind::Message, received.why);
        Uevent event = parsed(received.message);
        CHECK(received.message.starts_with("add@/devices/test/x\0ACTION=add\0"s));
        CHECK(event.action == Action::Add);
        CHECK(event.seqnum == 77);
        CHECK(event.subsystem == "misc");
        CHECK(find_in(event.block, "DEVNAME") == "/dev/x");
        CHECK(find_in(event.block, "ID_X") == "a=b");
        CHECK(find_in(event.block, "EMPTY") == "");
        CHECK(find_in(event.block, "MAJOR") == "10");
        CHECK(find_in(event.block, "USEC_INITIALIZED") == "5");
        CHECK(find_in(event.block, "DEVLINKS") == "/dev/y");
        CHECK(find_in(event.block, "TAGS")->find(":a:") != std::string_view::npos);
        CHECK(received.message.find("\0A_FIRST="s) > received.message.find("\0MINOR="s));

        UdevMonitor moved = std::move(monitor);
        received = step_of(moved, event_number(1, "A=1\0A=2\0"s));
        CHECK(received.message ==
              "change@/devices/test/n1\0ACTION=change\0"
              "DEVPATH=/devices/test/n1\0SEQNUM=1001\0SUBSYSTEM=test\0A=2\0"s);
        CHECK_FALSE(moved.next(received));
        CHECK(received.kind == Kind::Empty);
        CHECK(received.message.empty());
    });
}

TEST_CASE("what udev says is passed on within bounds, what the engine needs first") {
    with_monitor([](UdevMonitor& monitor) {
        // Without a key; with a control character; with a newline, where libudev ends it.
        Received received = step_of(monitor, event_number(1, "=x\0A=\1\x7F\xFF\0B=one\ntwo\0"s));
        REQUIRE_MESSAGE(received.kind == Kind::Message, received.why);
        Uevent event = parsed(received.message);
        CHECK(find_in(event.block, "A") == "\1\x7F\xFF");
        CHECK(find_in(event.block, "B") == "one");

        std::string many, big = "AA=" + std::string(kUeventMaxBytes, 'x') + '\0';
        for (int i = 0; i < 1000; ++i) many += "A" + std::to_string(i) + "=1\0"s;
        received = step_of(monitor, event_number(2, many + "DRIVER=d\0SYNTH_UUID=0\0"s));
        REQUIRE_MESSAGE(received.kind == Kind::Message, received.why);
        event = parsed(received.message);
        CHECK(std::count(event.block.begin(), event.block.end(), '\0') == kUeventMaxVariables);
        CHECK(event.seqnum == 1002);
        CHECK(event.driver == "d");
        CHECK(event.synthetic);

        received = step_of(monitor, event_number(3, big + "B=small\0"s));
        REQUIRE_MESSAGE(received.kind == Kind::Message, received.why);
        event = parsed(received.message);
        CHECK_FALSE(find_in(event.block, "AA"));
        CHECK(find_in(event.block, "B") == "small");
        many.clear();
        for (char c = 'A'; c <= 'Z'; ++c) many += c + ("=" + std::string(5000, c)) + '\0';
        received = step_of(monitor, event_number(4, many));
        CHECK(received.message.size() > kUeventMaxBytes - 5003);
        CHECK(parsed(received.message).seqnum == 1004);
    });
}

TEST_CASE("a message that is refused or not understood does not end the reading") {
    with_monitor([](UdevMonitor& monitor) {
        const std::string long_path = "/devices/" + std::string(kDevpathMaxBytes, 'x');
        auto with = [](const std::string& all) { return UdevMachine::udev_message(all); };
        struct Row {
            const char* name;
            std::string message;
            Kind kind;
        };
        const std::string sound = "ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=s\0SEQNUM=1\0"s;
        const std::vector<Row> rows{
            {"short", "x", Kind::Truncated},
            {"no text", std::string(100, 'x'), Kind::Refused},
            {"no header", std::string(100, 'x') + '\0' + sound, Kind::Refused},
            {"another magic", UdevMachine::udev_message(sound, 1), Kind::Refused},
            {"no SEQNUM", with("ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=s\0"s), Kind::Truncated},
            {"no variable", with(sound + "X\0"s), Kind::Truncated},
            {"no end", with(sound + "X=1"s), Kind::Truncated},
            {"unknown action", with("ACTION=x\0DEVPATH=/devices/x\0SUBSYSTEM=s\0SEQNUM=1\0"s),
             Kind::Truncated},
            {"a path that climbs", with("ACTION=add\0DEVPATH=/../x\0SUBSYSTEM=s\0SEQNUM=1\0"s),
             Kind::Truncated},
            {"a long path", with("ACTION=add\0DEVPATH=" + long_path + "\0SUBSYSTEM=s\0SEQNUM=1\0"s),
             Kind::Truncated},
            {"the kernel's form, of root", "add@/devices/x\0"s + sound, Kind::Message},
        };
        for (const Row& row : rows) REQUIRE(UdevMachine::send_to_group(row.message) == 0);
        REQUIRE(UdevMachine::send_to_group(event_number(1)) == 0);
        Received received;
        for (const Row& row : rows) {
            CAPTURE(row.name);
            REQUIRE(monitor.next(received));
            CHECK(received.kind == row.kind);
            CHECK(received.why.empty() == (row.kind == Kind::Message));
            if (row.kind == Kind::Truncated)
                CHECK(received.why.find("libudev does not understand") != std::string::npos);
        }
        REQUIRE(monitor.next(received));
        CHECK(received.kind == Kind::Message);
        CHECK(parsed(received.message).seqnum == 1001);
        CHECK_FALSE(monitor.next(received));
        CHECK(received.kind == Kind::Empty);
    });
}

TEST_CASE("a user cannot speak to udev's group; with CAP_NET_ADMIN he is refused") {
    with_monitor([](UdevMonitor& monitor) {
        Received received;
        CHECK(UdevMachine::send_as_user(false, event_number(1)) == EPERM);
        CHECK_FALSE(monitor.next(received));
        CHECK(received.kind == Kind::Empty);

        for (int i = 0; i < 3; ++i) REQUIRE(UdevMachine::send_as_user(true, event_number(1)) == 0);
        REQUIRE(UdevMachine::send_to_group(event_number(2)) == 0);
        for (int i = 0; i < 3; ++i) {
            REQUIRE(monitor.next(received));
            CHECK(received.kind == Kind::Refused);
            CHECK(received.message.empty());
        }
        REQUIRE(monitor.next(received));
        CHECK(received.kind == Kind::Message);
        CHECK(parsed(received.message).seqnum == 1002);
    });
}

TEST_CASE("an overrun is told once, before what was queued; what follows it works again") {
    auto test = [](UdevMonitor& monitor) {
        constexpr int kCount = 200;
        for (int i = 0; i < kCount; ++i) UdevMachine::send_to_group(event_number(i));
        Received received;
        REQUIRE(monitor.next(received));
        CHECK(received.kind == Kind::Overrun);
        int messages = 0;
        while (monitor.next(received)) {
            CHECK(received.kind == Kind::Message);
            ++messages;
        }
        CHECK(received.kind == Kind::Empty);
        CHECK(messages > 0);
        CHECK(messages < kCount);
        CHECK(parsed(step_of(monitor, event_number(1000)).message).seqnum == 2000);
    };
    with_monitor(test, 1);
}

TEST_CASE("a monitor that was opened without udevd hears nothing, and knows it") {
    UdevMachine::run([](UdevMachine&) {
        UdevMonitor deaf = open_monitor();
        CHECK_FALSE(deaf.hears());
        UdevMonitor hearing = open_monitor_alone();
        CHECK(hearing.hears());
        CHECK(step_of(hearing, event_number(1)).kind == Kind::Message);
        Received received;
        CHECK_FALSE(deaf.next(received));
        CHECK(received.kind == Kind::Empty);
        deaf = std::move(hearing);
        CHECK(deaf.hears());
    });
}

TEST_CASE("a descriptor that is no socket has failed, and says so each time") {
    UdevMonitor monitor = open_monitor();
    REQUIRE(dup2(Descriptor(memfd_create("x", MFD_CLOEXEC)).get(), monitor.fd()) >= 0);
    Received received;
    for (int i = 0; i < 2; ++i) {
        CHECK_FALSE(monitor.next(received));
        CHECK(received.kind == Kind::Failed);
        CHECK(received.why.find("reading udev's socket: ") == 0);
    }
}

TEST_CASE("an empty message is taken away, though libudev would leave it") {
    UdevMonitor monitor = open_monitor();
    std::array<int, 2> pair{};  // since newer kernels refuse to send one by netlink
    REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
    Descriptor sender(pair[1]);
    REQUIRE(dup2(Descriptor(pair[0]).get(), monitor.fd()) >= 0);
    for (int i = 0; i < 2; ++i) REQUIRE(send(sender.get(), "", 0, 0) == 0);
    Received received;
    for (int i = 0; i < 2; ++i) {
        REQUIRE(monitor.next(received));
        CHECK(received.kind == Kind::Refused);
    }
    CHECK_FALSE(monitor.next(received));
    CHECK(received.kind == Kind::Empty);
}

TEST_CASE("libudev writes nothing to our stderr, whatever it finds") {
    Stderr err;
    with_monitor([](UdevMonitor& monitor) {
        for (const std::string& message : {"x"s, std::string(100, 'x'), event_number(1, "X\0"s)})
            CHECK(step_of(monitor, message).kind != Kind::Message);
        CHECK_FALSE(UdevDatabase("/sys").record("/devices/virtual/net/gone"));
        std::filesystem::create_directories("/run/udev/data");
        std::ofstream("/run/udev/data/n1") << "nonsense\nI:x\nE:\nE:ID_X=1\n";
        CHECK(UdevDatabase("/sys").record("/devices/virtual/net/lo"));
    });
    CHECK(err.bytes() == 0);
}

TEST_CASE("a real udevd: its events, its records, and what is there when it is not") {
    UdevMachine::run([](UdevMachine& machine) {
        CHECK(look_at_udev(machine.paths()).presence == UdevPresence::Installed);
        machine.start_udevd();
        CHECK(look_at_udev(machine.paths()).presence == UdevPresence::Running);
        UdevMonitor monitor = open_monitor();
        NetlinkSource kernel = open_kernel();

        UdevMachine::command("ip link add one type veth peer name other");
        const std::string one = "/devices/virtual/net/one", late = "/devices/virtual/net/late";
        std::string by_kernel = await(kernel, is(Action::Add, one));
        std::string by_udev = await(monitor, is(Action::Add, one));
        Uevent seen = parsed(by_kernel), ready = parsed(by_udev);
        CHECK(ready.seqnum == seen.seqnum);
        CHECK(ready.subsystem == "net");
        CHECK(find_in(ready.block, "IFINDEX") == find_in(seen.block, "IFINDEX"));
        CHECK(find_in(ready.block, "ID_DEVMUX_TEST") == "of one");
        CHECK(find_in(ready.block, "TAGS") == ":devmux:");
        CHECK(find_in(ready.block, "USEC_INITIALIZED"));

        UdevDatabase database("/sys");
        std::optional<std::string> record = database.record(one);
        REQUIRE(record);
        CHECK(record->starts_with("DEVPATH=" + one + '\0'));
        CHECK(find_in(*record, "INTERFACE") == "one");
        CHECK(find_in(*record, "ID_DEVMUX_TEST") == "of one");
        CHECK(find_in(*record, "TAGS") == ":devmux:");
        CHECK_FALSE(find_in(*record, "SEQNUM"));
        for (const std::string& path :
             {""s, "/"s, one + "/", one + "/../one", "one"s, one + "\0"s, "/class/net/one"s,
              one + "/subsystem", one + "/queues", "/devices/virtual/net/gone"s,
              "/devices/virtual/net"s, one + '2'}) {
            CAPTURE(path);
            CHECK_FALSE(database.record(path));
        }
        CHECK_FALSE(UdevDatabase("/proc/thread-self/root/sys").record(one));

        machine.stop_udevd();
        CHECK(look_at_udev(machine.paths()).presence == UdevPresence::Installed);
        CHECK(std::filesystem::exists(machine.paths().run + "/control"));
        UdevMachine::command("ip link add late type veth peer name later");
        await(kernel, is(Action::Add, late));
        CHECK_FALSE(database.record(late));
        CHECK(database.record(one));

        // A monitor outlives udevd.
        machine.start_udevd();
        UdevMachine::announce(late, "add");
        await(monitor, is(Action::Add, late));
        CHECK(database.record(late));
        UdevMachine::command("ip link del one");
        await(monitor, is(Action::Remove, one));
        CHECK_FALSE(database.record(one));
    });
}

TEST_CASE("a real udevd renames an interface: its event has the kernel's number and a new path") {
    UdevMachine::run([](UdevMachine& machine) {
        UdevMachine::rule("KERNEL==\"before\", NAME=\"after\"");
        machine.start_udevd();
        UdevMonitor monitor = open_monitor();
        NetlinkSource kernel = open_kernel();
        UdevMachine::command("ip link add before type veth peer name other");
        const std::string before = "/devices/virtual/net/before",
                          after = "/devices/virtual/net/after";
        std::string by_kernel = await(kernel, is(Action::Add, before));
        std::string by_udev = await(monitor, is(Action::Add, after));
        CHECK(parsed(by_udev).seqnum == parsed(by_kernel).seqnum);
        CHECK(find_in(parsed(by_udev).block, "INTERFACE_OLD") == "before");
        CHECK(find_in(parsed(by_udev).block, "ID_RENAMING") == "1");
        by_udev = await(monitor, is(Action::Move, after));
        CHECK(parsed(by_udev).devpath_old == before);
        CHECK_FALSE(find_in(parsed(by_udev).block, "ID_RENAMING"));
    });
}

TEST_CASE("a real udevd at work has a queue") {
    UdevMachine::run([](UdevMachine& machine) {
        UdevMachine::rule("ENV{SYNTH_ARG_MARK}==\"slow\", RUN+=\"/bin/cat /run/hold\"");
        REQUIRE(mkfifo("/run/hold", 0600) == 0);
        machine.start_udevd();
        UdevMonitor monitor = open_monitor();
        UdevMachine::announce_marked("slow");
        {
            Descriptor hold(open("/run/hold", O_WRONLY | O_CLOEXEC));  // returns when cat runs
            CHECK_FALSE(look_at_udev(machine.paths()).idle);
        }
        await(monitor, is_marked("slow"));
    });
}

TEST_CASE("more events of a real udevd than the socket holds") {
    UdevMachine::run([](UdevMachine& machine) {
        machine.start_udevd();
        UdevMonitor small = open_monitor(1), large = open_monitor(64 << 20);
        constexpr int kCount = 300;
        for (int i = 1; i <= kCount; ++i) UdevMachine::announce_marked(std::to_string(i));
        await(large, is_marked(std::to_string(kCount)));
        Received received;
        REQUIRE(small.next(received));
        CHECK(received.kind == Kind::Overrun);
        int messages = 0;
        while (small.next(received)) messages += received.kind == Kind::Message;
        CHECK(received.kind == Kind::Empty);
        CHECK(messages > 0);
        CHECK(messages < kCount);
        UdevMachine::announce_marked("after");
        await(small, is_marked("after"));
    });
}

TEST_SUITE_END();
