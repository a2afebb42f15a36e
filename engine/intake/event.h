// What comes in about devices and files, as plain data. Everything that the core needs to know of
// sysfs is in the event already: the core itself looks at nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/facts.h"
#include "engine/intake/script_runlevels.h"

namespace devmux {

// What is known of an event's device: the kernel announced it, or udev has processed it as well. Where
// no udevd is installed the two are one.
enum class Level : unsigned char { Seen, Ready };

// Which way an event came.
enum class Transport : unsigned char {
    Kernel,   // netlink, group 1: level Seen
    Udev,     // netlink, group 2, where udevd repeats what it has processed: level Ready
    Hotplug,  // a datagram of devmux-hotplug, which a device manager executed: level Seen
};

std::string_view to_string(Transport transport);

// KOBJ_ADD … of include/linux/kobject.h; Other: a word we do not know, which counts as a change.
enum class Action : unsigned char { Add, Remove, Change, Move, Online, Offline, Bind, Unbind, Other };

std::string_view to_string(Action action);
Action action_of(std::string_view word);

// The block of variables of an event: "KEY=VALUE\0KEY=VALUE\0". A view into the receive buffer, or
// into whatever owns the event; valid while the event is handled.
using Block = std::string_view;

// The value of `key` in a block.
std::optional<std::string_view> find_in(Block block, std::string_view key);

// One message of the kernel's group (lib/kobject_uevent.c), parsed and checked.
struct Uevent {
    Action action = Action::Other;
    std::string_view action_word;
    std::string_view devpath;      // "/devices/…", without "/sys"
    std::string_view devpath_old;  // of Move
    std::string_view subsystem;
    std::string_view driver;       // DRIVER=, which devices on a bus carry while bound
    uint64_t seqnum = 0;           // 0: it came without one
    bool synthetic = false;        // SYNTH_UUID: somebody wrote into a uevent file: "look again"
    Block block;                   // all of its variables, in the kernel's order
};

// A sysfs file as it was read. No text: the file does not exist.
struct Attribute {
    std::string name;  // relative to the device: "id/vendor"
    std::optional<std::string> text;
    bool awaited = false;  // of a file that does not exist: it may still come
};

// What sysfs said of a device when the event was taken in.
struct Standing {
    bool exists = false;  // the directory is there
    bool device = false;  // … below devices/, with a uevent file: queues/rx-0 of a link has none
    Generation generation;
    bool bare = false;    // its subsystem is neither bus nor class: it is no device, there or gone
    bool orphan = false;  // an ancestor of it is a device that is not known: it is being looked at
    std::string driver;   // of the `driver` link; empty without one
    std::vector<Attribute> attributes;
};

struct DeviceEvent {
    Uevent uevent;
    Standing standing;
    Transport via = Transport::Kernel;
    Level level() const { return via == Transport::Udev ? Level::Ready : Level::Seen; }
};

// The attributes of a device, read beside the loop after its event. A read that found the directory
// gone, or that of another generation, says nothing: the events will.
struct AttributesRead {
    std::string devpath;
    Generation generation;
    std::vector<Attribute> attributes;
};

// A device read from sysfs: by the coldplug walk, as the unknown ancestor of an event's device, or
// because somebody asked to look again.
struct FoundDevice {
    std::string devpath;
    std::string subsystem;
    std::string block;  // of its uevent file, with DEVPATH and SUBSYSTEM added
    Standing standing;
    std::optional<std::string> udev;  // its record in udev's database, "KEY=VALUE\0…"; none: no record
};

// All of sysfs at once; parents come before their children. One event: what is not listed is gone.
struct Snapshot {
    std::vector<FoundDevice> devices;
    uint64_t seqnum = 0;  // /sys/kernel/uevent_seqnum before the walk began: older events are in it
    Duration took{};      // from then until it came in
};

// The outcome of looking at one devpath again: the device, or that it is gone.
struct LookedAt {
    std::string devpath;
    std::optional<FoundDevice> found;
    uint64_t seqnum = 0;  // /sys/kernel/uevent_seqnum before the look: a newer event knows better
    Duration took{};      // from then until it came in
};

// The socket was read empty after the walk, without an overrun since it was bound.
struct ColdplugComplete {};

// Who raises devices from Seen to Ready.
enum class UdevPresence : unsigned char {
    Absent,     // not installed, or not listened to: Ready is Seen
    Installed,  // but not running
    Running,
};
struct UdevSeen {
    UdevPresence presence = UdevPresence::Absent;
    bool idle = true;  // its queue is empty
};

// Whether a module is being loaded (a line of /proc/modules that says "Loading").
struct ModulesSeen {
    bool loading = false;
};

struct FileSeen {
    std::string path;
    Truth exists = Truth::Unknown;
};

// The mount that a path lies on, as the daemon's mount namespace shows it: the topmost one. `type` of
// an automount that nobody has used yet is "autofs".
struct Mount {
    std::string point;   // the path itself, or what it lies below; empty: not known
    std::string type;    // empty: not known
    std::string source;
    // Of a network file system that says so: the address that it comes from, as inet_ntop(3) writes it.
    std::string server{};
    bool operator==(const Mount&) const = default;
};
struct MountSeen {
    std::string path;
    Mount now;
    Mount listed;  // the line of /etc/fstab that it would lie on; empty: none
    bool operator==(const MountSeen&) const = default;
};
// One reading of the table, and so one event: all of what it changed for the paths that somebody
// asks about. Nothing known of a path: nobody asks any more, or it cannot be read.
struct MountsSeen {
    std::vector<MountSeen> mounts;
};

// The addresses of one family on a link, folded: of the best of them. Local: of link or host scope.
// Tentative: beyond that, but nobody may use it yet, or at all: another machine has it.
enum class AddressState : unsigned char { None, Local, Tentative, Usable };

// A network interface as rtnetlink(7) shows it. Its index stays when it is renamed.
struct LinkSeen {
    uint64_t ifindex = 0;
    std::string name;
    bool up = false;       // IFF_UP
    bool running = false;  // IFF_RUNNING, which says what its operstate says, carrier among it
    AddressState v4 = AddressState::None, v6 = AddressState::None;
    uint64_t master = 0;   // ifindex of the bridge, bond or team of which it is a port; 0: of none
    uint64_t lower = 0;    // of the link below, as of a VLAN; 0: none, or none in this network namespace
    bool operator==(const LinkSeen&) const = default;
};
// What the main routing table says of one destination: kDefaultV4, kDefaultV6, or an address that somebody
// asks about. `over`: the links of its next hops, sorted; 0 where the kernel does not say which.
struct RouteSeen {
    std::string to;
    Truth there = Truth::Unknown;  // Unknown: nobody asks any more
    std::vector<uint64_t> over;
    bool operator==(const RouteSeen&) const = default;
};
inline constexpr std::string_view kDefaultV4 = "default4", kDefaultV6 = "default6";
// News of links, all that came together. `known` false: nothing is known any more (messages were lost, or
// nobody asks), until an event says all of it anew.
struct LinksSeen {
    bool known = false;
    std::vector<LinkSeen> links;
    std::vector<uint64_t> gone;
    std::vector<RouteSeen> routes;
    bool operator==(const LinksSeen&) const = default;
};

// The runlevel that init has noted.
struct RunlevelSeen {
    std::string level;  // one character: 0 to 9, S; empty: not known
};

// In which runlevels an init script belongs.
struct ScriptSeen {
    std::string script;
    ScriptRunlevels runlevels;
};

// devmux mode: empty where it takes back what it has set.
struct ModeSet {
    std::string mode;
};

// devmux shutdown, or its --cancel. Runlevels 0 and 6 say the same by themselves.
struct ShutdownAsked {
    bool down = true;
};

}  // namespace devmux
