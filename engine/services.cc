// See services.h.
#include "engine/services.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace devmux {

Services::Services(const std::string& folder, sd_event* event, Hooks hooks)
    : hooks_(std::move(hooks)), here_(access((folder + "/system").c_str(), F_OK) == 0),  // sd_booted(3)
      jobs_(bus_, *this, here_), bus_(folder + "/private", event) {}

std::optional<Error> Services::mark_service_job(JobId job, Time boottime) {
    return hooks_.save(SavedMark{job, kMarkPid, boottime});
}

void Services::follow(const Planner& planner) {
    std::vector<std::shared_ptr<const Unit>> units;
    for (const Managed& m : planner.units())
        if (!m.vacant) units.push_back(m.unit);
    jobs_.follow(units);
}

std::function<std::optional<JobEnded>(const RunJob&, const std::string&, const std::vector<std::string>&)>
Services::taker() {
    return [this](const RunJob& job, const std::string& script, const std::vector<std::string>& environment) {
        std::vector<std::string> fit;
        for (const std::string& variable : environment)
            if (is_variable_for_systemd(variable)) fit.push_back(variable);
        return jobs_.start_script(job, script, std::move(fit));
    };
}

Descriptor open_in_cgroup(const std::string& proc, int pid, const std::string& cgroup) {
    if (pid <= 1 || cgroup.empty()) return Descriptor();
    Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    // Looked at behind the opening: what it says is of the process that we hold, or of none.
    Descriptor file(open((proc + "/" + std::to_string(pid) + "/cgroup").c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> buffer{};
    ssize_t size = process && file ? read(file.get(), buffer.data(), buffer.size()) : 0;
    std::string text(buffer.data(), size > 0 ? static_cast<size_t>(size) : 0);
    bool in = text.find(":" + cgroup + "\n") != text.npos || text.find(":" + cgroup + "/") != text.npos;
    return in ? std::move(process) : Descriptor();
}

}  // namespace devmux
