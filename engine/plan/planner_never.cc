// if-never: the machine has settled, and a unit's condition has never been true in this boot. Unknown is not
// false: what is not known then is waited for. Once in a boot, whatever is restarted or reloaded meanwhile.
#include "conditions/explain.h"
#include "engine/plan/planner.h"

namespace devmux {

std::string Planner::never_text(const Managed& m, Time now) const {
    return devmux::never_text(explain(m.unit->condition, world_, *configuration_->classes, now, m.memory));
}

void Planner::consider_never(UnitIndex index, Time now, Actions& actions) {
    Managed& m = units_[index];
    if (!world_.settled || m.never || m.was_true || m.now != Truth::False) return;
    // A person's stop, and stop-when, stand above it: when they are gone, it is asked again.
    if (m.state.hold == Hold::Down || m.stop_verdict == Truth::True) return;
    m.never = true;
    std::string why = never_text(m, now);
    if (m.unit->if_never == IfNever::Start) apply(index, UnitEvent::Never, why, now, actions);
    else actions.push_back(Report{Report::Level::Info, m.unit->name, "skipped: " + why});
    // Behind the start: killed in between, the next engine asks once more, and finds that it was asked for.
    actions.push_back(Record{SavedNever{m.unit->name, m.was_true, m.never}});
    actions.push_back(UnitChanged{m.unit->name});
}

}  // namespace devmux
