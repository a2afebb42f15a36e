// See process_look.h, proc_pid_syscall(5) and fs/proc/base.c. A thread that does not sleep has no system call
// that could be read: "running" (lib/syscall.c). It may be in user space, or busy in the init function of a
// module. It is sampled again; that it is not in the kernel is believed when its user time grows, which is
// counted in ticks, and nothing else will do.
#include "engine/run/process_look.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include "conditions/text.h"
#include "engine/model/time_limits.h"

namespace devmux {
namespace {

using Kind = ProcessLook::Kind;

constexpr size_t kThreadsMost = 256;
constexpr size_t kDevicesMost = 3;  // of a module's drivers that are named
constexpr Duration kPause = std::chrono::milliseconds(20);
// Times of /proc/PID/stat are made of ticks and of the scheduler's exact sum (kernel/sched/cputime.c,
// cputime_adjust()): a tick or two of user time may be none.
constexpr uint64_t kUserTicks = 5;

struct SystemCall {
    long number = -1;  // -1: it sleeps, and in none
    std::array<uint64_t, 6> arguments{};
    bool narrow = false;  // of a 32-bit program
};

struct Thread {
    int tid = 0;
    ProcessStat stat;
    std::optional<SystemCall> call;  // nothing: running
    bool unreadable = false;
    std::string wchan;
};

struct Named {
    long number;
    const char* name;
};
constexpr Named kNames[] = {
    {SYS_init_module, "init_module"}, {SYS_finit_module, "finit_module"}, {SYS_delete_module, "delete_module"},
    {SYS_read, "read"}, {SYS_write, "write"}, {SYS_writev, "writev"}, {SYS_pread64, "pread64"},
    {SYS_pwrite64, "pwrite64"}, {SYS_openat, "openat"}, {SYS_close, "close"}, {SYS_ioctl, "ioctl"},
    {SYS_fsync, "fsync"}, {SYS_flock, "flock"}, {SYS_fcntl, "fcntl"}, {SYS_wait4, "wait4"}, {SYS_waitid, "waitid"},
    {SYS_futex, "futex"}, {SYS_nanosleep, "nanosleep"}, {SYS_clock_nanosleep, "clock_nanosleep"},
    {SYS_ppoll, "ppoll"}, {SYS_pselect6, "pselect6"}, {SYS_epoll_pwait, "epoll_pwait"},
    {SYS_connect, "connect"}, {SYS_accept4, "accept4"}, {SYS_recvfrom, "recvfrom"}, {SYS_recvmsg, "recvmsg"},
    {SYS_sendto, "sendto"}, {SYS_sendmsg, "sendmsg"}, {SYS_mount, "mount"}, {SYS_umount2, "umount2"},
    {SYS_sync, "sync"}, {SYS_reboot, "reboot"}, {SYS_execve, "execve"}, {SYS_rt_sigsuspend, "rt_sigsuspend"},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait"}, {SYS_sendfile, "sendfile"}, {SYS_splice, "splice"},
#ifdef __x86_64__
    {SYS_poll, "poll"}, {SYS_select, "select"}, {SYS_pause, "pause"}, {SYS_open, "open"}, {SYS_stat, "stat"},
    {SYS_epoll_wait, "epoll_wait"},
#endif
};

// The numbers of a 32-bit program, where they are others, as those of a 64-bit one (syscall_32.tbl).
[[maybe_unused]] long widened(long number) {
    switch (number) {
        case 128: return SYS_init_module;
        case 350: return SYS_finit_module;
        case 3: return SYS_read;
        case 4: return SYS_write;
        case 146: return SYS_writev;
        case 181: return SYS_pwrite64;
        case 187: case 239: return SYS_sendfile;
        case 313: return SYS_splice;
        default: return number + 100'000;  // none that is asked for
    }
}

bool parse(const std::string& line, SystemCall& out) {
    const char* at = line.c_str();
    char* end = nullptr;
    out.number = strtol(at, &end, 10);
    if (end == at) return false;
    if (out.number < 0) return true;
    for (uint64_t& argument : out.arguments) argument = strtoull(end, &end, 16);
#ifdef __x86_64__
    // Its stack lies in the lowest 4 GiB.
    uint64_t stack = strtoull(end, &end, 16);
    out.narrow = stack != 0 && stack >> 32 == 0;
    if (out.narrow) out.number = widened(out.number);
#endif
    return true;
}

std::string call_name(const SystemCall& call) {
    for (const Named& known : kNames)
        if (known.number == call.number) return known.name;
    return "system call " + std::to_string(call.narrow ? call.number - 100'000 : call.number);
}

// The descriptor that a call writes to; -1: it writes nothing.
int written_to(const SystemCall& call) {
    switch (call.number) {
        case SYS_write: case SYS_writev: case SYS_pwrite64: case SYS_sendfile: return static_cast<int>(call.arguments[0]);
        case SYS_splice: return static_cast<int>(call.arguments[2]);
        default: return -1;
    }
}

std::string link_of(const std::string& path) {
    std::error_code error;
    return std::filesystem::read_symlink(path, error).string();
}

// "/lib/modules/…/scsi_debug.ko.xz" -> "scsi_debug"
std::string module_of(const std::string& path) {
    std::string name = std::filesystem::path(path).filename().string();
    size_t ending = name.find(".ko");
    return ending == name.npos ? "" : driver_name(name.substr(0, ending));
}

// The devices that the module's drivers have, or are just probing: the link is made before the probe
// (drivers/base/dd.c, really_probe()). Drivers that name no owner are found where they have its name.
std::string devices_of(const std::string& sys, const std::string& module) {
    namespace fs = std::filesystem;
    std::string out;
    size_t count = 0;
    auto add_all = [&](const std::string& bus, const fs::path& driver) {
        std::error_code error;
        for (fs::directory_iterator entry(driver, error), none; !error && entry != none; entry.increment(error)) {
            std::string name = entry->path().filename().string();
            std::error_code no_link;
            if (name == "module" || !entry->is_symlink(no_link) || ++count > kDevicesMost) continue;
            out += (out.empty() ? "" : ", ") + printable(bus + " " + name);
        }
    };
    std::error_code error, no_bus;
    for (fs::directory_iterator driver(sys + "/module/" + module + "/drivers", error), none; !error && driver != none;
         driver.increment(error)) {
        std::string name = driver->path().filename().string();  // "pci:e1000e"
        add_all(name.substr(0, name.find(':')), driver->path());
    }
    for (fs::directory_iterator bus(sys + "/bus", no_bus), none; count == 0 && !no_bus && bus != none; bus.increment(no_bus))
        add_all(bus->path().filename().string(), bus->path() / "drivers" / module);
    if (count > kDevicesMost) out += " and " + std::to_string(count - kDevicesMost) + " more";
    return out;
}

Thread look_at_thread(const std::string& process, int tid) {
    std::string base = process + "/task/" + std::to_string(tid);
    Thread out{.tid = tid, .stat = {}, .call = {}, .unreadable = false, .wchan = {}};
    std::string call = read_proc(base + "/syscall");
    if (auto stat = parse_process_stat(read_proc(base + "/stat"))) out.stat = std::move(*stat);
    else out.stat.state = 'X';
    if (call.empty()) out.unreadable = true;
    else if (SystemCall parsed; parse(call, parsed)) out.call = parsed;
    out.wchan = read_proc(base + "/wchan");
    if (out.wchan == "0") out.wchan.clear();
    return out;
}

std::string waits_in(const Thread& t) {
    std::string out = t.call && t.call->number < 0 ? "waits" : t.call ? "waits in " + call_name(*t.call) : "is busy";
    if (!t.wchan.empty()) out += ", wchan " + printable(t.wchan);
    if (t.stat.state == 'D') out += ", uninterruptible";
    if (t.stat.state == 'T' || t.stat.state == 't') out = "is stopped";
    return out;
}

class Look {
  public:
    Look(const LookPaths& paths, const JobProcess& process)
        : paths_(paths), process_(process), base_(paths.proc + "/" + std::to_string(process.pid)) {}

    ProcessLook look(Duration patience) {
        auto until = std::chrono::steady_clock::now() + patience;
        std::vector<Thread> first = threads();
        std::vector<Thread> now = first;
        while (true) {
            if (std::all_of(now.begin(), now.end(), [](const Thread& t) { return t.stat.dead(); }))
                return {Kind::Gone, "", ""};
            if (auto load = in_load(now)) return *load;
            bool unclear = false;
            for (const Thread& t : now) unclear |= !is_clear(t, first);
            if (!unclear) return {Kind::Clear, telling(now), ""};
            if (std::chrono::steady_clock::now() >= until) break;
            std::this_thread::sleep_for(kPause);
            now = threads();
        }
        const Thread& t = *std::find_if(now.begin(), now.end(), [&](const Thread& x) { return !is_clear(x, first); });
        return {Kind::Unclear, t.unreadable ? "cannot be looked at (" + base_ + "/syscall cannot be read)"
                                            : "is busy in the kernel", ""};
    }

  private:
    std::vector<Thread> threads() const {
        std::vector<Thread> out;
        for (int tid : numbers_in(base_ + "/task"))
            if (out.size() < kThreadsMost) out.push_back(look_at_thread(base_, tid));
        return out;
    }

    static bool is_clear(const Thread& t, const std::vector<Thread>& first) {
        if (t.stat.dead() || (t.call && !t.unreadable)) return true;
        if (t.unreadable) return false;
        auto was = std::find_if(first.begin(), first.end(), [&](const Thread& f) { return f.tid == t.tid; });
        if (was == first.end()) return false;
        uint64_t user = t.stat.user_ticks - was->stat.user_ticks, system = t.stat.system_ticks - was->stat.system_ticks;
        return user >= kUserTicks && user >= system / 3;
    }

    std::optional<ProcessLook> in_load(const std::vector<Thread>& all) const {
        std::set<std::string> loading = loading_modules(paths_.proc);
        for (const Thread& t : all) {
            if (!t.call) continue;
            if (t.call->number == SYS_finit_module)
                return load(t, module_of(link_of(base_ + "/fd/" + std::to_string(t.call->arguments[0]))), loading);
            if (t.call->number == SYS_init_module) return load(t, "", loading);
            if (auto write = in_probe(t)) return write;
        }
        bool loader = process_.stat.name == "kmod" || process_.stat.name == "modprobe" || process_.stat.name == "insmod";
        if (loader && !loading.empty() && !all.empty()) return load(all[0], "", loading);
        return std::nullopt;
    }

    ProcessLook load(const Thread& t, std::string module, const std::set<std::string>& loading) const {
        if (module.empty() && loading.size() == 1) module = *loading.begin();
        std::string names = printable(module);
        if (module.empty())
            for (const std::string& name : loading) names += (names.empty() ? "" : " or ") + printable(name);
        ProcessLook out{Kind::Load, waits_in(t) + ", loading " + (names.empty() ? "a module" : "module " + names), module};
        std::string devices = module.empty() ? "" : devices_of(paths_.sys, module);
        if (!devices.empty()) out.text += ", device " + devices;
        return out;
    }

    // A write that has the kernel probe.
    std::optional<ProcessLook> in_probe(const Thread& t) const {
        int fd = written_to(*t.call);
        if (fd < 0) return std::nullopt;
        std::filesystem::path path = link_of(base_ + "/fd/" + std::to_string(fd));
        std::string file = path.filename().string();
        bool probes = file == "bind" || file == "new_id" || file == "drivers_probe" || file == "rescan";
        if (!probes || !path.string().starts_with(paths_.sys + "/")) return std::nullopt;
        std::string folder = path.parent_path().filename().string();
        bool driver = file == "bind" || file == "new_id";
        return ProcessLook{Kind::Load, waits_in(t) + ", writing to " + printable(path.string()), driver ? folder : ""};
    }

    // Of several threads that one which hangs most.
    static std::string telling(const std::vector<Thread>& all) {
        const Thread* best = nullptr;
        for (const Thread& t : all)
            if (!t.stat.dead() && (!best || (t.stat.state == 'D' && best->stat.state != 'D'))) best = &t;
        if (!best) return "has ended";
        if (best->call || best->stat.state == 'T') return waits_in(*best);
        return "is busy in user space";
    }

    const LookPaths& paths_;
    const JobProcess& process_;
    std::string base_;
};

}  // namespace

// /proc/modules: "NAME SIZE REFCOUNT USED-BY STATE ADDRESS" (kernel/module/procfs.c). A line has less
// than 200 bytes, the file of a large machine some 30 KiB.
std::set<std::string> loading_modules(const std::string& proc) {
    std::set<std::string> out;
    FILE* file = fopen((proc + "/modules").c_str(), "re");
    std::array<char, 4096> line{};
    while (file && fgets(line.data(), line.size(), file)) {
        std::string_view text(line.data());
        if (text.find(" Loading ") != text.npos) out.insert(driver_name(text.substr(0, text.find(' '))));
    }
    if (file) fclose(file);
    return out;
}

ProcessLook look_at_process(const LookPaths& paths, const JobProcess& process, Duration patience) {
    return Look(paths, process).look(patience);
}

std::string name_of(const JobProcess& process) {
    return printable(process.stat.name) + " (pid " + std::to_string(process.pid) + ")";
}

}  // namespace devmux
