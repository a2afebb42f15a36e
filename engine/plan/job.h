// A job: one run of a unit's program. The plan asks for it, the runner makes it happen and tells how
// it ended. Plain data.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "conditions/duration.h"

namespace devmux {

struct Unit;

// Numbers grow over the life of a boot, restarts of the engine included; 0 is no job.
using JobId = uint64_t;

// Start, Stop and Reload of a service; Run is one run of an each-event unit.
enum class Verb : unsigned char { Start, Stop, Run, Reload };

std::string_view to_string(Verb verb);

// "Run this now." In the order of the list of actions, after the records that precede it.
struct RunJob {
    JobId job = 0;
    std::shared_ptr<const Unit> unit;
    Verb verb = Verb::Start;
    std::string reason;  // DEVMUX_REASON, and the log
    std::string action;  // ACTION of the device: "add" at a start, "remove" at a stop; or empty
    std::string block;   // the device's variables ("KEY=VALUE\0…"); empty where no device decided
    JobId daemon = 0;    // of a stop or reload: of this job, the daemon, which gets a signal
    std::string error;   // why it cannot be run: it fails at once
};

// A job of a former engine that was still running when it went: watch it to its end.
struct AdoptJob {
    JobId job = 0;
    std::string unit;
    int pid = 0;
    Time marked_at{};  // CLOCK_BOOTTIME when it was about to exec
    std::shared_ptr<const Unit> start = {};  // of whose start: an end that nobody saw is asked about
    bool foreign = false;                    // it is somebody else's, and is spared
};

// Somebody else runs the init script of a unit, and was told to go on (devmux guard): that is the unit's start.
struct ScriptStarted {
    std::string unit;
    int pid = 0;      // of the script, which may have ended
    Time started{};   // CLOCK_BOOTTIME, rounded down
    std::string by;   // the unit whose program called it; empty: the boot sequence
};

// The start of a daemon is over: it runs, or has said that it is ready. Its job goes on, and its end is
// told by JobEnded.
struct DaemonReady {
    JobId job = 0;
};

// How a job ended. Neither code nor signal: it ended unseen, or never came to run.
struct JobEnded {
    JobId job = 0;
    std::optional<int> code;
    std::optional<int> signal;
    std::string error;  // why it could not be started ("/etc/init.d/gdm3: not found"); or empty
    bool found_running = false;  // nothing was started: the service ran already
    bool no_action = false;      // of a reload: the init script has no action for it, and was not run
    bool found_down = false;     // nobody saw it end, and the service does not run
    bool missing = false;        // `error` says what is not installed, and the unit's if-missing that it may be so

    bool ok() const { return code == 0 && error.empty(); }
    bool unseen() const { return !code && !signal && error.empty() && !found_down; }
};

// What systemd says of the service of a unit, whoever brought it about. Not while a job of ours runs: the
// end of that tells.
struct ServiceSeen {
    enum class State : unsigned char {
        Running,
        Stopped,  // or it ended by itself, and well
        Failed,
    };
    enum class How : unsigned char {
        Alone,   // by itself
        ByHand,  // somebody asked systemd for it
        Unseen,  // while nobody watched
    };
    std::string unit;  // ours
    State state = State::Running;
    How how = How::Alone;
    std::string text;      // "bluetooth.service failed (exit-code)"
};

std::string_view to_string(ServiceSeen::State state);
std::string_view to_string(ServiceSeen::How how);

// What a job waits in.
struct JobSeen {
    JobId job = 0;
    std::string text;             // "modprobe (pid 123) waits in finit_module, loading module scsi_debug"
    bool in_module_load = false;  // or in the probe of a driver: it is not to be killed
    std::string driver;           // whose load or probe; or empty
};

// What came of a KillJob. Both empty: nobody could be asked; it is to be tried again.
struct JobSignalled {
    JobId job = 0;
    int signal = 0;
    std::string sent;    // "sh (pid 122), sleep (pid 123)"
    std::string spared;  // who was not, and why: as JobSeen::text
};

// "exited with status 3", "was killed by signal 9 (Killed)", …
std::string describe(const JobEnded& end);

}  // namespace devmux
