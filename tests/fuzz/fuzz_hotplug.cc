// libFuzzer entry for the message that devmux-hotplug makes of its environment: it is refused with
// a reason, or the daemon's parser takes it, and it says what the environment said and nothing that
// is the process's own. Input: strings with a NUL behind each, the argument and then the
// environment.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/intake/hotplug.h"
#include "engine/intake/uevent.h"
#include "tools/hotplug/message.h"

using namespace devmux;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

// For itself, not message.c's own list.
bool is_the_processs_own(std::string_view name) {
    for (std::string_view prefix : {"LD_", "DEVMUX_"})
        if (name.starts_with(prefix)) return true;
    for (std::string_view never : {"PATH", "HOME", "MDEV", "PWD", "OLDPWD", "SHLVL", "USER",
                                   "LOGNAME", "SHELL", "TERM", "_"})
        if (name == never) return true;
    return false;
}

bool is_a_name(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               std::string_view("_.:-").find(c) != std::string_view::npos;
    });
}

// Values by name; of a name that is there twice the first, as for getenv(3).
struct Variables {
    std::map<std::string_view, const char*> values;
    explicit Variables(const std::vector<const char*>& environment) {
        for (const char* text : environment)
            if (const char* equals = std::strchr(text, '='))
                values.try_emplace({text, static_cast<size_t>(equals - text)}, equals + 1);
    }
    const char* operator[](std::string_view name) const {
        auto found = values.find(name);
        return found == values.end() ? nullptr : found->second;
    }
};

void check_event(std::string_view text, const Variables& variables, const char* argument,
                 size_t left_out) {
    require(text.size() <= kHotplugMaxBytes);
    Result<Uevent> parsed = parse_uevent(text);
    require(static_cast<bool>(parsed));
    const Uevent& event = *parsed;
    require(event.action_word == variables["ACTION"]);
    require(event.devpath == variables["DEVPATH"]);
    const char* subsystem = variables["SUBSYSTEM"];
    require(event.subsystem == (subsystem ? subsystem : argument));
    const char* number = variables["SEQNUM"];
    require(event.seqnum == (number ? std::strtoull(number, nullptr, 10) : 0));
    require(event.synthetic == (variables["SYNTH_UUID"] != nullptr));

    std::set<std::string_view> names;
    for (size_t begin = 0; begin < event.block.size();) {
        const char* at = event.block.data() + begin;
        std::string_view variable(at);
        std::string_view name = variable.substr(0, variable.find('='));
        require(is_a_name(name) && !is_the_processs_own(name));
        require(names.insert(name).second);
        const char* value = variables[name];
        require(value ? std::strcmp(value, at + name.size() + 1) == 0
                      : name == "SUBSYSTEM" && !subsystem);
        begin += variable.size() + 1;
    }
    // Nothing is left out in silence.
    size_t missing = 0;
    for (const auto& [name, value] : variables.values)
        missing += is_a_name(name) && !is_the_processs_own(name) && !names.contains(name);
    require((missing == 0) == (left_out == 0) && missing <= left_out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
    std::string text(reinterpret_cast<const char*>(data), size);
    std::vector<const char*> strings;
    for (size_t begin = 0; begin < text.size(); begin += std::strlen(strings.back()) + 1)
        strings.push_back(text.c_str() + begin);
    const char* argument = strings.empty() ? nullptr : strings[0];
    if (!strings.empty()) strings.erase(strings.begin());
    Variables variables(strings);
    std::vector<const char*> environment = strings;
    environment.push_back(nullptr);

    // On the heap, and full of what must not get out.
    auto message = std::make_unique<Message>();
    std::memset(message.get(), 0x5A, sizeof *message);
    Fault fault = build_message(message.get(), argument, environment.data());
    if (fault.variable) {
        require(fault.expected != nullptr && *fault.expected != '\0');
        if (fault.found && std::string_view(fault.variable) != "SUBSYSTEM")
            require(fault.found == variables[fault.variable]);
        return 0;
    }
    require((message->left_out > 0) == (message->first_left_out != nullptr));
    check_event({message->bytes, message->size}, variables, argument, message->left_out);
    return 0;
}
