// See leaf.h.
#include "conditions/leaf.h"

#include <algorithm>

namespace devmux {
namespace {

bool has_driver(const DeviceFacts& device) {
    for (const DeviceFacts* d = &device; d; d = d->parent())
        if (!d->driver().empty()) return true;
    return false;
}

// The name of a device as facts know it: the end of its path, where '!' stands for '/'.
std::string name_of(const Witness& device) {
    std::string name = device.devpath.substr(device.devpath.rfind('/') + 1);
    std::replace(name.begin(), name.end(), '!', '/');
    return name;
}

// Whether counting may end at the first match: then a class of 10,000 devices costs one look.
bool first_is_enough(const DeviceTerm& term) {
    return term.quantifier == Quantifier::Any || term.quantifier == Quantifier::First ||
           term.quantifier == Quantifier::It;
}

}  // namespace

Truth belongs(const DeviceTerm& term, const DeviceFacts& device, const Facts& facts) {
    return matches(term.predicate, device, &facts);
}

Truth is_as_asked(const DeviceTerm& term, const DeviceFacts& device, const Facts& facts) {
    Truth state = Truth::True, ready = device.ready() ? Truth::True : Truth::Unknown;
    switch (term.state) {
        case DeviceState::Present: state = ready; break;
        case DeviceState::Seen: break;
        case DeviceState::Bound: state = truth_of(has_driver(device)); break;
        case DeviceState::Up: state = both(ready, facts.link(device, LinkState::Up)); break;
        case DeviceState::Running: state = both(ready, facts.link(device, LinkState::Running)); break;
        case DeviceState::Online: state = both(ready, facts.link(device, LinkState::Online)); break;
    }
    return both(state, matches(term.have, device, &facts));
}

Count count_devices(const DeviceTerm& term, const Facts& facts, const std::optional<Witness>& it) {
    Count count;
    count.open = !facts.coldplug_complete();
    bool all = term.quantifier == Quantifier::All;
    bool is_it = term.quantifier == Quantifier::It;
    if (is_it && !it) return {};  // nobody's: there is none
    const Predicate* exactly = exact(term.predicate, Predicate::Field::Name);
    std::string name = is_it ? name_of(*it) : exactly ? exactly->value : "";
    facts.each_device(term.class_id, name, [&](const DeviceFacts& device, bool unsure) {
        if (is_it && device.devpath() != it->devpath) return true;
        if (is_it && differs(device.generation(), it->generation)) {
            count.open = false;  // another has its place: it has gone
            return false;
        }
        Truth in_set = belongs(term, device, facts);
        if (unsure) in_set = both(Truth::Unknown, in_set);
        if (in_set == Truth::False) return true;
        Truth as_asked = is_as_asked(term, device, facts);
        if (all && in_set == Truth::True && as_asked == Truth::False) ++count.failing;
        Truth match = both(in_set, as_asked);
        if (match == Truth::Unknown) ++count.unknown;
        if (match != Truth::True) return true;
        ++count.known;
        if (!count.witness) count.witness = Witness{std::string(device.devpath()), device.generation()};
        return !first_is_enough(term);
    });
    return count;
}

Truth truth_of_count(const DeviceTerm& term, const Count& count) {
    constexpr unsigned kNoLimit = ~0U;
    unsigned low = count.known;
    unsigned high = count.open ? kNoLimit : count.known + count.unknown;
    auto at_least = [&](unsigned n) {
        return low >= n ? Truth::True : high < n ? Truth::False : Truth::Unknown;
    };
    auto at_most = [&](unsigned n) {
        return high <= n ? Truth::True : low > n ? Truth::False : Truth::Unknown;
    };
    switch (term.quantifier) {
        case Quantifier::Any:
        case Quantifier::First:
        case Quantifier::It: return at_least(1);
        case Quantifier::AtLeast: return at_least(term.count);
        case Quantifier::AtMost: return at_most(term.count);
        case Quantifier::Exactly: return both(at_least(term.count), at_most(term.count));
        case Quantifier::All: break;
    }
    if (count.failing > 0) return Truth::False;  // one that fails is enough, whoever else comes
    if (count.open || count.unknown > 0) return Truth::Unknown;
    return truth_of(count.known > 0);  // all of none is false
}

}  // namespace devmux
