// See device.h.
#include "engine/model/device.h"

#include <algorithm>

namespace devmux {

std::optional<std::string_view> Device::property(std::string_view key) const {
    return find_in(block_, key);
}

AttributeValue Device::attribute(std::string_view name) const {
    for (const Attribute& a : attributes_)
        if (a.name == name)
            return a.text ? AttributeValue{Truth::True, *a.text} : AttributeValue{Truth::False, {}};
    return {Truth::Unknown, {}};
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
