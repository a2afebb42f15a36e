// A machine of its own for one test that needs a real udevd, or udev's socket: a thread with mounts
// and a network of its own. What is sent on netlink there is heard by nobody else, udevd finds none
// of this machine's rules, no /run but its own, and a /dev of a few nodes: whatever it does to
// devices of the real machine, whose kernel events reach it as well, hits nothing.
//
// Needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_MKNOD) and, for udevd and links, Debian's packages
// udev and iproute2. What is missing fails the test, by an exception that says so.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "engine/intake/udev.h"
#include "engine/intake/uevent.h"
#include "engine/system/descriptor.h"
#include "engine/system/errno_error.h"

namespace devmux {

// How long something may take that takes milliseconds: the machine may be busy, or an emulated one.
inline constexpr int kUdevdPatienceMs = 60'000;

// Whether `fd` becomes readable in that time. (POLLERR is how an overrun announces itself.)
inline bool becomes_readable(int fd) {
    pollfd readable{fd, POLLIN, 0};
    int count = 0;
    do {
        count = poll(&readable, 1, kUdevdPatienceMs);
    } while (count < 0 && errno == EINTR);
    return count == 1;
}

// The text of the first event that is as `wanted`, from a NetlinkSource or a UdevMonitor. The
// events of real devices come in between: those of the kernel are for all networks.
std::string await(auto& source, const std::function<bool(const Uevent&)>& wanted) {
    for (Received received;;) {
        while (source.next(received)) {
            if (received.kind != Received::Kind::Message)
                throw std::runtime_error("expected an event, found a loss or a stranger's message");
            Result<Uevent> event = parse_uevent(received.message);
            if (!event) throw std::runtime_error(event.error().what);
            if (wanted(*event)) return std::string(received.message);
        }
        if (received.kind != Received::Kind::Empty || !becomes_readable(source.fd()))
            throw std::runtime_error("the event did not come " + received.why);
    }
}
inline std::function<bool(const Uevent&)> is(Action action, const std::string& devpath) {
    return [=](const Uevent& event) { return event.action == action && event.devpath == devpath; };
}
inline std::function<bool(const Uevent&)> is_marked(const std::string& mark) {
    return [=](const Uevent& event) { return find_in(event.block, "SYNTH_ARG_MARK") == mark; };
}

class UdevMachine {
  public:
    // Runs `test` in there; what it throws, REQUIRE included, is thrown here.
    static void run(const std::function<void(UdevMachine&)>& test) {
        std::exception_ptr thrown;
        std::thread([&] {
            try {
                UdevMachine machine;
                test(machine);
            } catch (...) {
                thrown = std::current_exception();
            }
        }).join();
        if (thrown) std::rethrow_exception(thrown);
    }
    UdevMachine(const UdevMachine&) = delete;
    UdevMachine& operator=(const UdevMachine&) = delete;
    ~UdevMachine() {
        if (udevd_ > 0) stop_udevd(SIGKILL);
    }

    // /proc/net is that of the process; this thread has another.
    UdevPaths paths() const {
        return {.root = "", .run = "/run/udev", .net_unix = "/proc/thread-self/net/unix"};
    }

