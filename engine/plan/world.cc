// See world.h.
#include "engine/plan/world.h"

#include <array>

#include "engine/model/unit_links.h"
#include "engine/plan/kernel_arguments.h"

namespace devmux {
namespace {

bool has_kernel_argument(std::string_view line, std::string_view wanted) {
    for (const std::string& word : kernel_arguments(line)) {
        if (word == wanted) return true;
        // "kernel argument quiet" asks for the word, whatever value it has.
        if (wanted.find('=') == std::string_view::npos && word.size() > wanted.size() &&
            word.starts_with(wanted) && word[wanted.size()] == '=')
            return true;
    }
    return false;
}

constexpr std::array kEveryActual{Actual::Waiting, Actual::Starting, Actual::Active, Actual::Done,
                                  Actual::Stopping, Actual::Failed, Actual::Absent};

// "2", or "2 to 5".
Truth is_in(std::string_view runlevels, std::string_view runlevel) {
    if (runlevel.empty()) return Truth::Unknown;
    return truth_of(runlevels.front() <= runlevel[0] && runlevel[0] <= runlevels.back());
}

}  // namespace

bool World::stands(std::string_view devpath, const Generation& generation) const {
    const Device* device = table.find(devpath);
    return device && !device->in_doubt() && !differs(device->generation(), generation);
}

Truth World::fact(const FactKey& key) const {
    auto unit_is = [&](Actual actual) {
        auto is = this->unit_is ? this->unit_is(key.name, actual) : std::nullopt;
        if (!is && unit_is_unknown && unit_is_unknown(key.name)) return Truth::Unknown;
        return truth_of(is.value_or(false));
    };
    switch (key.kind) {
        case FactKind::Settled: return truth_of(settled);
        case FactKind::KernelArgument: return truth_of(has_kernel_argument(kernel_command_line, key.name));
        case FactKind::UnitActive: return unit_is(Actual::Active);
        case FactKind::UnitDone: return unit_is(Actual::Done);
        case FactKind::UnitFailed: return unit_is(Actual::Failed);
        case FactKind::Mounted: return is_mounted(mounts, key);
        case FactKind::OnType:
        case FactKind::RootOnType: return is_on_type(mounts, key, kernel_command_line);
        case FactKind::Runlevel: return is_in(key.name, runlevel);
        case FactKind::NetworkOnline: return network_is_online(links);
        case FactKind::RouteTo: return has_route(links, key.name);
        case FactKind::Mode: return truth_of(mode == key.name);
        case FactKind::File: break;
    }
    auto it = files.find(key.name);
    return it == files.end() ? Truth::Unknown : it->second;
}

std::string World::seen(const FactKey& key) const {
    if (key.kind == FactKind::Runlevel) return runlevel.empty() ? "" : "it is " + runlevel;
    if (key.kind == FactKind::NetworkOnline) return seen_of_network(links);
    if (key.kind == FactKind::RouteTo) return seen_of_route(links, key.name);
    if (key.kind == FactKind::Mode) return mode.empty() ? "no mode is set" : "it is " + mode;
    if (is_of_units(key.kind)) return seen_of_unit(key.name);
    return is_of_mounts(key.kind) ? seen_of_mounts(mounts, key, kernel_command_line) : "";
}

std::string World::seen_of_unit(const std::string& name) const {
    if (!unit_is) return "";
    if (unit_is_unknown && unit_is_unknown(name) && !unit_is(name, Actual::Waiting)) return "it is broken, or not loaded";
    std::string out;
    for (Actual actual : kEveryActual) {
        auto is = unit_is(name, actual);
        if (!is) return "there is no such unit";
        if (*is) out += (out.empty() ? "it is " : ", ") + std::string(actual == Actual::Absent ? "not installed" : to_string(actual));
    }
    return out.empty() ? "it has no instance" : out;
}

std::string World::nothing_carried() const {
    return carriers.mounts && carriers.carried.empty() ? lies_on(carriers, mounts, links) : "";
}

bool World::renew_carriers(Time now) {
    Carriers fresh = carriers_of(mounts, links);
    remember(carriers, links, now, fresh);
    if (fresh == carriers) return false;
    carriers = std::move(fresh);
    return true;
}

Truth World::facility(const std::string& name) const {
    if (stands_for_network(name)) return fact(kNetworkOnline);
    return stands_for_mounts(name) ? fact({FactKind::Mounted, name}) : Truth::False;
}

std::string World::facility_seen(const std::string& name) const {
    return stands_for_network(name) ? ": " + seen_of_network(links) : seen_of_facility(mounts, name);
}

}  // namespace devmux
