// libFuzzer entry for traces, written ones and recordings: whatever comes, the engine plays it or the
// error names a line. Every event goes through the uevent parser, the device table and the planner; of a
// recording, files of units and classes through their loader, and a checkpoint into a core, which must
// be written as the same text again. What was read can be redacted, and is then still as long.
#include <cstdlib>

#include "conditions/grammar.h"
#include "tools/redact.h"
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
    auto lines = play(text, "t", [](const std::string&) { return shared; });
    if (is_recorded(text)) {
        (void)play_freely(text, "t", shared);
        if (auto head = read_head(text, "t"); head && head->checkpoint) {
            std::string once, twice;
            auto engine = engine_of(*head);
            Recorder("x", [&](std::string_view t) { once += t; }).checkpoint(*engine, head->now);
            auto again = read_head(once, "t");
            if (!again) std::abort();
            engine = engine_of(*again);
            Recorder("x", [&](std::string_view t) { twice += t; }).checkpoint(*engine, again->now);
            if (once.size() != twice.size()) std::abort();
        }
        if (redacted(text).size() != text.size() + !text.ends_with('\n')) std::abort();
    }
    if (!lines && (lines.error().what.empty() || lines.error().where.line == 0)) std::abort();
    return 0;
}
