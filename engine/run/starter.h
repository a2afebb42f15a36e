// Who has called the init script that asks. Not what the environment says, which anybody inherits: what
// the kernel says of the process and of those that it descends from.
//
//   a job of ours   the process, or one that it descends from, is devmuxd or the main process of a job
//                   that runs; or it stands in such a job's session or process group
//   systemd         else: process 1 is systemd, and the script, or the guard itself, is its child
//   the boot        else: the child of process 1, or of a child of its own name, that it descends from is `rc`, `rcS`, `startpar` (sysvinit
//   sequence        and busybox), `openrc`, or, where process 1 is `runit`, the stage `1` or `2`; and no
//                   login, and no shell of a person who repairs a boot that failed (`sulogin`), is nearer;
//                   or that child stands in the session of a process of which that is so
//   a person        everybody else, packages and cron among them
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "conditions/duration.h"
#include "engine/plan/guard.h"

namespace devmux {

// A process, as it was found.
struct FoundStarter {
    Starter who;
    // The script: the parent of who asks, or, where that is process 1, who asks, and has ended soon.
    int script = 0;
    Time script_started{};  // CLOCK_BOOTTIME, rounded down
};

// The unit of the job whose main process this is; nothing: it is none.
using JobOfProcess = std::function<std::optional<std::string>(int pid)>;

// `pid` asks; `self` is devmuxd. Nothing: it is gone, or its descent cannot be read.
std::optional<FoundStarter> find_starter(const std::string& proc, int pid, int self, const JobOfProcess& job_of);

}  // namespace devmux
