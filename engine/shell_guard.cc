// Init scripts that ask (devmux guard): the desk where they do, and what it is told.
#include "engine/shell.h"

namespace devmux {

// Before units are loaded: who asks from now on waits for the answer, and does not go on without one.
std::optional<Error> Shell::open_guard() {
    auto socket = GuardSocket::open(runtime_->path() + "/guard");
    if (!socket) return socket.error();
    GuardDesk::Hooks hooks;
    hooks.planner = [this]() -> const Planner& { return engine_->planner(); };
    hooks.job_of = [this](int pid) {
        const RunningJob* job = runner_->of_process(pid);
        return job ? std::optional(job->unit) : std::nullopt;
    };
    hooks.tell = [this](const std::string& unit, const std::string& text) { report(Report::Level::Info, unit, text); };
    guard_.emplace(std::move(*socket), config_.proc, loop_, *this, std::move(hooks));
    return std::nullopt;
}

}  // namespace devmux
