// See explain.h. Every leaf has one line; the counting is the evaluation's own (leaf.h).
#include "conditions/explain.h"

#include <algorithm>

#include "conditions/leaf.h"
#include "conditions/terms.h"
#include "conditions/text.h"

namespace devmux {
namespace {

using Kind = Condition::Kind;
constexpr unsigned kShown = 3;  // devices named per leaf; the rest is a number

std::string age(Time now, Time then) {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - then);
    return seconds.count() < 1 ? "just now" : "for " + to_string(seconds);
}

std::string unsure_why(const Facts& facts, const DeviceFacts& device) {
    std::string why = "not sure yet";
    if (facts.in_doubt()) why = "not seen again yet";
    return device.ready() ? why : why + ", and udev is not done with it";
}

// A device of the class that the predicate takes, whatever its state.
bool is_one_there(const DeviceTerm& term, const Facts& facts) {
    bool there = false;
    facts.each_device(term.class_id, "", [&](const DeviceFacts& device, bool unsure) {
        there = !unsure && belongs(term, device, facts) == Truth::True;
        return !there;
    });
    return there;
}

// Whatever else it is to be.
bool needs_to_carry(const Predicate& p) {
    if (p.kind == Predicate::Kind::All) return std::any_of(p.parts.begin(), p.parts.end(), needs_to_carry);
    return p.kind == Predicate::Kind::Comparison && p.field == Predicate::Field::CarriesRoot;
}

// Any device of the class.
bool there_is(const DeviceTerm& term, const Facts& facts) {
    bool there = false;
    facts.each_device(term.class_id, "", [&](const DeviceFacts&, bool) { return there = true, false; });
    return there;
}

// ", carries / (NFS from 10.0.2.2)": of those that do, where somebody asks.
std::string carrying(const DeviceTerm& term, const Facts& facts, const DeviceFacts& device) {
    bool says = asks_what_it_carries(term) && facts.carries_root(device) == Truth::True;
    return says ? ", " + facts.carries_seen(device) : "";
}

// What would make certain what is unknown.
std::string awaited(const DeviceTerm& term, const Facts& facts) {
    std::string out;
    facts.each_device(term.class_id, "", [&](const DeviceFacts& device, bool unsure) {
        Truth match = both(belongs(term, device, facts), is_as_asked(term, device, facts));
        if (unsure) match = both(match, Truth::Unknown);
        if (match != Truth::Unknown) return true;
        bool of_links = is_of_links(term.state), link = of_links && device.ready() && !unsure;
        bool udev = !device.ready() && (of_links || term.state == DeviceState::Present);
        bool carries = asks_what_it_carries(term) && facts.carries_root(device) == Truth::Unknown && device.ready() && !unsure;
        out = (carries ? "the mounts and routes to be known that tell what comes over "
               : udev ? "udev to be done with "
               : link ? "the state to be known of the link "
                      : "the attributes to be read of ") +
              printable(device.name());
        return false;
    });
    if (facts.in_doubt()) return "sysfs to be looked at again";
    return out.empty() && !facts.coldplug_complete() ? "coldplug to be complete" : out;
}

// Devices of the class that were looked at, in a person's words: those that match and those that do
// not, with what is wrong about them; first those that may match yet.
std::string describe_devices(const DeviceTerm& term, const Facts& facts, Time now, bool want_matching) {
    std::string out;
    unsigned count = 0;
    bool of_the_set = true;
    auto describe = [&](const DeviceFacts& device, bool unsure) {
        Truth in_set = belongs(term, device, facts), asked = is_as_asked(term, device, facts);
        bool match = !unsure && in_set == Truth::True && asked == Truth::True;
        if (match != want_matching || (unsure || in_set != Truth::False) != of_the_set) return true;
        if (++count > kShown) return true;
        if (!out.empty()) out += "; ";
        out += printable(device.name()) + " (" + printable(device.devpath()) + ")" + carrying(term, facts, device);
        if (match) {
            out += ", " + age(now, device.since());
        } else {
            std::string why = unsure ? unsure_why(facts, device) : seen_by(term.predicate, device, facts);
            if (why.empty()) why = seen_by(term.have, device, facts);
            if (why.empty() && term.state == DeviceState::Bound) why = "no driver bound";
            if (why.empty() && is_of_links(term.state) && device.ready()) why = facts.link_seen(device);
            if (why.empty() && !device.ready()) why = "udev is not done with it";
            if (!why.empty()) out += ": " + printable(why);
        }
        return true;
    };
    facts.each_device(term.class_id, "", describe);
    of_the_set = false;
    if (!want_matching) facts.each_device(term.class_id, "", describe);
    if (count > kShown) out += "; and " + std::to_string(count - kShown) + " more";
    return out;
}

// Of the one device that `it` means.
std::string seen_of_it(const DeviceTerm& term, const Facts& facts, Time now, const Memory& memory) {
    if (!memory.it) return "none";
    std::string out;
    facts.each_device(term.class_id, "", [&](const DeviceFacts& device, bool unsure) {
        if (device.devpath() != memory.it->devpath || differs(device.generation(), memory.it->generation)) return true;
        out = printable(device.name()) + " (" + printable(device.devpath()) + ")" + carrying(term, facts, device);
        std::string why = unsure ? unsure_why(facts, device) : seen_by(term.predicate, device, facts);
        if (why.empty()) why = seen_by(term.have, device, facts);
        Truth match = both(belongs(term, device, facts), is_as_asked(term, device, facts));
        if (match == Truth::True && !unsure) why.clear();
        else if (why.empty() && term.state == DeviceState::Bound) why = "no driver bound";
        else if (why.empty() && is_of_links(term.state) && device.ready()) why = facts.link_seen(device);
        else if (why.empty() && !device.ready()) why = "udev is not done with it";
        out += why.empty() ? ", " + age(now, device.since()) : ": " + printable(why);
        return false;
    });
    if (!out.empty()) return out;
    out = printable(memory.it->devpath);
    if (facts.in_doubt()) return out + ": not seen again yet";
    return out + (facts.coldplug_complete() ? " has gone" : ": not seen yet; coldplug is not complete");
}

std::string seen_devices(const Condition& c, const Facts& facts, Time now, const Memory& memory) {
    const DeviceTerm& term = c.device;
    if (term.quantifier == Quantifier::It) return seen_of_it(term, facts, now, memory);
    if (term.quantifier == Quantifier::First && c.slot < memory.slots.size() &&
        memory.slots[c.slot].latch)
        return "held for this boot: it was " + printable(memory.slots[c.slot].latch->devpath);
    Count count = count_devices(term, facts);
    bool single = term.quantifier == Quantifier::Any || term.quantifier == Quantifier::First;
    std::string matching = describe_devices(term, facts, now, true);
    std::string others = describe_devices(term, facts, now, false);
    std::string out;
    if (matching.empty()) out = count.open ? "none yet" : "none";
    else if (single) out = matching;
    else out = std::to_string(count.known) + ": " + matching;
    if (!others.empty() && (!single || matching.empty())) out += "; not counted: " + others;
    if (facts.in_doubt()) out += "; events were lost, and all of sysfs is being looked at again";
    else if (count.open) out += "; coldplug is not complete";
    return out;
}

class Explaining {
  public:
    Explaining(const Facts& facts, const ClassNames& classes, Time now, const Memory& memory)
        : facts_(facts), classes_(classes), now_(now), memory_(memory) {}

