// The journal is ours, but a full disk, a crash or a curious administrator may have had a hand in
// it: whatever is in the file, reading it ends, within its bounds, and what is written back from it
// reads as the same state.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/run/process_stat.h"
#include "engine/run/record_text.h"
#include "engine/run/saved_state.h"

using namespace devmux;

namespace {

constexpr std::string_view kBoot = "b";

LoadedState read(std::string_view text, size_t piece) {
    StateReader reader(kBoot);
    while (!text.empty()) {
        reader.feed(text.substr(0, piece));
        text.remove_prefix(std::min(piece, text.size()));
    }
    return reader.finish();
}

void must(bool holds) {
    if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    LoadedState loaded = read(text, 4096);
    std::string once = text_of(loaded.state, kBoot);
    must(once == text_of(read(text, 7).state, kBoot));
    LoadedState again = read(once, 4096);
    must(again.skipped == 0);
    must(once == text_of(again.state, kBoot));
    must(again.state.units == loaded.state.units && again.state.last_job == loaded.state.last_job);
    if (std::optional<Record> record = record_of(text)) {
        std::string line;
        append_line(*record, line);
        must(record_of(std::string_view(line).substr(1)).has_value());
    }
    (void)parse_process_stat(text);
    return 0;
}
