// See world.h.
#include "engine/plan/world.h"

namespace devmux {
namespace {

// Words are separated by blanks; a value may stand in double quotes (kernel/params.c, next_arg()).
bool has_kernel_argument(std::string_view line, std::string_view wanted) {
    size_t at = 0;
    while (at < line.size()) {
        std::string word;
        bool quoted = false;
        for (; at < line.size() && (quoted || (line[at] != ' ' && line[at] != '\n')); ++at) {
            if (line[at] == '"') quoted = !quoted;
            else word += line[at];
        }
        ++at;
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
        case FactKind::File: break;
    }
    auto it = files.find(key.name);
    return it == files.end() ? Truth::Unknown : it->second;
}

}  // namespace devmux
