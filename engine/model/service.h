// What a unit starts: plain data. How each kind is read is in service_file.h, how it is run in
// engine/run/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conditions/duration.h"

namespace devmux {

// What is started. An init script's path is found when it runs, below the root in force.
struct Service {
    enum class Kind : unsigned char { InitScript, Command, Daemon, Scripts, Systemd };
    Kind kind = Kind::Command;
    std::string init_script;             // NAME of /etc/init.d/NAME
    std::string chosen_by;               // a file that names the program whose script it is instead; or empty
    std::vector<std::string> start;      // argv of a command or daemon; absolute
    std::vector<std::string> stop;       // empty: nothing to stop
    std::vector<std::string> reload;     // of a command: reads its configuration again; empty: restarted instead
    std::vector<std::string> status;     // of a command: exits with 0 when it runs; empty: nobody knows
    std::string scripts;                 // a folder as /etc/dev.d; absolute
    std::string systemd;                 // a unit of systemd, with its type: bluetooth.service
    bool may_be_missing = false;         // then it is skipped, and has not failed (if-missing)
    bool reloads = false;                // a daemon reads its configuration again when it gets SIGHUP
    bool notifies = false;               // a daemon is ready when it says so (sd_notify), else when it runs
    bool operator==(const Service&) const = default;
};

// What is done when a start finds the service running, or a unit that is active is asked for again.
enum class IfRunning : unsigned char { Skip, Run, Error };

std::string_view to_string(IfRunning what);

// Whether what ended badly is tried again: the start of anything, and a daemon that was to stay.
struct Restart {
    enum class Policy : unsigned char { Never, OnFailure, Always };
    Policy policy = Policy::Never;
    Duration delay = std::chrono::seconds(1);  // before the first time; twice as long each further time
    unsigned limit = 5;                        // times in a row
    bool operator==(const Restart&) const = default;
};

std::string_view to_string(Restart::Policy policy);

// "init-script gdm3", "command /usr/sbin/ntpdate-debian": one line, safe to print.
std::string describe(const Service& service);

}  // namespace devmux
