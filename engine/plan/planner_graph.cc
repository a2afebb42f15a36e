// Who waits for whom. Wanting is settled first, for every unit that an event concerns; only then are
// starts and stops begun, each when the units around it let it: so order holds between all that move
// together, whoever was asked first. A unit that moves puts its neighbours in line again. No recursion. What is said of it is in planner_reasons.cc.
#include <algorithm>
#include <iterator>

#include "engine/plan/planner.h"

namespace devmux {
namespace {

bool is_done(const Managed& m) { return m.state.actual == Actual::Done; }

bool is_up(const Managed& m) { return m.state.actual == Actual::Active && !m.is_leaving(); }

// Without a unit.
bool is_met_by_facts(const World& world, const Need& need) { return world.facility(need.name) == Truth::True; }

}  // namespace

// Whether it is between two rests, or will be at once.
bool Planner::is_moving(const Managed& m) const {
    if (m.state.actual == Actual::Starting || m.state.actual == Actual::Stopping) return true;
    bool due = (m.state.wanted == Wanted::Up && m.state.actual == Actual::Waiting) || m.is_leaving();
    return due && m.on_its_way;
}

void Planner::pend(UnitIndex unit) {
    Managed& m = units_[unit];
    bool due = (m.state.wanted == Wanted::Up && m.state.actual == Actual::Waiting) || m.is_to_leave();
    if (!due || std::exchange(m.pending, true)) return;
    begin_.push_back(unit);
}

void Planner::pend_neighbours(UnitIndex unit) {
    for (UnitIndex other : graph_.of(unit).neighbours) pend(other);
}

// Somebody wants it to move, and it has not stood in line for that before: until its turn has come,
// those that are ordered after it wait for it.
void Planner::fall_in(UnitIndex unit) {
    Managed& m = units_[unit];
    m.on_its_way = true;
    if (!std::exchange(m.pending, true)) begin_.push_back(unit);
}

// Its state is new: who may wait for it is looked at again.
void Planner::note_move(UnitIndex unit, const UnitState& before) {
    Managed& m = units_[unit];
    if (m.state == before) return;
    if (!m.is_to_leave()) keep_no_more(unit);
    if (before.actual == Actual::Stopping || m.rests()) m.forced = false;
    bool was_starting = before.actual == Actual::Starting, starting = m.state.actual == Actual::Starting;
    starting_ += starting && !m.overdue;
    starting_ -= was_starting && !m.overdue;
    if (was_starting && !starting) free_slot();
    if (m.state.actual != Actual::Active) m.yields = false;
    if (was_starting && m.state.actual == Actual::Active && is_put_down(m)) {
        m.yields = true;
        fall_in(unit);
    }
    if (was_starting && m.state.actual == Actual::Active && !m.is_to_leave()) m.forced = false;  // its stop was taken back
    bool waits = (m.state.wanted == Wanted::Up && m.state.actual == Actual::Waiting) || m.is_leaving();
    if (!waits) {
        m.on_its_way = false;
        m.waits_for.clear();
        for_slot_.erase(unit);
    }
    if (!graph_.has(unit)) return;
    const UnitNode& node = graph_.of(unit);
    bool well = is_done(m) || is_up(m);
    bool start_ended = (was_starting && (well || m.state.actual == Actual::Failed)) ||
                       (before.actual == Actual::Waiting && m.state.actual == Actual::Failed) ||
                       (before.actual == Actual::Active && m.state.actual == Actual::Failed);  // a daemon died
    // A start elsewhere has no job of ours.
    bool came_up = before.actual != Actual::Active && before.actual != Actual::Starting && is_up(m);
    if ((start_ended || came_up) && !(well ? node.then : node.on_failure).empty()) {
        m.owed = well ? Owed::Then : Owed::OnFailure;
        owing_.push_back(unit);
    }
    // It ended well and runs once more before `then` is; where that is taken back, `then` follows now.
    if (was_starting && m.state.actual == Actual::Waiting && m.state.again && !node.then.empty()) m.owed = Owed::Then;
    if (before.actual == Actual::Waiting && is_done(m) && m.owed != Owed::Nothing) owing_.push_back(unit);
    // Afresh: what failed for those who asked before is tried again.
    bool asked = m.state.wanted == Wanted::Up && m.state.actual == Actual::Waiting &&
                 before.actual != Actual::Stopping && before != m.state && m.retry_at == kNever;
    if (m.retry_at != kNever) m.on_its_way = false;  // who is ordered after it does not wait for a pause
    if (asked && boot_gate(m).kind == Gate::Kind::Open) ask_for_needs(unit, true);
    if (m.state.actual == Actual::Active && was_starting &&
        std::any_of(node.required.begin(), node.required.end(), [&](const Need& need) { return is_lost(need); })) {
        m.yields = true;
        fall_in(unit);
    }
    if (!is_up(m) && !is_done(m)) lose(unit);
    pend_neighbours(unit);
}

// Those that cannot do without it stop first, and those that cannot do without them.
void Planner::lose(UnitIndex unit) {
    for (std::deque<UnitIndex> todo{unit}; !todo.empty(); todo.pop_front())
        for (UnitIndex u : graph_.of(todo.front()).dependents) {
            Managed& m = units_[u];
            if (!is_up(m) || !needs(u, todo.front())) continue;
            m.yields = true;
            fall_in(u);
            todo.push_back(u);
        }
}

// A need stands while one who meets it is up, or has been done.
bool Planner::stands(const Need& need) const {
    return is_met_by_facts(world_, need) ||
           std::any_of(need.units.begin(), need.units.end(),
                       [&](UnitIndex u) { return is_up(units_[u]) || is_done(units_[u]); });
}

// Of who runs. What is unmounted later, and a network that goes, take nobody down: no unit goes with them.
bool Planner::is_lost(const Need& need) const {
    return !stands(need) && !(need.units.empty() && stands_without_unit(need.name));
}

Gate Planner::start_gate(UnitIndex index) const {
    if (Gate gate = boot_gate(units_[index]); gate.kind != Gate::Kind::Open) return gate;
    if (units_[index].refreshing.job != 0) return {.kind = Gate::Kind::Reload, .name = "reload", .on_its_way = true};
    const UnitNode& node = graph_.of(index);
    for (const Need& need : node.required) {
        const Managed* failed = nullptr;
        Gate waits{.kind = Gate::Kind::Need, .name = need.name};
        for (UnitIndex u : need.units) {
            const Managed& m = units_[u];
            // Who waits for one that is overdue goes on waiting; who is ordered after that one does not.
            if (is_moving(m))
                return {.kind = Gate::Kind::Need, .name = m.unit->name, .on = u, .on_its_way = !m.overdue};
            if (m.is_unavailable()) failed = &m;
            else waits.on = u;
        }
        if (stands(need)) continue;
        if (failed && !waits.on) return {.kind = Gate::Kind::Failed, .name = failed->unit->name};
        return waits;
    }
    for (UnitIndex u : node.ahead)
        if (is_moving(units_[u]) && !units_[u].overdue)
            return {.kind = Gate::Kind::Need, .name = units_[u].unit->name, .on = u, .on_its_way = true};
    for (UnitIndex u : node.conflicts) {
        if (units_[u].is_on() || units_[u].state.actual == Actual::Stopping)
            return {.kind = Gate::Kind::Conflict, .name = units_[u].unit->name, .on = u};
    }
    if (starting_ >= parallel_) return {.kind = Gate::Kind::Slot, .on_its_way = true};
    return {};
}

// Those that start after it stop before it: where they are on their way down too, and where they cannot
// run without it.
Gate Planner::stop_gate(UnitIndex index) const {
    if (units_[index].refreshing.job != 0) return {.kind = Gate::Kind::Reload, .name = "reload", .on_its_way = true};
    for (UnitIndex u : graph_.of(index).behind) {
        const Managed& m = units_[u];
        bool leaves = m.state.actual == Actual::Stopping || m.is_leaving() || (m.is_on() && m.state.wanted == Wanted::Down && m.kept.empty()) ||
                      (m.is_on() && needs(u, index));  // one that is kept stays
        if (leaves && !m.overdue)
            return {.kind = Gate::Kind::Leaving, .name = m.unit->name, .on = u, .on_its_way = true};
    }
    return {};
}

// Whether `unit` requires `other`, and nobody else who is up would do as well.
bool Planner::needs(UnitIndex unit, UnitIndex other) const {
    for (const Need& need : graph_.of(unit).required) {
        if (std::find(need.units.begin(), need.units.end(), other) == need.units.end()) continue;
        if (is_met_by_facts(world_, need)) continue;
        bool others = std::any_of(need.units.begin(), need.units.end(), [&](UnitIndex u) {
            return u != other && (is_up(units_[u]) || is_done(units_[u]));
        });
        if (!others) return true;
    }
    return false;
}

// Units without a condition are started by those that require or want them. `afresh`: what failed
// before is tried again, for somebody asks anew.
void Planner::ask_for_needs(UnitIndex index, bool afresh) {
    const UnitNode& node = graph_.of(index);
    const std::string& name = units_[index].unit->name;
    auto ask = [&](const std::vector<Need>& list, const char* how) {
        for (const Need& need : list) {
            if (!asks_for(need, afresh)) continue;
            for (UnitIndex u : startable(need)) {
                const Managed& m = units_[u];
                bool rests = m.state.actual == Actual::Waiting || (afresh && m.is_unavailable());
                if (!rests || m.state.hold == Hold::Down) continue;
                if (m.state.wanted == Wanted::Up && m.state.actual == Actual::Waiting) continue;
                asks_.push_back({u, how + name});
            }
        }
    };
    ask(node.required, "required by ");
    ask(node.wanted, "wanted by ");
}

// One unit of the line: begun, or told what it waits for.
void Planner::begin_or_wait(UnitIndex index, Time now, Actions& actions) {
    Managed& m = units_[index];
    m.pending = false;
    bool start = m.state.wanted == Wanted::Up && m.state.actual == Actual::Waiting;
    if (start) {
        // Held back for itself: who is ordered after it does not wait for that.
        bool held = m.retry_at != kNever || (m.held_until != kNever && m.held_until > now);
        if (held) return wait_for(index, {.kind = Gate::Kind::Itself}, now, actions);
        if (Gate gate = boot_gate(m); gate.kind != Gate::Kind::Open) return wait_for(index, gate, now, actions);
        size_t asked = asks_.size();
        ask_for_needs(index, false);
        if (asks_.size() != asked) {  // they are asked first, then it stands in line again
            pend(index);
            return;
        }
        Gate gate = start_gate(index);
        if (gate.kind == Gate::Kind::Failed) {
            bool absent = units_[find(gate.name).value()].state.actual == Actual::Absent;
            m.last_end = gate.name + ", which it requires, " + (absent ? "is not installed" : "failed");
            return apply(index, UnitEvent::Doomed, m.reason, now, actions);
        }
        if (gate.kind != Gate::Kind::Open) return wait_for(index, gate, now, actions);
        std::string because = m.up_reason.empty() ? m.unit->condition_text : m.up_reason;
        return apply(index, UnitEvent::Begin, because, now, actions);
    }
    if (!m.is_to_leave()) return;
    const auto& required = graph_.of(index).required;
    auto lost = std::find_if(required.begin(), required.end(), [&](const Need& need) { return is_lost(need); });
    bool restarts = m.state.again;
    if (m.state.wanted == Wanted::Up && lost == required.end() && !restarts && !is_put_down(m)) {  // that was quick: it is back already
        m.yields = m.on_its_way = false;
        if (std::exchange(m.forced, false)) actions.push_back(Record{m.saved()});
        m.waits_for.clear();
        keep_no_more(index);
        return pend_neighbours(index);
    }
    if (m.state.actual == Actual::Active && keep(index, &actions)) {
        m.waits_for.clear();
        if (std::exchange(m.on_its_way, false)) pend_neighbours(index);
        return;
    }
    Gate gate = stop_gate(index);
    if (gate.kind != Gate::Kind::Open) return wait_for(index, gate, now, actions);
    if (m.state.wanted == Wanted::Down) apply(index, UnitEvent::Begin, m.reason, now, actions);
    else if (restarts) apply(index, UnitEvent::Begin, m.up_reason, now, actions);
    else if (is_put_down(m)) apply(index, UnitEvent::Yield, put_down_text(), now, actions);
    else apply(index, UnitEvent::Yield, lost->name + ", which it requires, is stopping or has stopped", now, actions);
}

void Planner::wait_for(UnitIndex index, const Gate& gate, Time now, Actions& actions) {
    Managed& m = units_[index];
    if (gate.kind == Gate::Kind::Slot) for_slot_.insert(index);
    if (std::exchange(m.on_its_way, gate.on_its_way) != gate.on_its_way) pend_neighbours(index);
    if (gate.kind == Gate::Kind::Itself) return;
    std::string whom = gate.kind == Gate::Kind::Slot ? "slot" : gate.name;
    if (std::exchange(m.waits_for, whom) == whom) return;
    if (gate.kind != Gate::Kind::GoingDown)  // said once for all
        actions.push_back(Report{Report::Level::Info, m.unit->name, waiting_text(index, now)});
    actions.push_back(UnitChanged{m.unit->name});
}

// `then` and `on-failure`. What is owed stands in the record of the end that it follows from. It is taken
// out of it behind the records of those who were asked, and before any of them is run: a crash in between
// asks once more, and who was asked already has not begun.
void Planner::pay(UnitIndex index, Time now, Actions& actions) {
    Managed& m = units_[index];
    const UnitNode& node = graph_.of(index);
    // It is run once more first, if that can still come.
    if (m.owed == Owed::Nothing || (m.state.actual == Actual::Waiting && m.state.again)) return;
    bool well = m.owed == Owed::Then;
    const std::vector<UnitIndex>& creditors = well ? node.then : node.on_failure;
    // Unknown is not false, after a restart above all: the next verdict comes back to it.
    for (UnitIndex u : creditors)
        if (units_[u].unit->condition_kind != ConditionKind::None && units_[u].now == Truth::Unknown && !units_[u].orphaned)
            return void(unpaid_.insert(index));
    Actions asked;
    for (UnitIndex u : creditors) {
        Managed& other = units_[u];
        const std::string& name = other.unit->name;
        std::string why = other.orphaned                       ? "its file is gone"
                          : other.state.hold == Hold::Down ? "it was stopped by hand"
                          : other.unit->condition_kind != ConditionKind::None && other.now != Truth::True
                              ? "its condition does not hold"
                              : "";
        if (why.empty()) {
            apply(u, UnitEvent::Asked, (well ? "after " : "after the failure of ") + m.unit->name, now, asked);
            continue;
        }
        actions.push_back(Report{Report::Level::Info, name, std::string("not started ") +
                                     (well ? "after " : "after the failure of ") + m.unit->name + ": " + why});
    }
    m.owed = Owed::Nothing;
    if (m.instance) mark(index);  // it may be forgotten now
    auto runs = std::stable_partition(asked.begin(), asked.end(), [](const PlanAction& action) {
        return !std::holds_alternative<RunJob>(action);
    });
    std::move(asked.begin(), runs, std::back_inserter(actions));
    actions.push_back(Record{m.saved()});
    std::move(runs, asked.end(), std::back_inserter(actions));
}

void Planner::build_graph() {
    std::vector<const Unit*> units;
    units.reserve(units_.size());
    linked_.clear();
    static const Unit none;
    for (const Managed& m : units_) {
        bool counts = !m.vacant && !m.unit->is_template();
        units.push_back(counts ? m.unit.get() : &none);
        for (const LinkKey& key : link_keys())
            for (const std::string& name : m.unit->links.*key.list) {
                linked_.insert(name);
                linked_.insert(name.substr(0, name.find('@')));  // it may be an instance
            }
    }
    graph_.build(units);
}

// After units were taken over: from another configuration, or a former engine.
void Planner::line_up() {
    starting_ = static_cast<size_t>(
        std::count_if(units_.begin(), units_.end(), [](const Managed& m) { return m.takes_place(); }));
    for (UnitIndex i = 0; i < units_.size(); ++i) {
        Managed& m = units_[i];
        if (m.owed != Owed::Nothing) owing_.push_back(i);
        if (m.state.actual == Actual::Active && is_put_down(m)) m.yields = true;
        if (m.state.actual == Actual::Active && m.is_to_leave()) keep(i, nullptr);
        bool leaves = m.state.actual == Actual::Stopping || m.is_leaving();
        if (graph_.has(i) && leaves) lose(i);
        pend(i);
    }
    // Of a stop that was not asked for: the engine was killed between the records that say so.
    for (Managed& m : units_) m.forced &= m.state.actual != Actual::Active || m.is_to_leave();
}

void Planner::free_slot() {
    for (UnitIndex unit : std::exchange(for_slot_, {})) pend(unit);
}

}  // namespace devmux
