// See starter.h. A controlling terminal tells nothing: init(8) gives the boot its console as one, and
// startpar(1) makes a session for each script. Names are those of proc_pid_stat(5): of a script, the
// name of its file.
#include "engine/run/starter.h"

#include <algorithm>
#include <array>
#include <vector>

#include "engine/run/process_stat.h"

namespace devmux {
namespace {

constexpr size_t kDeepest = 64;  // generations

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// Debian's /etc/init.d/rc (sysv-rc) and its startpar; /etc/init.d/rcS, which busybox runs as well;
// /sbin/openrc, by inittab(5) or by openrc-init(8).
bool runs_boot_scripts(std::string_view name) {
    return is_one_of(name, {"rc", "rcS", "startpar", "openrc"});
}

// Who gives a person a shell.
bool lets_people_in(std::string_view name) {
    return is_one_of(name, {"sulogin", "login", "getty", "agetty", "mingetty", "fgetty", "sshd"});
}

struct Process {
    int pid = 0;
    ProcessStat stat;
};

// From `pid` up to process 1, both included. Empty: it could not be followed so far.
std::vector<Process> descent_of(const std::string& proc, int pid) {
    std::vector<Process> out;
    while (out.size() < kDeepest) {
        auto stat = process_stat(proc, pid);
        // Whoever is younger than its child is somebody else, with the number of its parent.
        if (!stat || (!out.empty() && stat->start_ticks > out.back().stat.start_ticks)) return {};
        out.push_back({pid, *stat});
        if (pid == 1) return out;
        pid = stat->parent;
        if (pid <= 0) return out;  // it was started from outside of our namespace of processes
    }
    return {};
}

bool is_of_boot(const std::vector<Process>& descent) {
    if (descent.back().pid != 1) return false;
    std::string_view init = descent.back().stat.name;
    size_t below = descent.size() - 1;  // of process 1
    // Of sysvinit's own: for an entry that is waited for it forks once more, for the sake of the console
    // (spawn() of its src/init.c).
    while (below > 0 && descent[below - 1].stat.name == init) --below;
    if (below == 0) return false;
    for (size_t i = 0; i < below; ++i)
        if (lets_people_in(descent[i].stat.name)) return false;
    std::string_view top = descent[below - 1].stat.name;
    return runs_boot_scripts(top) || (init == "runit" && (top == "1" || top == "2"));
}

// A script that a boot script leaves behind in the background is the child of process 1, and stays in its session.
// The number of a session is nobody else's while somebody is in it; who has begun it may have ended, and then
// nothing is known.
bool is_left_by_boot(const std::string& proc, const std::vector<Process>& descent) {
    if (descent.back().pid != 1 || descent.size() < 2) return false;
    for (const Process& p : descent)
        if (lets_people_in(p.stat.name)) return false;
    int leader = descent[descent.size() - 2].stat.session;
    if (leader <= 1 || leader == descent[descent.size() - 2].pid) return false;
    std::vector<Process> of_leader = descent_of(proc, leader);
    return !of_leader.empty() && is_of_boot(of_leader);
}

// Its child is the guard itself (ExecCondition), or the script.
bool is_of_systemd(const std::vector<Process>& descent) {
    return descent.back().pid == 1 && descent.back().stat.name == "systemd" && descent.size() <= 3;
}

}  // namespace

std::optional<FoundStarter> find_starter(const std::string& proc, int pid, int self, const JobOfProcess& job_of) {
    std::vector<Process> descent = descent_of(proc, pid);
    if (descent.empty()) return std::nullopt;
    FoundStarter out;
    const Process& script = descent[descent.size() > 1 && descent[1].pid != 1 ? 1 : 0];
    out.script = script.pid;
    out.script_started = script.stat.started_at();
    for (const Process& p : descent)
        for (int number : {p.pid, p.stat.session, p.stat.group}) {
            if (number <= 1) continue;
            if (auto unit = job_of(number)) {
                out.who = {Starter::Kind::Job, *unit};
                return out;
            }
        }
    bool ours = std::any_of(descent.begin(), descent.end(), [&](const Process& p) { return p.pid == self; });
    out.who.kind = ours                     ? Starter::Kind::Job
                   : is_of_systemd(descent) ? Starter::Kind::Systemd
                   : is_of_boot(descent) || is_left_by_boot(proc, descent) ? Starter::Kind::Boot
                                            : Starter::Kind::Person;
    return out;
}

}  // namespace devmux
