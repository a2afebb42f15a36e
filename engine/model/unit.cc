// See unit.h.
#include "engine/model/unit.h"

namespace devmux {

std::shared_ptr<const Unit> instance_unit(const Unit& unit, std::string name) {
    auto copy = std::make_shared<Unit>(unit);
    copy->of = unit.name;
    copy->name = std::move(name);
    copy->warnings.clear();
    return copy;
}

bool same_text(const Unit& a, const Unit& b) {
    auto events = [](const Unit& u) {
        return u.each_event ? to_string(u.each_event->devices) + (u.each_event->synthetic ? "+" : "") : "";
    };
    auto served = [](const Unit& u) { return u.refresh ? to_string(*u.refresh) : std::string(); };
    auto taken = [](const Unit& u) { return u.keeps_links ? "no" : u.takes_down ? to_string(*u.takes_down) : std::string(); };
    auto for_each = [](const Unit& u) { return u.for_each ? *u.for_each : ForEach{.devices = {}, .most = 0}; };
    auto limits = [](const Unit& u) { return u.limits ? *u.limits : TimeLimits{}; };
    auto actions = [](const Unit& u) { return u.each_event ? u.each_event->actions : std::set<Action>{}; };
    return a.file == b.file && a.description == b.description && a.documentation == b.documentation &&
           a.condition_kind == b.condition_kind && a.condition_text == b.condition_text &&
           a.stop_when_text == b.stop_when_text && a.boot_if_text == b.boot_if_text && a.linger == b.linger && events(a) == events(b) &&
           actions(a) == actions(b) && served(a) == served(b) && taken(a) == taken(b) && a.service == b.service && a.links == b.links &&
           a.task == b.task && a.if_running == b.if_running && a.if_never == b.if_never && a.restart == b.restart &&
           a.user == b.user &&
           a.environment == b.environment && limits(a) == limits(b) && for_each(a) == for_each(b);
}

}  // namespace devmux
