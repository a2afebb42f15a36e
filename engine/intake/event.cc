// The words of the kernel's actions (kobject_actions[] in lib/kobject_uevent.c), and the search in
// a block of variables. Blocks are short and asked rarely: a walk along them beats any index that
// would have to be built for every event of a storm.
#include "engine/intake/event.h"

#include <array>
#include <cstring>
#include <utility>

namespace devmux {
namespace {

constexpr std::array<std::pair<std::string_view, Action>, 8> kWords{{
    {"add", Action::Add},
    {"remove", Action::Remove},
    {"change", Action::Change},
    {"move", Action::Move},
    {"online", Action::Online},
    {"offline", Action::Offline},
    {"bind", Action::Bind},
    {"unbind", Action::Unbind},
}};

}  // namespace

std::string_view to_string(Action action) {
    for (const auto& [word, known] : kWords)
        if (known == action) return word;
    return "other";
}

Action action_of(std::string_view word) {
    for (const auto& [known, action] : kWords)
        if (known == word) return action;
    return Action::Other;
}

std::string_view to_string(Transport transport) {
    switch (transport) {
        case Transport::Kernel: return "kernel";
        case Transport::Udev: return "udev";
        case Transport::Hotplug: return "hotplug";
    }
    return "";
}

std::optional<std::string_view> find_in(Block block, std::string_view key) {
    while (!block.empty()) {
        // The last variable may lack its NUL where the block was put together by hand.
        const void* nul = std::memchr(block.data(), '\0', block.size());
        size_t length =
            nul ? static_cast<size_t>(static_cast<const char*>(nul) - block.data()) : block.size();
        if (length > key.size() && block[key.size()] == '=' && block.starts_with(key))
            return block.substr(key.size() + 1, length - key.size() - 1);
        block.remove_prefix(nul ? length + 1 : length);
    }
    return std::nullopt;
}

}  // namespace devmux
