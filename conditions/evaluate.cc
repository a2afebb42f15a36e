// Evaluation by Kleene's tables, and the counting of devices with intervals.
#include "conditions/evaluate.h"

#include "conditions/leaf.h"

namespace devmux {
namespace {

using Kind = Condition::Kind;

bool same(const std::optional<Witness>& a, const std::optional<Witness>& b) {
    if (!a || !b) return !a && !b;
    return a->devpath == b->devpath && !differs(a->generation, b->generation);
}

class Evaluation {
  public:
    Evaluation(const Facts& facts, Time now, Memory& memory)
        : facts_(facts), now_(now), memory_(memory) {}

    Verdict of(const Condition& c) {
        switch (c.kind) {
            case Kind::Fact: return {facts_.fact(c.fact), std::nullopt, kNever};
            case Kind::Not: {
                Verdict inner = of(c.parts[0]);
                return {negate(inner.truth), std::nullopt, inner.deadline};
            }
            case Kind::All:
            case Kind::Any: return joined(c);
            case Kind::For: return held(c);
            case Kind::Device: break;
        }
        if (c.device.quantifier == Quantifier::First) return first(c);
        Count count = count_devices(c.device, facts_, memory_.it);
        return {truth_of_count(c.device, count), std::move(count.witness), kNever};
    }

  private:
    Memory::Slot& slot(const Condition& c) {
        if (memory_.slots.size() <= c.slot) memory_.slots.resize(c.slot + 1);
        return memory_.slots[c.slot];
    }

    // No short cut: each `first` and `for` below must see every change of its own facts.
    Verdict joined(const Condition& c) {
        bool all = c.kind == Kind::All;
        Verdict out{truth_of(all), std::nullopt, kNever};
        for (const Condition& part : c.parts) {
            Verdict v = of(part);
            bool decides = all ? v.truth < out.truth : v.truth > out.truth;
            out.truth = all ? both(out.truth, v.truth) : either(out.truth, v.truth);
            if (v.witness && (!out.witness || (!all && decides))) out.witness = std::move(v.witness);
            out.deadline = std::min(out.deadline, v.deadline);
        }
        return out;
    }

    Verdict first(const Condition& c) {
        Memory::Slot& memory = slot(c);
        if (memory.latch) {
            // The walk comes to it yet, or has found that it is gone: who starts for it is told of it then.
            memory.doubted = memory.doubted && !facts_.coldplug_complete() &&
                             !facts_.stands(memory.latch->devpath, memory.latch->generation);
            return {memory.doubted ? Truth::Unknown : Truth::True, memory.latch, kNever};
        }
        Count count = count_devices(c.device, facts_);
        if (count.known > 0) {
            memory.latch = count.witness;
            memory.doubted = false;
        }
        Truth truth = truth_of_count(c.device, count);
        return {truth, std::move(count.witness), kNever};
    }

    Verdict held(const Condition& c) {
        Verdict v = of(c.parts[0]);
        Memory::Slot& memory = slot(c);
        if (v.truth == Truth::False) {
            memory.true_since.reset();
            memory.doubted = false;
            return v;
        }
        if (v.truth == Truth::Unknown) {  // the clock goes on: it counts if it was the same device
            memory.doubted = memory.true_since.has_value();
            return v;
        }
        // True all the time is true all the time, whichever device is named first now.
        if (memory.doubted && !same(memory.by, v.witness) &&
            !(memory.by && facts_.stands(memory.by->devpath, memory.by->generation))) {
            // It may yet be verified, or another have been there all the time.
            if (!facts_.coldplug_complete()) return {Truth::Unknown, std::nullopt, kNever};
            memory.true_since.reset();
        }
        memory.doubted = false;
        if (!memory.true_since) memory.true_since = memory_.resumed ? now_ - c.hold : now_;
        memory.by = v.witness;
        Time due = *memory.true_since + c.hold;
        if (now_ >= due) return v;
        return {Truth::False, std::nullopt, std::min(due, v.deadline)};
    }

    const Facts& facts_;
    Time now_;
    Memory& memory_;
};

}  // namespace

Verdict evaluate(const Condition& condition, const Facts& facts, Time now, Memory& memory) {
    return Evaluation(facts, now, memory).of(condition);
}

}  // namespace devmux
