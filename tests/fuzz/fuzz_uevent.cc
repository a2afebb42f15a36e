// libFuzzer entry for parse_uevent: whatever comes, the views of an event lie inside of the
// message and keep what uevent.h guarantees; an error is short, printable and not empty.
#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include "conditions/text.h"
#include "engine/intake/uevent.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

bool inside(std::string_view outer, std::string_view view) {
    return view.empty() || (view.data() >= outer.data() &&
                            view.data() + view.size() <= outer.data() + outer.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
    using namespace devmux;
    std::string_view message(reinterpret_cast<const char*>(data), size);
    Result<Uevent> parsed = parse_uevent(message);
    if (!parsed) {
        const std::string& what = parsed.error().what;
        require(!what.empty() && what.size() < 2048 && printable(what) == what);
        return 0;
    }
    const Uevent& event = *parsed;
    for (std::string_view view : {event.action_word, event.devpath, event.devpath_old,
                                  event.subsystem, event.driver, event.block})
        require(inside(message, view));
    require(!event.action_word.empty() && event.action == action_of(event.action_word));
    require(!devpath_fault(event.devpath) && event.devpath.size() <= kDevpathMaxBytes);
    if (event.action == Action::Move)
        require(event.devpath_old.empty() ? event.synthetic : !devpath_fault(event.devpath_old));
    require(!event.subsystem.empty() && event.subsystem.find('/') == std::string_view::npos);
    require(!event.block.empty() && event.block.back() == '\0');
    require(find_in(event.block, "ACTION") == event.action_word);
    require(find_in(event.block, "DEVPATH") == event.devpath);
    require(find_in(event.block, "SUBSYSTEM") == event.subsystem);
    require(find_in(event.block, "DRIVER").value_or("") == event.driver);
    require(find_in(event.block, "SYNTH_UUID").has_value() == event.synthetic);
    require(find_in(event.block, "SEQNUM").has_value() || event.seqnum == 0);
    require(std::ranges::count(event.block, '\0') <= static_cast<long>(kUeventMaxVariables));
    return 0;
}
