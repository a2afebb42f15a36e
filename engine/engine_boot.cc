// What init does, as the core sees it: runlevels, and the end of the machine; and modes, which people set where
// there is no init that has runlevels.
#include "engine/engine.h"

namespace devmux {
namespace {

bool is_the_end(const std::string& runlevel) { return runlevel == "0" || runlevel == "6"; }

}  // namespace

void Engine::take(const RunlevelSeen& seen, Time now, Actions& actions) {
    if (world_.runlevel == seen.level) return;
    bool another = !world_.runlevel.empty() && !seen.level.empty();
    bool came_back = is_the_end(world_.runlevel) && !seen.level.empty();
    world_.runlevel = seen.level;
    if (is_the_end(seen.level)) go_down(true, now, actions);
    else if (came_back) go_down(false, now, actions);
    planner_.boot_changed(another, now, actions);
}

void Engine::take(const ScriptSeen& seen, Time now, Actions& actions) {
    ScriptRunlevels& known = world_.scripts[seen.script];
    if (known == seen.runlevels) return;
    known = seen.runlevels;
    planner_.boot_changed(false, now, actions);
}

void Engine::take(const ModeSet& set, Time now, Actions& actions) {
    if (world_.mode == set.mode) return;
    world_.mode = set.mode;
    actions.push_back(Record{SavedMode{set.mode}});
    actions.push_back(Report{Report::Level::Info, "", set.mode.empty() ? "no mode is set any more" : "the mode is " + set.mode});
    std::vector<FactKey> asked;
    for (const FactKey& fact : planner_.conditions_index().facts(FactKind::Mode)) asked.push_back(fact);
    planner_.facts_changed(asked, now, actions);
}

void Engine::take(const ShutdownAsked& asked, Time now, Actions& actions) {
    go_down(asked.down, now, actions);
}

// The shorter limit is in force before the first stop begins.
void Engine::go_down(bool down, Time now, Actions& actions) {
    if (world_.going_down == down) return;
    limits_.go_down(down, now);
    planner_.go_down(down, now, actions);
}

}  // namespace devmux
