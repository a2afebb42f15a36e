// See device.h.
#include "engine/model/device.h"

#include <algorithm>

namespace devmux {

std::optional<std::string_view> Device::property(std::string_view key) const {
    return find_in(block_, key);
}

AttributeValue Device::attribute(std::string_view name) const {
    for (const Attribute& a : attributes_) {
        if (a.name != name) continue;
        if (a.text) return {Truth::True, *a.text, false};
        return {a.awaited ? Truth::Unknown : Truth::False, {}, a.awaited};
    }
    return {};
}

bool Device::awaits_attributes() const {
    return std::any_of(attributes_.begin(), attributes_.end(), [](const Attribute& a) { return a.awaited; });
}

bool Device::misses_attributes() const {
    return std::any_of(attributes_.begin(), attributes_.end(), [](const Attribute& a) { return !a.text; });
}

// udev writes a record of each device that has a node or is a network interface; of others only where
// its rules had something to say (device_update_db() in systemd's sd-device).
bool Device::udev_keeps_record() const {
    return find_in(block_, "MAJOR").has_value() || find_in(block_, "IFINDEX").has_value();
}

void Device::set_devpath(std::string devpath) {
    devpath_ = std::move(devpath);
    name_ = sysname_of(devpath_);
}

std::string sysname_of(std::string_view devpath) {
    std::string name(devpath.substr(devpath.rfind('/') + 1));
    std::replace(name.begin(), name.end(), '!', '/');
    return name;
}

}  // namespace devmux
