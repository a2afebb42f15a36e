// devmuxd: the daemon. Options, the real machine's paths, and nothing else; engine/engine.h is the
// file to read first.
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "engine/recording_file.h"
#include "engine/shell.h"
#include "tools/default_dirs.h"

namespace devmux {
namespace {

enum ExitCode { kFine = 0, kFailed = 1, kUsage = 2 };

// systemd says with this variable which stream leads to its journal (systemd.exec(5)).
bool stderr_is_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat st{};
    if (!stream || fstat(STDERR_FILENO, &st) != 0) return false;
    return stream == std::to_string(st.st_dev) + ":" + std::to_string(st.st_ino);
}

struct Options {
    bool foreground = false, dry_run = false;
    size_t record_limit = 64;  // MiB
    size_t parallel = Planner::kParallel;
    std::vector<std::string> units;
    std::string root, runtime_dir = "/run/devmux", record, sources = "kernel,udev,hotplug,coldplug", color = "auto";
};

int run(const Options& options) {
    ShellConfig config;
    config.version = DEVMUX_VERSION;
    config.root = options.root == "/" ? "" : options.root;
    config.sysfs = "/sys";
    config.proc = "/proc";
    if (!options.dry_run) config.kernel_log = "/dev/kmsg";
    config.runtime_dir = options.runtime_dir;
    config.dirs.root = config.root;
    config.dirs.units = options.units;
    if (options.units.empty())
        for (const std::string& dir : default_unit_dirs()) config.dirs.units.push_back(config.root + dir);
    config.dry_run = options.dry_run;
    config.udev_run = "/run/udev";
    config.systemd = config.root + "/run/systemd";
    auto on = [&](const char* source) { return options.sources.find(source) != std::string::npos; };
    config.sources = {.kernel = on("kernel"), .udev = on("udev"), .hotplug = on("hotplug"),
                      .coldplug = on("coldplug")};

    config.record = options.record;
    config.record_limit = options.record_limit << 20;
    config.times.parallel = options.parallel;

    // One heap for the few threads that read: what they free is given back.
    mallopt(M_ARENA_MAX, 1);
    bool terminal = isatty(STDERR_FILENO) == 1 && !std::getenv("NO_COLOR");
    bool journal = stderr_is_journal();
    Log log(STDERR_FILENO, {.color = options.color == "always" || (options.color == "auto" && terminal),
                            .priorities = journal}, Loop::now());
    Loop loop;
    signal(SIGPIPE, SIG_IGN);
    for (const std::string& dir : options.units)
        if (std::error_code bad; !std::filesystem::exists(dir, bad))
            log.write({Report::Level::Warning, "", "--units " + dir + ": there is no such folder yet; a reload looks again"},
                      Loop::now());
    Shell shell(std::move(config), loop, log);
    // A signal ends the daemon and nothing that it started: services run on.
    for (int signo : {SIGTERM, SIGINT}) loop.on_signal(signo, [&] { loop.exit(kFine); });
    // Who has started us may want to know (sd_notify(3)); without NOTIFY_SOCKET nobody does.
    loop.on_signal(SIGHUP, [&] {
        (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
                         static_cast<long long>(std::chrono::duration_cast<std::chrono::microseconds>(Loop::now()).count()));
        shell.reload();
        (void)sd_notify(0, "READY=1");
    });
    // It was stopped: what happened meanwhile may not have fitted into the sockets.
    loop.on_signal(SIGCONT, [&] { shell.doubt(InDoubt::Why::Continued); });
    if (auto error = shell.start()) {
        fprintf(stderr, "devmuxd: %s\n", error->to_string().c_str());
        return kFailed;
    }
    (void)sd_notify(0, "READY=1");  // its sockets listen, and units are loaded
    int code = loop.run();
    (void)sd_notify(0, "STOPPING=1");
    return code;
}

int main_of(int argc, char** argv) {
    CLI::App app("Watches devices arrive and starts and stops the units whose conditions hold.", "devmuxd");
    Options options;
    app.add_flag("--foreground", options.foreground, "stay in the foreground (it always does; for clarity)");
    app.add_option("--units", options.units,
                   "folder of units, its classes in DIR/classes.d; may be repeated, later ones win")
        ->type_name("DIR")
        ->allow_extra_args(false);
    app.add_option("--runtime-dir", options.runtime_dir, "socket, lock, saved state and output of units")
        ->envname("DEVMUX_RUNTIME_DIR")
        ->type_name("DIR")
        ->capture_default_str();
    app.add_option("--root", options.root, "folder that units, init scripts and file facts are below")
        ->type_name("DIR")
        ->check(CLI::ExistingDirectory);
    app.add_option("--sources", options.sources, "where events come from: kernel, udev, hotplug, coldplug")
        ->type_name("LIST")
        ->capture_default_str();
    app.add_option("--record", options.record, "write down all that the engine is fed, for devmux simulate")
        ->type_name("FILE");
    app.add_option("--record-limit", options.record_limit, "the recording ends at this size")
        ->type_name("MIB")
        ->check(CLI::Range(size_t{1}, kLargestRecording >> 20))
        ->capture_default_str();
    app.add_option("--parallel", options.parallel, "at most so many units are starting at a time")
        ->type_name("N")
        ->check(CLI::Range(size_t{1}, size_t{1000}))
        ->capture_default_str();
    app.add_flag("--dry-run", options.dry_run, "say what would be run; run nothing, and write nothing but what --record asks for");
    app.add_option("--color,--colour", options.color, "auto: on a terminal, unless NO_COLOR is set")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->type_name("WHEN")
        ->capture_default_str();
    app.set_version_flag("--version", "devmuxd " DEVMUX_VERSION);
    app.failure_message([](const CLI::App*, const CLI::Error& error) {
        return "devmuxd: " + std::string(error.what()) + "\n    `devmuxd --help` says more\n";
    });
    try {
        app.parse(argc, argv);
        std::string rest = options.sources;
        for (size_t at = 0; at <= rest.size();) {
            size_t comma = std::min(rest.find(',', at), rest.size());
            std::string source = rest.substr(at, comma - at);
            if (source != "kernel" && source != "udev" && source != "hotplug" && source != "coldplug")
                throw CLI::ValidationError("--sources", "\"" + source +
                                                            "\" is no source: kernel, udev, hotplug, coldplug");
            at = comma + 1;
        }
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? kFine : kUsage;
    }
    try {
        return run(options);
    } catch (const std::exception& e) {
        fprintf(stderr, "devmuxd: %s\n", e.what());
        return kFailed;
    }
}

}  // namespace
}  // namespace devmux

int main(int argc, char** argv) { return devmux::main_of(argc, argv); }
