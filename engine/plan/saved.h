// What must survive the engine for the rest of this boot: verdicts, latches, holds, jobs. One record
// says all about one thing; the last record of a thing is in force. engine/run/saved_state.* writes
// them to the runtime directory.
#pragma once

#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "conditions/duration.h"
#include "conditions/evaluate.h"
#include "conditions/truth.h"
#include "engine/plan/job.h"
#include "engine/plan/unit_state.h"

namespace devmux {

// A unit: everything that moves together is in one record, so that a crash between two writes
// cannot remember an edge and forget the start that it asked for.
struct SavedUnit {
    std::string unit;
    Truth verdict = Truth::False;       // last definite verdict of when/while
    Truth stop_verdict = Truth::False;  // last definite verdict of stop-when
    Wanted wanted = Wanted::Down;
    Actual actual = Actual::Waiting;
    Hold hold = Hold::None;
    bool again = false;
    JobId job = 0;  // of a start or stop that was asked for and has not ended
    Asker asker = Asker::Nobody;
    Owed owed = Owed::Nothing;
    std::string script = {};  // with chosen-by: the init script that it stands for, which is stopped by itself alone
    bool forced = false;  // a person has it stopped, whatever that takes down
    bool operator==(const SavedUnit&) const = default;
};

// A `first` that was won. `leaf` is its canonical text.
struct SavedLatch {
    std::string unit;
    std::string leaf;
    Witness winner;
    bool cleared = false;  // by `reset --latch`
};

// A run of an each-event unit: asked for. With the child's mark it has run. A device has one run per
// unit, the last one; job 0: the device is gone, forget it.
struct SavedRun {
    std::string unit;
    std::string devpath;
    Generation generation;
    JobId job = 0;
};

// The child's own mark, its last act before exec: without it, the job was not run.
struct SavedMark {
    JobId job = 0;
    int pid = 0;  // 0: takes the mark back, the program could not be executed
    Time at{};   // CLOCK_BOOTTIME
};

struct SavedEnd {
    JobId job = 0;
};

// This unit's daemon is the process of this job, which runs on after its start; 0: it has none. Before the
// record of the unit that calls it active, and behind the one that does so no more.
struct SavedDaemon {
    std::string unit;
    JobId job = 0;
};

// What a unit with `refresh` was last reloaded for: the devices, as a number; the reload that runs; and
// whether another one is due.
struct SavedRefresh {
    std::string unit;
    JobId job = 0;
    bool due = false;
    bool known = false;  // which devices
    uint64_t devices = 0;
};

// What if-never must know of a unit: that its condition was true in this boot (a record of the unit that says so
// says this as well), and that if-never was acted upon.
struct SavedNever {
    std::string unit;
    bool was_true = false, acted = false;
    bool operator==(const SavedNever&) const = default;
};

// The last start of the unit's script that was somebody else's: who tells of it again tells no news.
struct SavedClaim {
    std::string unit;
    int pid = 0;
    Time started{};  // CLOCK_BOOTTIME
    bool operator==(const SavedClaim&) const = default;
};

// An instance, and the device that it is for, with its variables as they were when it came or was started
// last. `of` empty: it has gone, with all that was remembered of it.
struct SavedInstance {
    std::string unit, of;
    Witness device;
    std::string block;
    bool operator==(const SavedInstance&) const = default;
};

// "settled" was reached; it holds for the rest of the boot.
struct SavedSettled {};

// The machine is going down, or does not after all.
struct SavedGoingDown {
    bool down = true;
};

// The mode that devmux mode has set; empty: none.
struct SavedMode {
    std::string mode;
};

// Whether / or /usr comes from a server (carriers.h): until the mounts are known again, a new engine stops
// nothing that may take down the interface over which it does. And over which links, by ifindex, in order.
struct SavedCarried {
    bool carried = true;
    std::vector<uint64_t> links{};
};

using Record = std::variant<SavedUnit, SavedLatch, SavedRun, SavedMark, SavedEnd, SavedSettled, SavedDaemon,
                            SavedGoingDown, SavedRefresh, SavedNever, SavedClaim, SavedInstance, SavedMode,
                            SavedCarried>;

// All of it, as a restarted engine finds it.
struct SavedState {
    std::map<std::string, SavedUnit> units;
    std::vector<SavedLatch> latches;  // without the cleared ones
    std::vector<SavedRun> runs;       // of devices that may still be there
    std::map<JobId, SavedMark> marks;  // of jobs that a unit or a run names; `ended` as well
    std::map<JobId, bool> ended;
    std::map<std::string, JobId> daemons;  // by unit
    std::map<std::string, SavedRefresh> refreshes;
    std::map<std::string, SavedNever> never;
    std::map<std::string, SavedClaim> claims;
    std::map<std::string, SavedInstance> instances;
    JobId last_job = 0;
    bool settled = false;
    bool going_down = false;
    Truth carried = Truth::False;  // Unknown: nobody has looked yet in this boot
    std::set<uint64_t> carriers;  // links
    std::string mode;
};

}  // namespace devmux
