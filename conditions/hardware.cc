// See hardware.h.
#include "conditions/hardware.h"

#include <array>
#include <charconv>

#include "conditions/class_names.h"
#include "conditions/text.h"

namespace devmux {
namespace {

constexpr size_t kShown = 3;  // the rest is a number

// Vendor and product, as lspci(8) and lsusb(8) write them. The kernel says PCI_ID=1234:1111
// (drivers/pci/pci-driver.c, pci_uevent) and PRODUCT=46d/c077/7200 (drivers/usb/core/driver.c, usb_uevent).
std::string id_of(const DeviceFacts& device) {
    if (auto id = device.property("PCI_ID")) return lower(*id);
    auto product = device.property("PRODUCT");
    if (!product || device.subsystem() != "usb") return "";
    std::array<unsigned, 2> numbers{};
    const char *at = product->data(), *end = at + product->size();
    for (unsigned& number : numbers) {
        auto [next, error] = std::from_chars(at, end, number, 16);
        if (error != std::errc() || next == end || *next != '/' || number > 0xFFFF) return "";
        at = next + 1;
    }
    std::string out;
    for (unsigned number : numbers) {
        std::array<char, 4> digits{};
        auto length = static_cast<size_t>(std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr -
                                          digits.data());
        out += (out.empty() ? "" : ":") + std::string(digits.size() - length, '0') + std::string(digits.data(), length);
    }
    return out;
}

}  // namespace

std::vector<Undriven> without_driver(ClassId id, const Facts& facts, const ClassNames& classes) {
    std::vector<Undriven> out;
    const std::vector<Hardware>& kinds = classes.hardware(id);
    if (kinds.empty()) return out;
    facts.each_without_driver([&](const DeviceFacts& device, bool) {
        for (const Hardware& kind : kinds) {
            if (matches(kind.match, device) != Truth::True) continue;
            std::string number = id_of(device);
            out.push_back({kind.name + (number.empty() ? "" : " " + number), std::string(device.name())});
            break;
        }
        return true;
    });
    return out;
}

std::string to_string(const std::vector<Undriven>& devices, bool named) {
    std::string out;
    for (size_t i = 0; i < devices.size() && i < kShown; ++i)
        out += (i ? "; " : "") + printable(devices[i].what) + (named ? " (" + printable(devices[i].name) + ")" : "") +
               " has no driver bound";
    if (devices.size() > kShown) out += "; nor have " + std::to_string(devices.size() - kShown) + " more";
    return out;
}

}  // namespace devmux
