// A machine for storms: what sysfs has now, a kernel that announces it, a udevd that repeats it, and
// helpers that are late. It is the truth which the engine must find out; it knows nothing of devmux
// but the form of a message.
//
// The kernel takes two steps to everything, and others may come between them: a directory is there
// before it is announced, a removal is announced before the directory goes, a rename is done before
// it is announced (device_add(), device_del(), device_rename() in drivers/base/core.c).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "conditions/duration.h"
#include "engine/intake/event.h"

namespace devmux::test {

struct Message {
    uint64_t seqnum = 0;
    std::string action, devpath, devpath_old, subsystem;
    uint64_t inode = 0;
    std::map<std::string, std::string> variables;  // the device's own, as they were then
    std::string added;  // "KEY=VALUE\0…": what udev adds
    bool synthetic = false;
    std::string text() const;  // as it comes out of a socket
};

// A socket: it may be full, and then says so before anything else.
struct Socket {
    bool open = false;
    bool overran = false;
    std::deque<Message> queue;
};

class Machine {
  public:
    struct File {
        std::string text;
        Time from{};  // it is there from then on
    };
    struct Node {
        std::string devpath, subsystem;
        uint64_t inode = 0;
        std::map<std::string, std::string> variables;
        std::map<std::string, File> files;
        bool busy = false;  // in the middle of something
    };
    enum class Udevd : unsigned char { Absent, Down, Running };
    struct Shape {
        bool netlink = true, helper = true;
        Udevd udevd = Udevd::Running;
        bool renames = false;    // udev gives interfaces other names
        bool misnumbers = false;  // numbers of different devices come out of order (since 6.11)
        bool remembers = true;   // udevd never loses what it had to do
        bool calm = false;       // nothing is lost, and nobody dies
    };

    Machine(std::mt19937& random, Shape shape);

    // Things that happen. Each does nothing where it cannot be.
    void plug(int number);        // a device comes, or goes
    void exchange(int number);    // … goes and comes at once
    void plug_hub(int hub);       // with all that stands below it
    void move_hub(int hub);
    void rename(int interface);   // by somebody's hand
    void change(int number);
    void bind(int number);
    void trigger(int number);     // udevadm trigger
    void finish_one();            // the second half of something
    void finish_all();
    void lose_netlink();          // the socket was full: what is in it, from somewhere on
    void lose_silently(int number);  // something happened, and nobody was told (the machine slept)
    void udev_works();            // one step of it
    void udevd_dies();
    void udevd_starts();
    void lose_udev();

    // What the daemon sees.
    std::map<std::string, Node> sysfs;
    std::optional<std::string> record_of(const Node& node) const;
    uint64_t newest() const { return seqnum_; }
    bool udev_idle() const { return udev_queue_.empty() && working_.empty(); }
    Socket kernel, udev;
    std::multimap<Time, Message> helpers;  // under way
    Udevd udevd;
    const Shape shape;
    Time now{std::chrono::seconds(10)};

    // What the oracle asks.
    std::vector<Message> said;  // by the kernel, whoever heard it
    bool lost_in_silence = false;  // since somebody asked
    std::map<int, std::set<uint64_t>> generations;  // of each device, ever
    // Generations that came, went or moved while somebody read: what he read and what was announced
    // cannot be told apart then, and may be run as an arrival each.
    std::set<uint64_t> misread;
    bool being_read = false;
    void reading_begins();
    void daemon_begins();  // what it hears of those that went before is news to it
    bool udevd_ever_died = false;

    int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
    bool chance(int percent) { return pick(100) < percent; }

    static constexpr int kDevices = 6, kHubs = 2, kInterfaces = 2;
    std::string path_of(int number) const;

  private:
    struct Work {
        Message message;
        bool recorded = false;
    };
    Node* at(const std::string& devpath);
    bool free_at(const std::string& devpath);  // nothing stands there, nothing is busy above
    bool busy_below(const std::string& devpath) const;
    Node& make(const std::string& devpath, const std::string& subsystem);
    void make_files(Node& node);
    void emit(const std::string& action, const Node& node, const std::string& old = "", bool synthetic = false);
    void remove_now(const std::string& devpath);
    void take_away(const std::string& devpath);
    bool put_elsewhere(const std::string& from, const std::string& to);
    static bool related(const Message& a, const Message& b);
    static std::string id_of(const Message& message);
    void record(Message& message);
    std::string interface_path(int interface) const;

    std::mt19937& random_;
    uint64_t seqnum_ = 0, inode_ = 1000, ifindex_ = 1;
    bool mute_ = false;  // what happens is told to nobody
    std::deque<std::function<void()>> halves_;
    std::deque<Message> udev_queue_;
    std::vector<Work> working_;
    std::map<std::string, std::string> records_;
    std::map<int, std::string> hub_paths_, interface_names_;
};

}  // namespace devmux::test
