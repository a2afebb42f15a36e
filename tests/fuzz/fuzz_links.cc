// libFuzzer entry for datagrams of rtnetlink: whatever comes, views lie inside of it, the picture that is
// made of it never stands still, and its news can be written down and read again. The first byte says
// whether the rest answers a dump.
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "engine/intake/link_table.h"
#include "engine/recording/event_links.h"
#include "engine/recording/line_text.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

bool inside(std::string_view outer, std::string_view view) {
    return view.empty() || (view.data() >= outer.data() && view.data() + view.size() <= outer.data() + outer.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
    using namespace devmux;
    if (size == 0) return 0;
    bool dumped = (data[0] & 1) != 0;
    std::vector<uint32_t> words((size + 2) / 4);  // aligned as the kernel's messages are
    std::memcpy(words.data(), data + 1, size - 1);
    std::string_view bytes(reinterpret_cast<const char*>(words.data()), size - 1);
    LinkTable table;
    table.ask({"192.0.2.7", "2001:db8::7"});
    auto take = [&](bool answers) {
        each_rt_message(bytes, [&](const RtMessage& message) {
            if (const auto* link = std::get_if<LinkMessage>(&message.what))
                require(inside(bytes, link->name) && link->name.size() < 16 && link->ifindex != 0 && (link->up || !link->running));
            if (const auto* address = std::get_if<AddressMessage>(&message.what)) require(address->ifindex != 0 && address->key.size() < 64);
            if (const auto* route = std::get_if<RouteMessage>(&message.what))
                require(inside(bytes, route->destination) && route->prefix <= 128 && route->over.size() <= size);
            if (const auto* end = std::get_if<DumpEnd>(&message.what)) require(end->error >= 0);
            RtMessage copy = message;
            if (answers) copy.sequence = 1;
            table.take(copy, answers);
        });
    };
    auto settle = [&](bool answers) {
        for (int i = 0; table.wanted(); ++i) {
            require(i < 64);
            table.begin(*table.wanted(), 1);
            if (answers && i < 8) take(true);
            if (table.is_dumping()) table.take({.what = DumpEnd{}, .sequence = 1}, true);
        }
    };
    settle(dumped);
    if (!dumped) take(false);
    settle(false);
    table.take_refusal();
    auto news = table.take_news();
    require(news.has_value() && news->known);
    LinksSeen again;
    std::string text = links_text(*news);
    for (const TraceLine& line : trace_lines(text)) {
        if (line.word() == "links") again.known = line.rest().empty();
        else require(take_link_line(line.word(), line.rest(), again));
    }
    require(again == *news);
    return 0;
}
