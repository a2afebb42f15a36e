// See guard.h. The manual of `devmux guard`, devmux(1), says the same in words.
#include "engine/plan/guard.h"

namespace devmux {
namespace {

bool is_up(const Managed& m) {
    return m.state.actual == Actual::Active || m.state.actual == Actual::Starting || m.state.actual == Actual::Stopping;
}

std::string why_left(const Managed& m) {
    const std::string left = m.unit->name + ": left to devmux, which ";
    if (m.unit->is_template()) return left + "runs it for each of: " + to_string(m.unit->for_each->devices);
    if (m.unit->each_event) return left + "runs it for each event of: " + to_string(m.unit->each_event->devices);
    switch (m.state.actual) {
        case Actual::Starting: return left + "is starting it";
        case Actual::Active: return left + "has started it";
        case Actual::Stopping: return left + "is stopping it";
        case Actual::Done: return left + "has run it";
        case Actual::Failed:
        case Actual::Absent:  // held: else it is not left
        case Actual::Waiting: break;
    }
    if (m.state.hold == Hold::Down) return left + "holds it: it was stopped by hand";
    if (m.state.actual == Actual::Failed) return left + "tried: " + m.last_end;
    return left + "starts it when: " + m.unit->condition_text;
}

GuardVerdict for_boot(const Managed& m, bool missing) {
    bool has_condition = m.unit->each_event || m.unit->condition_kind != ConditionKind::None;
    // Nobody starts a unit without a condition at boot but the boot sequence, nor one that is left to it (boot-if), nor
    // one that devmux looked for in vain, or would: the script that asks may be another one, which has this unit's line.
    // What devmux has run to its end is not run again.
    bool has_run = m.state.actual == Actual::Done && m.asker != Asker::Boot;
    bool is_left = m.is_left_to_boot() || m.state.actual == Actual::Absent || missing;
    bool is_ours = (has_condition && !is_left) || is_up(m) || has_run || m.state.hold == Hold::Down;
    if (is_ours) return {GuardVerdict::Kind::LeaveIt, why_left(m)};
    return {GuardVerdict::Kind::Elsewhere};
}

GuardVerdict for_person(const Managed& m, bool again) {
    if (m.unit->is_run_by_devices()) return {};  // a run by hand is the script's own affair
    if (again && m.state.actual == Actual::Done) return {GuardVerdict::Kind::LeaveIt, m.unit->name + ": done"};
    if (m.state.actual != Actual::Active) return {GuardVerdict::Kind::HandOver};
    // Who is a daemon of ours runs. What an init script has started may have ended since, and nobody
    // told: the script looks for itself, as it does without devmux.
    if (again) return {GuardVerdict::Kind::LeaveIt, m.unit->name + ": started"};
    if (m.daemon) return {GuardVerdict::Kind::LeaveIt, m.unit->name + ": runs already"};
    return {};
}

}  // namespace

GuardVerdict guard_verdict(const Planner& planner, std::string_view unit, const Starter& who, bool again,
                           bool missing) {
    auto index = planner.find(unit);
    // Of a unit that is masked, broken or not there boot's start is noted as well: its file may come.
    if (!index) return {who.kind == Starter::Kind::Boot ? GuardVerdict::Kind::Elsewhere : GuardVerdict::Kind::GoOn};
    if (planner.units()[*index].orphaned) return {};
    const Managed& m = planner.units()[*index];
    switch (who.kind) {
        case Starter::Kind::Job:
            // A script of one unit that calls another's is not waited for: that one may have to wait for
            // the first.
            return who.unit.empty() || who.unit == unit || m.unit->is_run_by_devices() ? GuardVerdict{}
                                                                              : GuardVerdict{GuardVerdict::Kind::Elsewhere};
        case Starter::Kind::Systemd:
            // While a start of ours is under way it is what systemd runs.
            return m.state.actual == Actual::Starting ? GuardVerdict{} : for_boot(m, missing);
        case Starter::Kind::Boot: return for_boot(m, missing);
        case Starter::Kind::Person: return for_person(m, again);
    }
    return {};
}

}  // namespace devmux
