// See latches.h.
#include "engine/plan/latches.h"

#include "conditions/text.h"
#include "engine/model/unit.h"

namespace devmux {

void restore_latches(const Condition& condition, const std::string& unit,
                     const std::vector<SavedLatch>& latches, Memory& memory) {
    each_leaf(condition, [&](const Condition& leaf) {
        if (leaf.kind != Condition::Kind::Device || leaf.device.quantifier != Quantifier::First) return;
        std::string text = to_string(leaf.device);
        for (const SavedLatch& latch : latches) {
            if (latch.unit != unit || latch.leaf != text) continue;
            if (memory.slots.size() <= leaf.slot) memory.slots.resize(leaf.slot + 1);
            memory.slots[leaf.slot].latch = latch.winner;
            memory.slots[leaf.slot].doubted = true;
        }
    });
}

std::vector<SavedLatch> latches_of(const Unit& unit, const Condition& condition, const Memory& memory) {
    std::vector<SavedLatch> out;
    each_leaf(condition, [&](const Condition& leaf) {
        if (leaf.kind == Condition::Kind::Device && leaf.slot < memory.slots.size() &&
            memory.slots[leaf.slot].latch)
            out.push_back({unit.name, to_string(leaf.device), *memory.slots[leaf.slot].latch, false});
    });
    return out;
}

}  // namespace devmux
