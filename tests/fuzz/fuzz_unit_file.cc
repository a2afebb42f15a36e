// libFuzzer entry for unit and class files: whatever comes is errors with a place, or a unit whose
// condition reads back.
#include <cstdlib>

#include "conditions/document.h"
#include "conditions/grammar.h"
#include "engine/model/class_file.h"
#include "engine/model/unit_file.h"
#include "tests/support/facts.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
    using namespace devmux;
    static const test::TestClasses classes;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    if (auto c = read_class(text, "c.yaml"); !c && c.error().what.empty()) std::abort();
    auto document = read_document(text, "u.yaml");
    if (!document) {
        if (document.error().what.empty()) std::abort();
        return 0;
    }
    UnitReading reading = read_unit(*document, "u", classes);
    if (!reading.unit == reading.errors.empty()) std::abort();
    if (!reading.unit || reading.unit->condition_text.size() > kConditionBytes) return 0;
    if (!rebind(*reading.unit, classes).unit) std::abort();
    return 0;
}
