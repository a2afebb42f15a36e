// Starts that repeat (flapping.h): who is held back, until when, and what is said of it. Runs of
// each-event units are held back in event_runs.cc.
#include <algorithm>

#include "conditions/text.h"
#include "engine/plan/planner.h"

namespace devmux {

// Units that run at the same times cannot be told apart: who only follows is held back likewise.
std::string Planner::others_held_back(const Managed& m) const {
    std::string names;
    for (const Managed& other : units_)
        if (&other != &m && other.flapping && !other.flapping->echo.calm())
            names += (names.empty() ? "" : ", ") + other.unit->name;
    return names.empty() ? "" : " (or it is the program of one of those that are held back as well: " + names + ")";
}

// Whether a start that the condition asks for is the program's own doing (flapping.h).
bool Planner::may_start(Managed& m, Time now, Actions& actions) {
    m.held_until = kNever;
    if (!m.flapping) return true;
    Echo& echo = m.flapping->echo;
    Time at = echo.may_start(now);
    std::string whose = m.flapping->left_by.empty() ? "" : " (" + printable(m.flapping->left_by) + ")";
    std::string so_far = std::to_string(echo.starts()) + " times in " + roughly(echo.lasts(now));
    switch (echo.take_news()) {
        case Echo::News::None: break;
        case Echo::News::Suspected:
            actions.push_back(Report{Report::Level::Info, m.unit->name,
                                     "started " + so_far + ": its start is held back " + roughly(echo.wait()) +
                                         ", to see whether its own program makes its condition come and go" + whose});
            break;
        case Echo::News::Confirmed:
            actions.push_back(Report{Report::Level::Warning, m.unit->name,
                                     "its own program seems to make its condition come and go" + whose + ": started " +
                                         so_far + ", each time the condition was left while it ran or within 1s " +
                                         "after, and " + (echo.stray() ? "seldom" : "never") +
                                         " while its start was held back; the next start is held back " +
                                         roughly(echo.wait()) + others_held_back(m)});
            break;
        case Echo::News::Over:
            actions.push_back(Report{Report::Level::Info, m.unit->name, "its starts are no longer held back"});
            break;
    }
    if (at > now) m.held_until = at;
    return at <= now;
}

std::string Planner::held_back(const Managed& m, Time now) const {
    if (m.unit->each_event) return runs_.held_back(m.unit->name, now);
    if (m.retry_at != kNever)
        return m.last_end + (m.retry_at > now ? "; it is started again in " + roughly(m.retry_at - now)
                                              : "; it is started again once its condition is known") +
               " (" + std::to_string(m.tries) + " of " + std::to_string(m.unit->restart.limit) + " times in a row)";
    if (!m.is_held_back() || !m.flapping || m.held_until == kNever) return "";
    return "held back for another " + roughly(std::max(m.held_until - now, Duration{})) +
           (m.flapping->echo.braked() ? ": its own program seems to make its condition come and go"
                                      : ", to see whether its own program makes its condition come and go");
}

void Planner::note_start(Managed& m, bool by_hand, Time now, Actions& actions) {
    if (!m.flapping) m.flapping = std::make_unique<Flapping>();
    m.flapping->echo.started(now);
    if (by_hand || !m.flapping->echo.calm() || !m.flapping->restless.started(now)) return;
    bool stays = m.unit->condition_kind == ConditionKind::When;
    actions.push_back(Report{Report::Level::Warning, m.unit->name,
                             "its condition came and went " + std::to_string(Restless::kOften) +
                                 " times within a minute: consider \"for\"" + (stays ? "" : " or \"linger\"") +
                                 " in its file"});
}

// The condition was left. If the program did that, what starts it again is its own doing.
void Planner::note_loss(Managed& m, Time now) {
    if (!m.flapping) return;
    m.flapping->left_by = cause_.device ? std::string(cause_.device->devpath()) : "";
    m.flapping->echo.heard(now);
}

// A person knows better: what was suspected is forgotten.
void Planner::let_go(UnitIndex index, Time now, Actions& actions) {
    Managed& m = units_[index];
    if (m.unit->each_event) runs_.let_go(m.unit->name, now, actions);
    if (m.flapping) m.flapping->echo = Flapping{}.echo;
    m.held_until = kNever;
    mark(index);
}

// What is known of a unit that was held back is whether its condition stands. Unknown: it waits on.
void Planner::reconsider_held_back(UnitIndex index, Truth truth, Time now, Actions& actions) {
    Managed& m = units_[index];
    // What others asked for is no matter of the condition.
    if (m.asked_by_others()) {
        if (m.held_until <= now) pend(index);
        return;
    }
    if (truth == Truth::False) {
        actions.push_back(Report{Report::Level::Info, m.unit->name,
                                 std::string("not started: its condition was left while it ") +
                                     (m.held_until != kNever ? "was held back" : "waited")});
        apply(index, UnitEvent::Loss, "no longer: " + m.unit->condition_text, now, actions);
    } else if (truth == Truth::True && m.waits_for.empty() && (m.held_until == kNever || m.held_until <= now)) {
        apply(index, UnitEvent::Edge, m.unit->condition_text, now, actions);
    }
}

}  // namespace devmux
