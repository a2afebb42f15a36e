// What a condition may ask: abstract and read-only. The engine answers from its device table and
// its unit states; the tests answer from a few lines of text. Nothing here reads a clock or a disk.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/duration.h"
#include "conditions/truth.h"

namespace devmux {

// Which of a class's devices a condition means: their index in the class set that is loaded.
using ClassId = uint16_t;

// What a devpath stands for right now. A path is used again after a removal; the sysfs directory's
// inode is not (kernfs allocates inodes cyclically, fs/kernfs/dir.c), and it survives a rename.
// ifindex and diskseq come from the kernel and tell re-creations apart where they exist.
struct Generation {
    uint64_t inode = 0;  // 0: not known (the directory was gone when it was looked at)
    uint64_t ifindex = 0;
    uint64_t diskseq = 0;
    bool operator==(const Generation&) const = default;
};

// Not the same device under the same path. The inode decides where it is known; the others where it
// is not (a diskseq by itself also changes when a loop device gets another file). What is not known
// cannot differ.
constexpr bool differs(const Generation& a, const Generation& b) {
    auto known = [](uint64_t x, uint64_t y) { return x != 0 && y != 0; };
    if (known(a.inode, b.inode)) return a.inode != b.inode;
    if (known(a.ifindex, b.ifindex)) return a.ifindex != b.ifindex;
    return known(a.diskseq, b.diskseq) && a.diskseq != b.diskseq;
}

// A sysfs attribute as it was last read.
struct AttributeValue {
    Truth exists = Truth::Unknown;  // Unknown: not read yet, or not there yet
    std::string_view text;          // trimmed of the newline at its end
    bool awaited = false;           // of Unknown: it was looked for, was not there, and may still come
};

// One device. Views stay valid until the next event.
class DeviceFacts {
  public:
    virtual ~DeviceFacts() = default;
    virtual std::string_view devpath() const = 0;
    virtual std::string_view name() const = 0;  // sysname: the last component, '!' written as '/'
    virtual std::string_view subsystem() const = 0;
    virtual std::string_view driver() const = 0;  // its own; empty without one
    virtual bool ready() const = 0;               // udev is done with it, or there is no udev
    virtual Generation generation() const = 0;
    virtual Time since() const = 0;  // when what is known of it was last learnt
    virtual std::optional<std::string_view> property(std::string_view key) const = 0;
    virtual AttributeValue attribute(std::string_view name) const = 0;
    virtual const DeviceFacts* parent() const = 0;  // nearest ancestor device; null at the top
};

enum class FactKind : unsigned char {
    Settled, File, KernelArgument, UnitActive, UnitFailed, UnitDone, Mounted, OnType, RootOnType, Runlevel,
    NetworkOnline, RouteTo, Mode
};

// A fact without a device: `name` is the path, the word (with "=VALUE") or the unit; of OnType the
// type of file system, a blank and the path, and of RootOnType the type alone; of Runlevel "2" or "2 to 5";
// of RouteTo the address as inet_ntop(3) writes it; of Mode its name.
struct FactKey {
    FactKind kind = FactKind::Settled;
    std::string name;
    // Of OnType and RootOnType: where nothing is mounted yet, what boot is going to mount counts
    // (condition.h, ask_expected()).
    bool expected = false;
    auto operator<=>(const FactKey&) const = default;
};

bool is_of_mounts(FactKind kind);
bool is_of_units(FactKind kind);
// Of a fact of mounts: the path that it asks about, and the type, which is empty for Mounted.
std::string_view mount_path(const FactKey& key);
std::string_view mount_type(const FactKey& key);

// What the link of a network interface may be: each is more than the one before.
enum class LinkState : unsigned char {
    Up,       // somebody has switched it on (IFF_UP)
    Running,  // … and it can carry packets: there is a carrier, and nothing below it is missing
    Online,   // … and it has an address beyond link scope that may be used
};

class Facts {
  public:
    virtual ~Facts() = default;
    // Devices of a class, in the natural order of their devpaths; the callback returns false to
    // stop. `unsure` says that a predicate of the class itself could not be answered yet. With a
    // `name`, those of that name alone: they are looked up, however many others there are.
    using Visitor = std::function<bool(const DeviceFacts&, bool unsure)>;
    virtual void each_device(ClassId id, std::string_view name, const Visitor& visit) const = 0;
    // Devices that have no driver of their own: most of them need none.
    virtual void each_without_driver(const Visitor&) const {}
    // From then on a device that is not listed is absent; before, it is unknown.
    virtual bool coldplug_complete() const = 0;
    // After a loss everything is looked at again; until then nothing is absent, either.
    virtual bool in_doubt() const { return false; }
    // This very device is there for certain.
    virtual bool stands(std::string_view, const Generation&) const { return false; }
    virtual Truth fact(const FactKey& key) const = 0;
    // Of a network interface. And what is missing, for people: "it is up, without an address".
    virtual Truth link(const DeviceFacts&, LinkState) const { return Truth::Unknown; }
    virtual std::string link_seen(const DeviceFacts&) const { return ""; }
    // Whether the root file system or /usr comes over it; and which, and from where, or why not, for people:
    // "carries / (NFS from 10.0.2.2)".
    virtual Truth carries_root(const DeviceFacts&) const { return Truth::Unknown; }
    virtual std::string carries_seen(const DeviceFacts&) const { return ""; }
    // Where neither comes over any interface, for certain: what they are on, "/ is on ext4". Else nothing.
    virtual std::string nothing_carried() const { return ""; }
    // What was seen instead, where there is more to say than yes and no.
    virtual std::string seen(const FactKey&) const { return ""; }
};

}  // namespace devmux
