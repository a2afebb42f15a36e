// See taken_down.h.
#include "engine/plan/taken_down.h"

#include <algorithm>

#include "conditions/leaf.h"
#include "conditions/text.h"

namespace devmux {
namespace {

// Terms of interfaces that started it. What stands under `not` started nothing.
void each_of_links(const Condition& c, const ClassSet& classes, const std::function<void(const Condition&)>& visit) {
    if (c.kind == Condition::Kind::Not) return;
    for (const Condition& part : c.parts) each_of_links(part, classes, visit);
    if (c.kind == Condition::Kind::Device && classes.has_links(c.device.class_id)) visit(c);
}

// … and that the unit may have configured itself: not those of an interface that is online already.
void each_configured(const Condition& c, const ClassSet& classes, const std::function<void(const Condition&)>& visit) {
    each_of_links(c, classes, [&](const Condition& leaf) {
        if (leaf.device.quantifier != Quantifier::It && leaf.device.state != DeviceState::Online) visit(leaf);
    });
}

// The same of the one that an instance is for. Without a word on it, it is there, and no more.
bool may_configure_it(const Unit& unit, const ClassSet& classes) {
    bool found_online = unit.for_each->devices.state == DeviceState::Online, other = false;
    if (unit.condition_kind != ConditionKind::None)
        each_of_links(unit.condition, classes, [&](const Condition& leaf) {
            if (leaf.device.quantifier != Quantifier::It) return;
            (leaf.device.state == DeviceState::Online ? found_online : other) = true;
        });
    return other || !found_online;
}

bool is_in_class(const Device& device, const DeviceTerm& term) {
    return std::any_of(device.classes().begin(), device.classes().end(), [&](const auto& m) { return m.id == term.class_id; });
}

// The interface that a unit was started for; 0: none, or nobody knows any more.
uint64_t started_for(const Managed& m) {
    if (find_in(m.start_block, "SUBSYSTEM") != "net") return 0;
    return number_of(find_in(m.start_block, "IFINDEX").value_or("")).value_or(0);
}

}  // namespace

bool may_take_down(const Unit& unit, const ClassSet& classes) {
    if (unit.keeps_links || unit.task || unit.each_event) return false;
    if (unit.takes_down) return true;
    if (unit.for_each) return classes.has_links(unit.for_each->devices.class_id) && may_configure_it(unit, classes);
    bool may = false;
    if (unit.condition_kind != ConditionKind::None) each_configured(unit.condition, classes, [&](const Condition&) { may = true; });
    return may;
}

TakenDown taken_down(const Managed& m, const World& world, const ClassSet& classes) {
    TakenDown out;
    const Unit& unit = *m.unit;
    if (!world.may_be_carried() || unit.is_template() || !may_take_down(unit, classes)) return out;
    if (!world.coldplug_complete()) out.truth = Truth::Unknown;
    auto look = [&](const DeviceFacts& device, Truth in_set) {
        Truth truth = both(in_set, world.carries_root(device));
        if (truth < out.truth || truth == Truth::False || out.truth == Truth::True) return;
        out = {truth, printable(device.name()), carried_text(world.carriers, world.links, device)};
    };
    auto look_at_all = [&](const DeviceTerm& term) {
        world.each_device(term.class_id, "", [&](const DeviceFacts& device, bool unsure) {
            Truth in_set = belongs(term, device, world);
            look(device, unsure ? both(in_set, Truth::Unknown) : in_set);
            return true;
        });
    };
    if (unit.takes_down) {
        look_at_all(*unit.takes_down);
    } else if (m.instance) {
        const Device* device = world.table.find(m.instance->device.devpath);
        // Its driver was bound anew, say: what has its name now is what a stop by that name takes down.
        if (device && !differs(device->generation(), m.instance->device.generation)) look(*device, Truth::True);
        else world.each_device(unit.for_each->devices.class_id, m.instance->name, [&](const DeviceFacts& other, bool) {
            look(other, Truth::True);
            return true;
        });
    } else {
        uint64_t ifindex = started_for(m);
        each_configured(unit.condition, classes, [&](const Condition& leaf) {
            bool first = leaf.device.quantifier == Quantifier::First && leaf.slot < m.memory.slots.size();
            const auto& latch = first ? m.memory.slots[leaf.slot].latch : std::nullopt;
            const Device* chosen = latch ? world.table.find(latch->devpath) : nullptr;
            bool found = chosen && !differs(chosen->generation(), latch->generation);
            if (found) look(*chosen, Truth::True);
            if (ifindex != 0 && !latch)
                world.table.each_of_ifindex(ifindex, [&](const Device& d) {
                    Truth in_set = is_in_class(d, leaf.device) ? belongs(leaf.device, d, world) : Truth::False;
                    found |= in_set != Truth::False;
                    look(d, in_set);
                });
            // It was started for that of another leaf; or that one has gone, maybe to come again as another.
            if (!found) look_at_all(leaf.device);
        });
    }
    return out;
}

}  // namespace devmux
