// The shell's part of what init does: which runlevel it is in, which scripts belong where, and the end.
#include <paths.h>
#include <poll.h>
#include <unistd.h>

#include "conditions/terms.h"
#include "conditions/text.h"
#include "engine/shell.h"

namespace devmux {
namespace {

// So long the start waits for the first answer, which takes a moment, unless /var does not answer. Then units
// are asked without it, and once more when it comes.
constexpr int kFirstAnswerMs = 200;

}  // namespace

void Shell::watch_runlevel() {
    runlevel_.emplace(config_.root.empty() ? "/" : config_.root, _PATH_UTMP, config_.proc + "/self/mountinfo");
    auto take = [this] {
        auto seen = runlevel_->take();
        if (!seen) return;
        of_utmp_ = seen->level;
        tell_runlevel();
        // Where systemd writes no record, or none yet, its targets tell.
        if (of_utmp_->empty() && services_) services_->jobs().follow_targets();
    };
    loop_.on_readable(runlevel_->fd(), "runlevel", Loop::Priority::Files, [this, take] {
        take();
        turn_ended();
    });
    pollfd first{runlevel_->fd(), POLLIN, 0};
    // In front of what the start has brought: the ends of jobs that a former engine began.
    auto brought = std::exchange(pending_, {});
    if (poll(&first, 1, kFirstAnswerMs) > 0) take();
    read_scripts();
    for (Event& event : brought) feed(event);
}

// What init has noted comes first.
void Shell::tell_runlevel() {
    if (!of_utmp_) return;
    const std::string& level = of_utmp_->empty() ? of_targets_ : *of_utmp_;
    if (told_runlevel_ == level) return;
    told_runlevel_ = level;
    if (runner_) runner_->set_runlevel(level);
    feed(RunlevelSeen{level});
}

// Of the scripts that units name. Under systemd links in /etc/rc?.d are a matter of its generator.
void Shell::read_scripts() {
    std::set<std::string> scripts;
    if (access((config_.root + "/run/systemd/system").c_str(), F_OK) != 0)
        for (const auto& [name, unit] : configuration_->units)
            if (unit->service.kind == Service::Kind::InitScript) scripts.insert(unit->service.init_script);
    std::vector<ScriptSeen> news;
    for (const auto& [script, runlevels] : engine_->world().scripts)
        if (!scripts.contains(script)) news.push_back({script, {}});
    if (!scripts.empty()) {
        ScriptRunlevelsReader reader(config_.root + "/etc");
        for (const std::string& script : scripts) {
            ScriptSeen seen{script, reader.of(script)};
            auto known = engine_->world().scripts.find(script);
            bool same = known == engine_->world().scripts.end() ? seen.runlevels == ScriptRunlevels{}
                                                                : seen.runlevels == known->second;
            if (!same) news.push_back(std::move(seen));
        }
    }
    for (const ScriptSeen& seen : news) feed(seen);
}

std::optional<Error> Shell::set_mode(const std::string& mode) {
    if (!mode.empty() && !is_mode_name(mode))
        return Error{.where = {}, .what = quoted(printable(mode)) + " is no name of a mode", .source = "", .caret = -1,
                     .hint = "at most " + std::to_string(kModeBytes) + " of A-Z a-z 0-9 . _ : @ -"};
    feed(ModeSet{mode});
    turn_ended();
    return std::nullopt;
}

void Shell::shut_down(bool down) {
    feed(ShutdownAsked{down});
    turn_ended();
}

}  // namespace devmux
