// Reads sysfs beside the loop: attributes after an event, a device that is in doubt, and the whole
// of it. Drivers answer for attributes and may take their time; a read that blocks holds up nobody
// but itself. The caller polls one descriptor and takes the answers.
//
// A few threads, started when there is something to read and ended when there was nothing for a
// while: an idle daemon has none. Requests for the same thing that wait are one (read_queue.h).
//
// Where as many reads block as there are threads, everything else waits for one of them, the walk
// last of all: the answers say so (ReadStuck), and that is all that can be done.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conditions/duration.h"
#include "conditions/result.h"
#include "engine/intake/attributes.h"
#include "engine/intake/event.h"

namespace devmux {

// A device, or that it is gone; with its ancestors that are devices, parents first, since a child's
// event may come before its parent's.
struct DeviceLooked {
    std::vector<FoundDevice> ancestors;
    LookedAt look;
    Time began{};  // CLOCK_MONOTONIC
};

// A walk, and the number of the newest event when it had ended.
struct Walked {
    Result<Snapshot> snapshot;
    uint64_t ended_at = 0;  // /sys/kernel/uevent_seqnum
    Time began{};           // CLOCK_MONOTONIC
};

// A read that does not come back: told once for each file that is being read, and again when it has
// been. Also when no thread can be started to read at all.
struct ReadStuck {
    // A sentence for people, the same both times: "/sys/devices/…/size: reading takes longer than
    // 5s; its driver does not answer". Not escaped yet.
    std::string what;
    bool over = false;
};

using ReadAnswer = std::variant<AttributesRead, DeviceLooked, Walked, ReadStuck>;

class SysfsReader {
  public:
    // udev's record of a device, or nothing; asked on the reading threads, made once for each of
    // them and destroyed there. Both own what they use: a thread that hangs outlives the reader.
    using Records = std::function<std::optional<std::string>(std::string_view devpath)>;
    using RecordsMaker = std::function<Records()>;  // null: FoundDevice.udev stays empty

    struct Limits {
        size_t threads = 4;                       // how many reads may block at a time
        Duration stuck{std::chrono::seconds(5)};  // a file that takes longer is told of
        Duration idle{std::chrono::seconds(2)};   // a thread without work ends after that
        size_t waiting = 65536;  // requests; beyond, one walk stands for all of them
    };

    SysfsReader(std::string sysfs_root, RecordsMaker records, Limits limits);
    ~SysfsReader();  // leaves a read behind that is not done at once
    SysfsReader(const SysfsReader&) = delete;
    SysfsReader& operator=(const SysfsReader&) = delete;

    // What is read from now on. Requests that wait already follow it, too.
    void need(std::shared_ptr<const AttributeNeeds> needs);

    // The attributes that are needed of a device of that subsystem; nothing is done where none are.
    // An answer comes only if the device is there, and not where that of a look() or walk() has
    // them.
    void read_attributes(std::string devpath, std::string_view subsystem);
    // A device that is there and cannot be read (no descriptors are left) is not called gone: the
    // answer is a walk, which can say what is wrong.
    void look(std::string devpath);
    // One at a time. Asked while one is under way: another follows it, since the first may have
    // passed already what has changed.
    void walk();

    int fd() const;                  // readable when take() may have something
    std::vector<ReadAnswer> take();  // in the order in which they were finished

    struct Shared;  // with the threads; outlives this object if one of them hangs

  private:
    std::shared_ptr<Shared> shared_;
};

}  // namespace devmux
