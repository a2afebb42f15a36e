// See taken_down.h.
#include "engine/plan/taken_down.h"

#include "conditions/leaf.h"
#include "conditions/text.h"

namespace devmux {
namespace {

// Terms of interfaces that the unit may configure itself. What stands under `not` started nothing.
void each_configured(const Condition& c, const ClassSet& classes, const std::function<void(const Condition&)>& visit) {
    if (c.kind == Condition::Kind::Not) return;
    for (const Condition& part : c.parts) each_configured(part, classes, visit);
    bool device = c.kind == Condition::Kind::Device && c.device.quantifier != Quantifier::It;
    if (device && classes.has_links(c.device.class_id) && c.device.state != DeviceState::Online) visit(c);
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
    if (unit.for_each) return classes.has_links(unit.for_each->devices.class_id);
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
        if (device && !differs(device->generation(), m.instance->device.generation)) look(*device, Truth::True);
    } else {
        uint64_t ifindex = started_for(m);
        each_configured(unit.condition, classes, [&](const Condition& leaf) {
            bool first = leaf.device.quantifier == Quantifier::First && leaf.slot < m.memory.slots.size();
            const auto& latch = first ? m.memory.slots[leaf.slot].latch : std::nullopt;
            if (ifindex != 0)
                world.table.each_of_ifindex(ifindex, [&](const Device& d) { look(d, belongs(leaf.device, d, world)); });
            else if (latch) {
                const Device* device = world.table.find(latch->devpath);
                if (device && !differs(device->generation(), latch->generation)) look(*device, Truth::True);
            } else look_at_all(leaf.device);
        });
    }
    return out;
}

}  // namespace devmux
