// libFuzzer entry for sets of classes: files of classes.d, divided by lines "---". Whatever comes is an
// error, or a class that is found by its names and asked about a device.
#include <cstdlib>

#include "engine/model/class_file.h"
#include "tests/support/facts.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
    using namespace devmux;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    ClassSet set;
    for (int number = 0; !text.empty() && number < 16; ++number) {
        constexpr std::string_view kDivider = "\n---\n";
        size_t end = text.find(kDivider);
        auto c = read_class(text.substr(0, end), "c" + std::to_string(number) + ".yaml");
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + kDivider.size());
        if (!c) {
            require(!c.error().what.empty());
            continue;
        }
        size_t before = set.classes().size();
        std::string name = c->name;
        auto refused = set.add(std::move(*c));
        require(refused ? !refused->what.empty() && set.classes().size() == before
                        : set.classes().size() == before + 1 && set.find(name) == before);
    }
    for (const Error& error : set.finish()) require(!error.what.empty());
    test::TestDevice device;
    device.path = "/devices/virtual/net/eth0";
    device.sub = "net";
    device.properties = {{"INTERFACE", "eth0"}, {"DEVTYPE", "wlan"}};
    device.attributes["address"] = {Truth::True, "00:00:00:00:00:00", false};
    ClassId last = 0;
    bool first = true;
    for (const Device::Membership& m : set.classify(device)) {
        require(m.id < set.classes().size() && (first || m.id > last));
        last = m.id;
        first = false;
    }
    return 0;
}