    Explanation of(const Condition& c) {
        Explanation e;
        e.text = to_string(c);
        Memory copy = memory_;  // a latch that only this question would close stays open
        e.truth = evaluate(c, facts_, now_, copy).truth;
        if (c.kind == Kind::Device) {
            e.seen = seen_devices(c, facts_, now_, memory_);
            const DeviceTerm& term = c.device;
            bool asks = term.quantifier == Quantifier::Any || term.quantifier == Quantifier::First;
            e.presence = asks && term.predicate.kind == Predicate::Kind::Always && term.state == DeviceState::Present;
            if (e.truth != Truth::True && (asks || term.quantifier == Quantifier::AtLeast))
                e.hardware = without_driver(term.class_id, facts_, classes_);
            if (!e.hardware.empty()) e.seen += "; " + to_string(e.hardware, true);
            if (e.truth == Truth::Unknown) e.supplier = awaited(c.device, facts_);
            bool there = is_of_links(term.state) && (term.quantifier == Quantifier::It || is_one_there(term, facts_));
            if (e.supplier.empty() && there) e.supplier = state_supplier(term.state);
            const bool carries = e.truth == Truth::False && needs_to_carry(term.predicate);
            const std::string local = carries ? facts_.nothing_carried() : "";
            if (!local.empty()) e.seen = "none: nothing of / or /usr comes over the network (" + local + ")";
            else if (carries && there_is(term, facts_)) e.supplier = "a route over it to the server of / or /usr";
            else if (e.supplier.empty() && term.quantifier != Quantifier::It) e.supplier = classes_.supplied_by(c.device.class_id);
        } else if (c.kind == Kind::Fact) {
            e.seen = facts_.seen(c.fact);
            if (e.seen.empty())
                e.seen = e.truth == Truth::Unknown ? "not known yet" : e.truth == Truth::True ? "yes" : "no";
            e.supplier = supplier_of(c.fact);
        } else {
            e.kind = c.kind == Kind::Not   ? Explanation::Kind::Not
                     : c.kind == Kind::All ? Explanation::Kind::All
                     : c.kind == Kind::Any ? Explanation::Kind::Any
                                           : Explanation::Kind::For;
            for (const Condition& part : c.parts) e.parts.push_back(of(part));
        }
        if (c.kind == Kind::For) e.seen = held_since(c);
        return e;
    }

