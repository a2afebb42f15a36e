// What people do: start, stop, reset, reload; and what they ask once, or wait for.
#include <algorithm>

#include "conditions/grammar.h"
#include "conditions/spelling.h"
#include "conditions/text.h"
#include "engine/shell.h"
#include "engine/status/no_such_unit.h"

namespace devmux {
namespace {

// Files that `eval` asked for and that stay watched.
constexpr size_t kAskedFiles = 32;
// Attributes that it asked for and that are still read. One condition may ask for more.
constexpr size_t kAskedAttributes = 64;

Error plain(std::string what, std::string hint = "") {
    return {.where = {}, .what = std::move(what), .source = "", .caret = -1, .hint = std::move(hint)};
}

}  // namespace

// Conditions hold the numbers of classes, and these are new after a reload. A wait whose class is gone
// waits on for what cannot come: its client has a time limit, or a person who sees the report.
void Shell::read_waits_again() {
    for (auto& [ticket, wait] : truth_waits_) {
        auto condition = parse_condition(wait.text, *configuration_->classes);
        if (!condition) {
            report(Report::Level::Warning, "", "a client waits for what cannot come any more: " + condition.error().what);
            wait.condition = Condition{};
            wait.condition.kind = Condition::Kind::Any;  // of nothing: false
            continue;
        }
        renumber(*condition);
        wait.condition = std::move(*condition);
        wait.memory = {};
    }
}

bool Shell::needs_more(const Condition& condition) const {
    AttributeNeeds more = *needs_;
    return add_needs(condition, *configuration_->classes, more);
}

void Shell::remember(const Condition& asked) {
    AttributeNeeds its_own;
    add_needs(asked, *configuration_->classes, its_own);
    asked_attributes_.emplace_back(asked, its_own.size());
    size_t all = 0;
    for (const auto& [condition, size] : asked_attributes_) all += size;
    for (; all > kAskedAttributes && asked_attributes_.size() > 1; asked_attributes_.pop_front())
        all -= asked_attributes_.front().second;
}

// Read are the attributes that units and classes name, and those that somebody waits for or asked for
// lately. What only now is asked for was never read: everything is looked at once more.
void Shell::renew_needs(bool look) {
    AttributeNeeds needs = *configuration_->needs;
    for (const auto& [ticket, wait] : truth_waits_) add_needs(wait.condition, *configuration_->classes, needs);
    for (const auto& [condition, size] : asked_attributes_) add_needs(condition, *configuration_->classes, needs);
    if (!look && needs.size() == needs_->size()) return;  // it can only be less
    needs_ = std::make_shared<const AttributeNeeds>(std::move(needs));
    reader_->need(needs_);
    if (look) walk();
}

// A file whose answer has not come yet.
bool Shell::waits_for_file(const Condition& condition) const {
    bool waits = false;
    each_leaf(condition, [&](const Condition& leaf) {
        waits |= leaf.kind == Condition::Kind::Fact && leaf.fact.kind == FactKind::File &&
                 !engine_->world().files.contains(leaf.fact.name);
    });
    return waits;
}

Result<EvalSnapshot> Shell::eval(const std::string& text) {
    auto condition = parse_condition(text, *configuration_->classes);
    if (!condition) return condition.error();
    renumber(*condition);
    if (needs_more(*condition)) {
        remember(*condition);
        renew_needs(true);
    }
    bool new_file = ask_mounts(*condition);
    new_file |= ask_links(*condition);
    each_leaf(*condition, [&](const Condition& leaf) {
        bool file = leaf.kind == Condition::Kind::Fact && leaf.fact.kind == FactKind::File;
        if (!file || std::find(asked_files_.begin(), asked_files_.end(), leaf.fact.name) != asked_files_.end()) return;
        asked_files_.push_back(leaf.fact.name);
        if (asked_files_.size() > kAskedFiles) asked_files_.pop_front();
        new_file = true;
    });
    if (new_file) watch_files();
    turn_ended();
    EvalSnapshot s;
    s.condition = to_string(*condition);
    Memory memory;
    s.truth = evaluate(*condition, engine_->world(), Loop::now(), memory).truth;
    s.explanation = explain(*condition, engine_->world(), *configuration_->classes, Loop::now(), {});
    s.reading = s.truth == Truth::Unknown && (walking_ || new_file || waits_for_file(*condition) || waits_for_mount(*condition) ||
                                              waits_for_links(*condition));
    s.absent = absent_units(*condition);
    return s;
}

std::optional<Error> Shell::start(const std::string& unit) { return by_hand({unit, UnitEvent::HandStart, false}); }
std::optional<Error> Shell::stop(const std::string& unit) { return by_hand({unit, UnitEvent::HandStop, false}); }
std::optional<Error> Shell::restart(const std::string& unit) { return by_hand({unit, UnitEvent::HandRestart, false}); }
std::optional<Error> Shell::force_stop(const std::string& unit) { return by_hand({unit, UnitEvent::HandStop, false, true}); }
std::optional<Error> Shell::force_restart(const std::string& unit) { return by_hand({unit, UnitEvent::HandRestart, false, true}); }
std::optional<Error> Shell::refresh(const std::string& unit) { return by_hand({unit, UnitEvent::Refresh, false}); }
std::optional<Error> Shell::reset(const std::string& unit, bool latch) {
    return by_hand({unit, UnitEvent::Reset, latch});
}

// It is never started itself.
Error Shell::name_an_instance(const Managed& m) const {
    const Planner& planner = engine_->planner();
    std::string names, devices = to_string(m.unit->for_each->devices);
    for (UnitIndex i : planner.instances_of(planner.find(m.unit->name).value()))
        names += (names.empty() ? "there is " : ", ") + planner.units()[i].unit->name;
    return plain("the unit " + quoted(m.unit->name) + " has an instance for each " + devices + ": name one",
                 names.empty() ? "there is none now" : names);
}

// Of a unit that is not in force, or is no unit.
Error Shell::why_absent(const std::string& name, const std::vector<UnitSnapshot>& all) const {
    if (configuration_->masked.contains(name)) return plain("the unit " + quoted(name) + " is masked", "devmux unmask " + name);
    if (auto broken = configuration_->broken.find(name); broken != configuration_->broken.end())
        return plain("the unit " + quoted(name) + " is broken: " + broken->second.front().to_string());
    auto there = disk_.changes().units.find(name);
    if (there != disk_.changes().units.end() && there->second == ConfigurationChanges::Change::New)
        return plain("the unit " + quoted(name) + " is not loaded yet", "devmux reload");
    return no_such_unit(name, all);
}

// Those that a condition names: it may wait for ever for one that was misspelled, and is not wrong, for it may come.
std::vector<AbsentUnit> Shell::absent_units(const Condition& condition) const {
    std::vector<AbsentUnit> out;
    std::vector<UnitSnapshot> all;
    each_leaf(condition, [&](const Condition& leaf) {
        const std::string& name = leaf.fact.name;
        bool told = std::any_of(out.begin(), out.end(), [&](const AbsentUnit& a) { return a.unit == name; });
        if (leaf.kind != Condition::Kind::Fact || !is_of_units(leaf.fact.kind) || told || engine_->planner().find(name)) return;
        if (all.empty()) all = units();
        Error why = why_absent(name, all);
        out.push_back({name, why.what, why.hint});
    });
    return out;
}

std::optional<Error> Shell::by_hand(HandRequest request) {
    auto index = engine_->planner().find(request.unit);
    if (!index) return why_absent(request.unit, units());
    const Managed& m = engine_->planner().units()[*index];
    if (m.unit->is_template()) return name_an_instance(m);
    bool starts = request.event == UnitEvent::HandStart, restarts = request.event == UnitEvent::HandRestart;
    bool refreshes = request.event == UnitEvent::Refresh;
    if (m.unit->each_event && (restarts || refreshes || (starts && m.state.hold == Hold::None)))
        return plain("an each-event unit is run by events alone", "devmux stop holds it, devmux reset lets it go on");
    if (m.orphaned && (starts || restarts || refreshes))
        return plain(quoted(request.unit) + ": " + engine_->planner().orphan_text(m) + "; it can only be stopped",
                     "devmux stop " + request.unit);
    if (refreshes && m.state.actual != Actual::Active && m.state.actual != Actual::Starting)
        return plain("the unit " + quoted(request.unit) + " does not run: there is nothing to reload",
                     "devmux start " + request.unit);
    if (refreshes && m.unit->task) return plain("the unit " + quoted(request.unit) + " is a task, which is not reloaded");
    if (engine_->world().going_down && (starts || restarts))
        return plain("nothing is started: the machine is going down", "devmux shutdown --cancel takes that back");
    if (std::string why = request.force ? "" : engine_->planner().refusal(*index, request.event); !why.empty())
        return plain(why, std::string("devmux ") + (restarts || refreshes ? "restart" : "stop") + " --force " + request.unit + " does it all the same");
    // An each-event unit has nothing to start: to start it is to let it go on.
    if (m.unit->each_event && starts) request.event = UnitEvent::Reset;
    feed(request);
    turn_ended();
    return std::nullopt;
}

ReloadSnapshot Shell::reload() {
    disk_.load_begins();
    auto fresh = std::make_shared<Configuration>(load_configuration(config_.dirs, Trust::Require));
    kept_ = keep_last_good(*fresh, *configuration_);
    ReloadSnapshot s;
    for (const auto& [name, unit] : fresh->units) {
        auto old = configuration_->units.find(name);
        if (old == configuration_->units.end()) s.added.push_back(name);
        else if (!same_text(*unit, *old->second)) s.changed.push_back(name);
    }
    for (const auto& [name, unit] : configuration_->units)
        if (!fresh->units.contains(name)) s.removed.push_back(name);
    s.kept.assign(kept_.begin(), kept_.end());
    s.errors = texts_of(fresh->errors);
    for (const auto& [name, errors] : fresh->broken)
        for (const std::string& text : texts_of(errors)) s.errors.push_back(text);
    configuration_ = fresh;
    disk_.loaded(*configuration_);
    report_configuration();
    read_scripts();
    take_claims();  // of units that are new
    feed(NewConfiguration{configuration_});
    if (services_) services_->follow(engine_->planner());
    asked_attributes_.clear();
    asked_routes_.clear();
    asked_links_ = asked_carriers_ = false;
    read_waits_again();
    renew_needs(true);
    watch_files();
    turn_ended();
    return s;
}

Control::Ticket Shell::when_at_rest(const std::string& unit, std::function<void(const UnitSnapshot&)> tell) {
    rest_waits_[++last_ticket_] = {unit, std::move(tell)};
    Ticket ticket = last_ticket_;
    look_at_waits();
    return ticket;
}

Result<Control::Ticket> Shell::when_true(const std::string& text, std::function<void()> tell) {
    auto condition = parse_condition(text, *configuration_->classes);
    if (!condition) return condition.error();
    renumber(*condition);
    bool more = needs_more(*condition);
    // Who waits was answered what holds now, and from here on keeps what it needs itself.
    std::erase_if(asked_attributes_, [text = to_string(*condition)](const auto& asked) { return to_string(asked.first) == text; });
    truth_waits_[++last_ticket_] = {text, std::move(*condition), {}, std::move(tell)};
    Ticket ticket = last_ticket_;
    if (more) renew_needs(true);
    watch_files();
    look_at_waits();
    turn_ended();
    return ticket;
}

Result<Descriptor> Shell::record(bool checkpoint_alone) {
    return recordings_.open_stream(*engine_, Loop::now(), checkpoint_alone);
}

void Shell::cancel(Ticket ticket) {
    rest_waits_.erase(ticket);
    if (truth_waits_.erase(ticket) == 0) return;
    watch_files();
    renew_needs(false);
}

// Told one at a time, each taken out before it is called: what it calls may add and cancel others.
void Shell::look_at_waits() {
    const Planner& planner = engine_->planner();
    auto at_rest = [&](const RestWait& wait) {
        if (wait.unit.empty()) return planner.is_down();
        auto index = planner.find(wait.unit);
        if (!index) return true;
        const Managed& m = planner.units()[*index];
        return !planner.is_moving(m) && m.refreshing.job == 0 && !(m.refreshing.due && m.state.actual == Actual::Active);
    };
    while (true) {
        auto it = std::find_if(rest_waits_.begin(), rest_waits_.end(), [&](auto& w) { return at_rest(w.second); });
        if (it == rest_waits_.end()) break;
        RestWait wait = std::move(it->second);
        rest_waits_.erase(it);
        wait.tell(unit(wait.unit).value_or(gone_unit(wait.unit)));
    }
    waits_due_ = kNever;
    std::vector<std::function<void()>> told;
    for (auto it = truth_waits_.begin(); it != truth_waits_.end();) {
        Verdict v = evaluate(it->second.condition, engine_->world(), Loop::now(), it->second.memory);
        waits_due_ = std::min(waits_due_, v.deadline);
        if (v.truth == Truth::True) {
            told.push_back(std::move(it->second.tell));
            it = truth_waits_.erase(it);
        } else {
            ++it;
        }
    }
    if (!told.empty()) renew_needs(false);
    for (auto& tell : told) tell();
}

}  // namespace devmux
