// See decision.h.
#include "engine/decision.h"

#include "engine/intake/event.h"
#include "engine/model/unit.h"
#include "engine/plan/job_limits.h"

namespace devmux {

std::optional<std::string> decision_text(const PlanAction& action) {
    if (const auto* run = std::get_if<RunJob>(&action)) {
        if (!run->error.empty()) return std::nullopt;  // its end says why
        std::string text = "run " + run->unit->name + " " + std::string(to_string(run->verb));
        if (!run->action.empty()) text += " ACTION=" + run->action;
        if (!run->block.empty()) text += " DEVPATH=" + std::string(find_in(run->block, "DEVPATH").value_or("?"));
        return text;
    }
    if (const auto* kill = std::get_if<KillJob>(&action))
        return "signal " + kill->unit + " " + std::string(signal_name(kill->signal)) + ", unless it loads a module";
    if (const auto* report = std::get_if<Report>(&action))
        return (report->unit.empty() ? "" : report->unit + ": ") + report->text;
    return std::nullopt;
}

}  // namespace devmux