  private:
    std::string held_since(const Condition& c) const {
        if (c.slot >= memory_.slots.size() || !memory_.slots[c.slot].true_since) return "not true now";
        Duration so_far = now_ - *memory_.slots[c.slot].true_since;
        return "true for " + to_string(std::min(so_far, c.hold)) + " of " + to_string(c.hold);
    }

    const Facts& facts_;
    const ClassNames& classes_;
    Time now_;
    const Memory& memory_;
};

// What must change for `e` to become `wanted`.
std::vector<const Explanation*> to_change(const Explanation& e, bool wanted) {
    using EKind = Explanation::Kind;
    if (e.truth == truth_of(wanted)) return {};
    if (e.kind == EKind::Leaf) return {&e};
    if (e.kind == EKind::Not) return to_change(e.parts[0], !wanted);
    if (e.kind == EKind::For) {
        // Its part may be true already: then it is the time that is missing.
        auto inner = to_change(e.parts[0], wanted);
        return inner.empty() ? std::vector<const Explanation*>{&e} : inner;
    }
    bool every = (e.kind == EKind::All) == wanted;
    std::vector<const Explanation*> out;
    bool have = false;
    for (const Explanation& part : e.parts) {
        auto set = to_change(part, wanted);
        if (every) out.insert(out.end(), set.begin(), set.end());
        else if (!have || set.size() < out.size()) out = std::move(set);
        have = true;
    }
    return out;
}

}  // namespace

Explanation explain(const Condition& condition, const Facts& facts, const ClassNames& classes,
                    Time now, const Memory& memory) {
    return Explaining(facts, classes, now, memory).of(condition);
}

std::vector<const Explanation*> missing(const Explanation& e) { return to_change(e, true); }

std::string never_text(const Explanation& explanation) {
    std::string devices, others, hardware;
    std::vector<Undriven> named;
    for (const Explanation* leaf : missing(explanation)) {
        // Under a "not" it is what is there that is in the way.
        if (leaf->presence && leaf->truth != Truth::True) devices += (devices.empty() ? "no " : ", no ") + leaf->text;
        else others += (others.empty() ? "" : ", ") + std::string(leaf->truth == Truth::True ? "" : "not: ") + leaf->text;
        for (const Undriven& device : leaf->hardware)
            if (std::find(named.begin(), named.end(), device) == named.end()) named.push_back(device);
    }
    if (!devices.empty()) devices += " after coldplug";
    std::string out = devices + (devices.empty() || others.empty() ? "" : "; ") + others;
    return named.empty() ? out : out + "; " + to_string(named, false);
}

}  // namespace devmux
