// Init scripts that ask (devmux guard): the desk where they do, and what it is told.
#include "engine/shell.h"

namespace devmux {

// Before units are loaded: who asks from now on waits for the answer, and does not go on without one.
std::optional<Error> Shell::open_guard() {
    auto socket = GuardSocket::open(runtime_->path() + "/guard");
    if (!socket) return socket.error();
    GuardDesk::Hooks hooks;
    hooks.planner = [this]() -> const Planner& { return engine_->planner(); };
    // Of what systemd has, systemd alone could tell, and later.
    hooks.is_missing = [this](const Unit& unit) {
        return runner_ && !services_->jobs().is_ours(unit.service) && runner_->is_missing(unit);
    };
    hooks.job_of = [this](int pid) {
        const RunningJob* job = runner_->of_process(pid);
        return job ? std::optional(job->unit) : std::nullopt;
    };
    hooks.tell = [this](const std::string& unit, const std::string& text) { report(Report::Level::Info, unit, text); };
    hooks.started = [this](const ScriptStarted& seen) {
        feed(seen);
        turn_ended();
    };
    hooks.stopped = [this](const std::string& unit) {
        feed(HandRequest{unit, UnitEvent::StoppedElsewhere});
        turn_ended();
    };
    hooks.look_for_claims = [this] { take_claims(); };
    guard_.emplace(std::move(*socket), config_.proc, loop_, *this, std::move(hooks));
    return std::nullopt;
}

// What scripts left that found nobody to ask. Of a unit that is not there it stays: its file may come.
void Shell::take_claims() {
    if (!runtime_) return;
    for (const Claim& claim : read_claims(runtime_->fd(), boot_id_)) {
        auto unit = configuration_->units.find(claim.unit);
        if (unit == configuration_->units.end()) continue;
        // Of a service of systemd's, systemd tells itself, and better; but not of what leaves nothing running.
        if (services_->jobs().is_ours(unit->second->service) && !unit->second->task) {
            remove_claim(runtime_->fd(), claim.unit);
            continue;
        }
        report(Report::Level::Info, claim.unit, "its script was run, and no daemon had answered it");
        feed(ScriptStarted{.unit = claim.unit, .pid = claim.pid, .started = claim.started, .by = ""});
        remove_claim(runtime_->fd(), claim.unit);
    }
    turn_ended();
}

}  // namespace devmux
