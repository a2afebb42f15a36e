// Which sysfs attributes have to be read for the devices of a subsystem: those that the conditions
// and classes in force name. Filled at load time, asked once for every event and every device of
// the coldplug walk, so that a system whose units name no attribute reads none.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace devmux {

struct AttributeNeeds {
  public:
    // `subsystem` "": needed for the devices of every subsystem. Repeating one is harmless.
    void need(std::string_view subsystem, std::string_view name);

    // Sorted, each once: those of the subsystem and those of every subsystem. Valid until need().
    std::span<const std::string> for_subsystem(std::string_view subsystem) const;

    // How many names there are in all: it grows when need() said something new.
    size_t size() const;

  private:
    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };
    using Names = std::vector<std::string>;
    // Each list holds those of every subsystem already: the union is made once, here.
    std::unordered_map<std::string, Names, Hash, std::equal_to<>> by_subsystem_;
    Names every_;
};

}  // namespace devmux
