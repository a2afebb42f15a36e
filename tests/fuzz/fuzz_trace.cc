// libFuzzer entry for traces: whatever comes, the engine plays it or the error names a line. Every
// event goes through the uevent parser, the device table and the planner.
#include <cstdlib>

#include "conditions/grammar.h"
#include "tools/trace_text.h"

namespace {

std::shared_ptr<const devmux::Configuration> configuration() {
    using namespace devmux;
    Configuration c;
    auto classes = std::make_shared<ClassSet>();
    DeviceClass disk;
    disk.name = "disk";
    disk.subsystems = {"block"};
    if (classes->add(disk)) std::abort();
    classes->finish();
    for (auto [name, text] : {std::pair("a", "disk for 2s"), {"b", "first disk or unit a active"}, {"c", "settled"}}) {
        auto unit = std::make_shared<Unit>();
        unit->name = name;
        unit->condition_kind = ConditionKind::When;
        unit->condition = *parse_condition(text, *classes);
        unit->condition_text = to_string(unit->condition);
        unit->service.start = {"/x"};
        c.units[name] = unit;
    }
    c.classes = classes;
    return std::make_shared<const Configuration>(std::move(c));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
    using namespace devmux;
    static const auto shared = configuration();
    std::string text = "devmux-trace 1\n" + std::string(reinterpret_cast<const char*>(data), size);
    auto lines = play_trace(text, "t", [](const std::string&) { return shared; });
    if (!lines && (lines.error().what.empty() || lines.error().where.line == 0)) std::abort();
    return 0;
}
