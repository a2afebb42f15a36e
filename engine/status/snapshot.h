// What is told: plain data, copied out of the engine while nothing moves. The JSON of every listing
// (status_json.h) and the text of every listing (tools/) are made from these, and from nothing else.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "conditions/duration.h"
#include "conditions/explain.h"
#include "conditions/truth.h"
#include "engine/model/unit_links.h"

namespace devmux {

struct UnitSnapshot {
    std::string name;
    std::string description;
    std::string file;
    std::string service;    // "init-script gdm3", "command /usr/sbin/ntpdate-debian"
    std::string kind;       // "when", "while", "each-event", "by hand"
    std::string for_each;   // of a unit with instances, and of these: the devices; else empty
    std::string of;         // of an instance: the unit that it is one of
    std::string device;     // of an instance: the devpath of its device
    std::vector<std::string> instances;  // their names
    std::string condition;  // canonical; of each-event: the devices
    std::string stop_when;  // canonical, or empty
    std::string boot_if;    // the same
    std::string refresh;    // the devices for which it is reloaded, or empty
    std::string takes_down;  // what its stop takes down, "no" for nothing; empty: it does not say
    std::string if_missing;  // "skip", or empty
    std::string chosen_by;   // the file that names the script; or empty
    std::string chosen;      // the script that it names; empty: none. Another one may run still
    UnitLinks links;
    bool task = false;
    // for-each, of a unit with instances: these have the states
    // waiting, starting, active, done, stopping, failed; overdue (it starts or stops, and takes longer than
    // it may); broken, masked; orphaned (its file is gone); new (not loaded yet)
    std::string state;
    std::string wanted;     // "up", "down"
    std::string hold;       // "", "up", "down": by hand
    std::string asked_by;   // for what is wanted: "its condition", "a person", "another unit"; or nobody yet
    Truth verdict = Truth::Unknown;  // of the condition, now
    Duration since{};       // how long it has been in this state
    std::string reason;     // why it was last started or stopped
    std::string last_end;   // how its last job ended; empty before the first
    std::string last_reload;  // how that ended; empty before the first
    bool reload_failed = false;
    std::string remark;     // why it stays as it is, where the condition alone does not tell
    int pid = 0;            // of the running job
    uint64_t starts = 0;    // jobs started since the engine runs (each-event: runs)
    uint64_t queued = 0;    // each-event: events that wait for their device's turn
    bool changed_on_disk = false;        // its file, its drop-ins and what they say are not what is in force
    std::string on_disk;                 // and what they are: changed, gone, new, broken, masked; or nothing
    std::vector<std::string> errors;     // of a broken file
    std::vector<std::string> warnings;
    std::optional<Explanation> explanation;       // of when/while
    std::optional<Explanation> stop_explanation;  // of stop-when
    std::optional<Explanation> boot_explanation;  // of boot-if
};

struct DeviceSnapshot {
    std::string devpath, name, subsystem, driver;
    std::vector<std::string> classes;
    std::map<std::string, std::string> properties;
    std::map<std::string, std::optional<std::string>> attributes;  // nothing: no such file
    std::string link;               // of a network interface: "down", "up", "running", "online"; empty: not known
    std::string carries;            // of one that does: "carries / (NFS from 10.0.2.2)"
    std::string level;              // "seen", or "ready" when udev is done with it
    bool in_doubt = false;          // not seen again since events were lost
    Duration since{};
};

struct ClassSnapshot {
    std::string name, plural, description, supplied_by, match, file;
    std::vector<std::string> aliases, subsystems, includes;
    uint64_t present = 0;
};

// A unit that a condition names and that is not in force: why, and the next step.
struct AbsentUnit {
    std::string unit, what, hint;
};

struct EvalSnapshot {
    std::string condition;  // canonical
    Truth truth = Truth::Unknown;
    Explanation explanation;
    bool reading = false;  // what it asks for is being looked up: ask again in a moment
    std::vector<AbsentUnit> absent{};  // that it names, each once
};

// A unit that is there no more: an instance whose device has gone, or one whose file has.
inline UnitSnapshot gone_unit(const std::string& name) {
    UnitSnapshot s;
    s.name = name;
    s.state = "gone";
    s.remark = "it is gone, with its device or its file";
    return s;
}

// Counters are since the engine's start; what was lost is never silent (devmux(7), law 5).
struct EngineSnapshot {
    std::string version;
    bool dry_run = false;
    bool coldplug_complete = false;
    bool settled = false;
    std::string runlevel;            // of init; empty: not known
    std::string network;             // "online", "offline" or "unknown"; empty: nobody asks
    std::vector<std::string> carriers;  // "eth0 carries / (NFS from 10.0.2.2)", where somebody asks
    std::string mode;                // set by devmux mode; empty: none
    bool going_down = false;         // the machine
    bool in_doubt = false;           // events were lost, and sysfs is being walked
    std::string udev;                // "running", "down" (installed, but does not run) or "absent"
    uint64_t waiting_for_udev = 0;   // devices that are seen and not ready
    uint64_t devices = 0;
    std::map<std::string, uint64_t> counters;     // received, duplicate, late, refused, malformed, …
    std::map<std::string, uint64_t> units;        // how many in each state
    std::vector<std::string> sources;             // "kernel", "udev", "hotplug", "coldplug"
    std::vector<std::string> errors;              // of class files and folders
    std::vector<std::string> unit_folders;        // that are read, the weakest first
    std::map<std::string, std::vector<std::string>> on_disk;  // what is not what is in force: units by what they
                                                              // are there, and "classes"
    Duration uptime{};
};

struct ReloadSnapshot {
    std::vector<std::string> added, changed, removed, kept;  // kept: broken now, the last good in force
    std::vector<std::string> errors;
};

}  // namespace devmux
