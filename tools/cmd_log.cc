// devmux log UNIT: what a unit's programs have printed, as far as it is kept. The files are the daemon's
// (engine/run/unit_log.h) and stay when it goes; it is asked whether there is such a unit.
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "conditions/text.h"
#include "engine/run/unit_log.h"
#include "engine/system/descriptor.h"
#include "engine/system/errno_error.h"
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {
namespace {

constexpr size_t kMost = 1 << 20;  // more than is kept

struct Options {
    std::string unit;
    size_t lines = 0;  // 0: all
    bool follow = false;
};

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
        size_t end = std::min(text.find('\n'), text.size());
        out.push_back(log_line(text.substr(0, end)));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

Descriptor open_log(const std::string& path) {
    return Descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
}

// Until somebody ends it: what is printed from `from` on. The folder is watched, for the file may not be
// there yet, or be made anew.
Exit follow(const std::string& folder, const std::string& unit, uint64_t from) {
    Descriptor watch(inotify_init1(IN_CLOEXEC));
    if (!watch || inotify_add_watch(watch.get(), folder.c_str(), IN_MODIFY | IN_CREATE | IN_ONLYDIR) < 0)
        return complain(folder + ": cannot be watched: " + errno_text(errno)), Exit::Refused;
    std::string partial;
    alignas(inotify_event) char events[4096];
    while (true) {
        if (Descriptor fd = open_log(folder + "/" + unit); fd) {
            LogTail more = log_since(fd.get(), from, kMost);
            from = more.end;
            partial += more.text;
            size_t end = partial.rfind('\n');
            if (end != partial.npos) {
                for (const std::string& line : lines_of(std::string_view(partial).substr(0, end + 1))) print_line(line);
                partial.erase(0, end + 1);
            } else if (partial.size() > kMost) {
                partial.clear();
            }
        }
        if (std::fflush(stdout) != 0) return Exit::No;
        while (read(watch.get(), events, sizeof events) < 0)
            if (errno != EINTR) return Exit::No;
    }
}

Exit log(const Session& session, const Options& options) {
    Client client(session.runtime_dir);
    Reply known = client.call("Unit", {options.unit});
    // Of an instance that has gone there may be a log all the same.
    if (!known && known.code != Exit::NoDaemon && known.code != Exit::NoSuchThing) return report(known);
    std::string folder = session.runtime_dir + "/log", path = folder + "/" + options.unit;
    if (!is_log_name(options.unit))
        return complain(devmux::quoted(printable(options.unit)) + " is no name of a unit"), Exit::NoSuchThing;
    Descriptor fd = open_log(path);
    if (!fd && errno != ENOENT) return complain(path + ": cannot be read: " + errno_text(errno)), Exit::NoDaemon;
    if (!fd && !known) return report(known);
    LogTail tail = fd ? log_tail(fd.get(), kMost) : LogTail{};
    std::vector<std::string> lines = lines_of(tail.text);
    if (options.lines > 0 && lines.size() > options.lines)
        lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(options.lines));
    if (session.json) {
        print_json(Json{{"name", options.unit}, {"lines", lines}});
        return Exit::Ok;
    }
    for (const std::string& line : lines) print_line(line);
    if (lines.empty() && !options.follow) {
        std::string service = known ? known.value.at("service").get<std::string>() : "";
        bool foreign = service.starts_with("systemd ");
        complain(options.unit + " has printed nothing" +
                 (foreign ? "; what systemd starts prints into the journal: journalctl -u " + service.substr(8) : ""));
    }
    return options.follow ? follow(folder, options.unit, tail.end) : Exit::Ok;
}

}  // namespace

void add_log(CLI::App& app, Commands& commands) {
    auto options = std::make_shared<Options>();
    CLI::App* sub = app.add_subcommand("log", "show what a unit's programs have printed; needs no daemon");
    sub->add_option("unit", options->unit, "which")->type_name("UNIT")->required();
    sub->add_option("-n,--lines", options->lines, "the last so many lines; default: all that is kept")
        ->type_name("LINES")
        ->check(CLI::Range(1, 1'000'000));
    sub->add_flag("-f,--follow", options->follow, "and what comes, until you press ^C");
    commands.push_back({sub, [options](const Session& session) {
                            if (session.json && options->follow)
                                throw CLI::ValidationError("--follow", "with --json there is no end to wait for");
                            return log(session, *options);
                        }});
}

}  // namespace devmux
