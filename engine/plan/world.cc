// See world.h.
#include "engine/plan/world.h"

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

}  // namespace

bool World::stands(std::string_view devpath, const Generation& generation) const {
    const Device* device = table.find(devpath);
    return device && !device->in_doubt() && !differs(device->generation(), generation);
}

Truth World::fact(const FactKey& key) const {
    auto unit_is = [&](Actual actual) {
        auto state = unit_state ? unit_state(key.name) : std::nullopt;
        if (!state && unit_is_unknown && unit_is_unknown(key.name)) return Truth::Unknown;
        return truth_of(state == actual);
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
        case FactKind::File: break;
    }
    auto it = files.find(key.name);
    return it == files.end() ? Truth::Unknown : it->second;
}

std::string World::seen(const FactKey& key) const {
    return is_of_mounts(key.kind) ? seen_of_mounts(mounts, key, kernel_command_line) : "";
}

}  // namespace devmux