    // Returns when udevd hears the kernel.
    void start_udevd() {
        Descriptor ready = bind_notify_socket();
        udevd_ = spawn_udevd();
        pidfd_ = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, udevd_, 0)));
        require(static_cast<bool>(pidfd_), "watching udevd with pidfd_open (Linux 5.3)");
        std::string said;
        while (said.find("READY=1") == std::string::npos) {
            std::array<pollfd, 2> ends{pollfd{ready.get(), POLLIN, 0}, {pidfd_.get(), POLLIN, 0}};
            int count = poll(ends.data(), ends.size(), kUdevdPatienceMs);
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0 || ends[1].revents != 0)
                throw std::runtime_error(
                    "udevd did not get ready in a namespace of its own: expected READY=1 on its "
                    "NOTIFY_SOCKET; it said: " +
                    text_of(kLog));
            std::array<char, 4096> text;
            ssize_t size = recv(ready.get(), text.data(), text.size(), 0);
            if (size > 0) said.append(text.data(), static_cast<size_t>(size));
        }
    }

    void stop_udevd(int signal = SIGTERM) {
        kill(udevd_, signal);
        if (!becomes_readable(pidfd_.get())) kill(udevd_, SIGKILL);
        waitpid(udevd_, nullptr, 0);
        udevd_ = -1;
        pidfd_ = Descriptor();
    }

    // For udevd, before it starts.
    static void rule(const std::string& text) {
        std::ofstream("/run/udev/rules.d/60-test.rules", std::ios::app) << text << '\n';
    }

    // Of a shell in there: "ip link add …". Interfaces end with the namespace.
    static void command(const std::string& text) {
        int status = std::system(("PATH=$PATH:/usr/sbin:/sbin; " + text).c_str());
        if (status != 0)
            throw std::runtime_error(text + ": expected success, found " + std::to_string(status));
    }

    // Has a device announce itself: "add", "change UUID KEY=VALUE" (Documentation/ABI/testing/
    // sysfs-uevent).
    static void announce(const std::string& devpath, const std::string& text) {
        std::ofstream file("/sys" + devpath + "/uevent");
        file << text << std::flush;
        if (!file) throw std::runtime_error("writing into the uevent file of " + devpath);
    }
    static void announce_marked(const std::string& mark) {
        announce("/devices/virtual/net/lo",
                 "change deadbeef-0000-4000-8000-000000000001 MARK=" + mark);
    }

    // To udev's group, in our own name. Returns errno; 0: sent.
    static int send_to_group(std::string_view message) {
        Descriptor sender(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT));
        sockaddr_nl to{};
        to.nl_family = AF_NETLINK;
        to.nl_groups = 2;
        ssize_t sent = sendto(sender.get(), message.data(), message.size(), 0,
                              reinterpret_cast<sockaddr*>(&to), sizeof to);
        // Who sends to a group learns by ECONNREFUSED that nobody listens.
        return sent == static_cast<ssize_t>(message.size()) || errno == ECONNREFUSED ? 0 : errno;
    }

    // The same as a user, who has CAP_NET_ADMIN or nothing. A thread's own system calls: the
    // functions of libc would change the whole process.
    static int send_as_user(bool net_admin, std::string_view message) {
        int error = -1;
        std::thread([&] {
            prctl(PR_SET_KEEPCAPS, 1);
            if (syscall(SYS_setresgid, 65534, 65534, 65534) != 0) return;
            if (syscall(SYS_setresuid, 65534, 65534, 65534) != 0) return;
            __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
            std::array<__user_cap_data_struct, 2> sets{};
            if (net_admin) sets[0].effective = sets[0].permitted = 1U << CAP_NET_ADMIN;
            if (syscall(SYS_capset, &header, sets.data()) == 0) error = send_to_group(message);
        }).join();
        return error;
    }

    // "KEY=VALUE\0…" as udevd sends it (struct monitor_netlink_header in
    // sd-device/device-monitor.c).
    static std::string udev_message(std::string_view properties, unsigned magic = 0xFEEDCAFE) {
        struct {
            std::array<char, 8> prefix{"libudev"};
            unsigned magic = 0, header_size = 40, properties_offset = 40, properties_size = 0;
            std::array<unsigned, 4> filters{};
        } header;
        header.magic = htonl(magic);
        header.properties_size = static_cast<unsigned>(properties.size());
        return std::string(reinterpret_cast<const char*>(&header), sizeof header) +
               std::string(properties);
    }

  private:
    static constexpr const char* kLog = "/run/udevd.log";
    static constexpr const char* kNotify = "/run/udevd.notify";

    static void require(bool done, const std::string& what) {
        if (done) return;
        throw std::runtime_error(what + ": " + errno_text(errno) +
                                 "; a machine of its own needs root with CAP_SYS_ADMIN, "
                                 "CAP_NET_ADMIN and CAP_MKNOD");
    }
    static std::string text_of(const char* path) {
        std::ifstream in(path);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    static void empty_directory(const char* path) {
        require(mount("tmpfs", path, "tmpfs", MS_NOSUID, "mode=755") == 0,
                std::string("mounting a tmpfs on ") + path);
    }

    UdevMachine() {
        require(unshare(CLONE_NEWNS | CLONE_NEWNET) == 0, "unsharing mounts and network");
        require(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0,
                "making all mounts private");
        empty_directory("/run");
        // sysfs shows the interfaces of the network in which it was mounted.
        require(mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0, "mounting sysfs");
        empty_directory("/dev");
        struct Node {
            const char* path;
            unsigned minor;
        };
        for (const Node& node : {Node{"/dev/null", 3}, {"/dev/zero", 5}, {"/dev/urandom", 9}})
            require(mknod(node.path, S_IFCHR | 0666, makedev(1, node.minor)) == 0, node.path);
        for (const char* rules : {"/etc/udev", "/usr/lib/udev", "/lib/udev", "/usr/local/lib/udev"})
            if (std::filesystem::is_directory(rules)) empty_directory(rules);
        std::filesystem::create_directories("/run/udev/rules.d");
        std::ofstream("/run/udev/rules.d/50-test.rules")
            << "SUBSYSTEM==\"net\", TAG+=\"devmux\", ENV{ID_DEVMUX_TEST}=\"of $kernel\"\n";
    }

    static Descriptor bind_notify_socket() {
        Descriptor fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, kNotify);
        unlink(kNotify);
        require(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
                "binding a socket for udevd's READY=1");
        return fd;
    }

    static pid_t spawn_udevd() {
        const char* program = "/lib/systemd/systemd-udevd";
        if (access(program, X_OK) != 0)
            throw std::runtime_error(std::string(program) +
                                     " is missing: apt-get install udev (Debian)");
        const std::string notify = std::string("NOTIFY_SOCKET=") + kNotify;
        // Its log would go into that of the kernel otherwise.
        const std::array environment{notify.c_str(), "SYSTEMD_LOG_TARGET=console",
                                     "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                                     static_cast<const char*>(nullptr)};
        const std::array arguments{"systemd-udevd", static_cast<const char*>(nullptr)};
        pid_t child = fork();
        require(child >= 0, "forking");
        if (child > 0) return child;
        // This child is one of a process with threads: system calls alone from here on.
        prctl(PR_SET_PDEATHSIG, SIGKILL);  // when the thread ends, whatever ended it
        int log = open(kLog, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execve(program, const_cast<char**>(arguments.data()),
               const_cast<char**>(environment.data()));
        _exit(127);
    }

    pid_t udevd_ = -1;
    Descriptor pidfd_;
};

}  // namespace devmux
