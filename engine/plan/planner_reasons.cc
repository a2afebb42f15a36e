// What a unit waits for, in words: told once when it begins to wait, and to whoever asks.
#include <algorithm>

#include "conditions/explain.h"
#include "conditions/text.h"
#include "engine/plan/planner.h"

namespace devmux {
namespace {

// A chain of reasons is told so far; a person who reads on asks about the last one.
constexpr int kToldHops = 6;

}  // namespace

// "waits for b, which waits for bluetooth". Empty: it waits for nobody.
std::string Planner::waiting_text(UnitIndex index, Time now) const {
    std::string out;
    for (int hop = 0;; ++hop) {
        const Managed& m = units_[index];
        bool start = m.state.wanted == Wanted::Up && m.state.actual == Actual::Waiting;
        if (!start && !m.is_leaving()) break;
        Gate gate = start ? start_gate(index) : stop_gate(index);
        std::string which = out.empty() ? "" : ", which ";
        if (gate.kind == Gate::Kind::Open || gate.kind == Gate::Kind::Failed) {
            if (hop > 0) out += m.held_until != kNever ? which + "is held back" : "";
            return out;
        }
        if (gate.kind == Gate::Kind::GoingDown) return out + which + "is not started: the machine is going down";
        if (gate.kind == Gate::Kind::Boot) return out + which + "is " + m.left_to_boot_text();
        if (gate.kind == Gate::Kind::Runlevel) {
            std::string levels = runlevels_of(m)->text(), now_in = world_.runlevel.empty() ? "not known yet" : world_.runlevel;
            if (levels.empty()) return out + which + "waits for a person: init starts its script in no runlevel";
            return out + which + "waits for a runlevel of " + levels + " (it is " + now_in + ")";
        }
        if (gate.kind == Gate::Kind::Slot)
            return out + which + "waits for its turn: " + std::to_string(parallel_) + " units are starting already";
        if (gate.kind == Gate::Kind::Reload) return out + which + "waits for the end of its reload";
        if (gate.kind == Gate::Kind::Conflict)
            return out + which + "waits for the end of " + gate.name + ", with which it conflicts";
        if (start && world_.facility(gate.name) == Truth::Unknown)
            return out + which + "waits for " + gate.name + world_.facility_seen(gate.name);
        bool chooses = false;
        std::string whom = start && is_facility(gate.name) ? facility_text(index, gate.name, chooses) : gate.name;
        out += which + (start ? "waits for " : "stops after ") + whom;
        if (chooses) return out;
        if (!gate.on) {
            if (stands_without_unit(gate.name)) return out + world_.facility_seen(gate.name);
            if (is_facility(gate.name)) {
                for (const Managed& m : units_)
                    if (m.unit->is_template() && std::ranges::count(m.unit->links.provides, gate.name) > 0)
                        return out + " of " + m.unit->name + ", of which there is no instance";
                return out + ", which no unit provides";
            }
            auto of = find(gate.name);
            if (of && units_[*of].unit->is_template())
                return out + ", of which there is no instance: " + to_string(units_[*of].unit->for_each->devices);
            bool masked = configuration_->masked.contains(gate.name);
            return out + (masked                                          ? ", which is masked"
                          : configuration_->broken.contains(gate.name) ? ", whose file is broken"
                                                                        : ", which is not there");
        }
        if (hop == kToldHops) return out + ", and so on";
        index = *gate.on;
    }
    if (out.empty()) return out;
    const Managed& last = units_[index];
    switch (last.state.actual) {
        case Actual::Starting: return out + ", which is starting";
        case Actual::Stopping: return out + ", which is stopping";
        case Actual::Failed: return out + ", which failed";
        case Actual::Absent: return out + ", which was skipped: " + last.last_end;
        case Actual::Active:
        case Actual::Done: return out;
        case Actual::Waiting: break;
    }
    if (last.state.hold == Hold::Down) return out + ", which was stopped by hand";
    if (last.unit->condition_kind == ConditionKind::None) return out + ", which is not started";
    if (last.now == Truth::True) return out + ", which was stopped and waits for a fresh edge of its condition";
    Explanation explanation =
        explain(last.unit->condition, world_, *configuration_->classes, now, last.memory);
    std::string facts;
    for (const Explanation* leaf : missing(explanation)) facts += (facts.empty() ? "" : " and ") + leaf->text;
    return out + ", which waits for " + facts;
}

}  // namespace devmux
