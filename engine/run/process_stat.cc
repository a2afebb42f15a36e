// See process_stat.h, and proc_pid_stat(5). start_time is counted in CLOCK_BOOTTIME since Linux 5.5
// at the latest (fs/proc/array.c: start_boottime), in units of sysconf(_SC_CLK_TCK).
#include "engine/run/process_stat.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

#include "engine/system/descriptor.h"

namespace devmux {
namespace {

// The number that the text begins with; a blank or the end follows it.
template <class T>
bool number(std::string_view text, T& out) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && (end == text.data() + text.size() || *end == ' ');
}

}  // namespace

Time ProcessStat::started_at() const {
    static const uint64_t kPerSecond = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
    constexpr uint64_t kSecond = 1'000'000'000;
    if (start_ticks / kPerSecond > 1'000'000'000) return kNever;
    return Time(static_cast<int64_t>(start_ticks / kPerSecond * kSecond +
                                     start_ticks % kPerSecond * kSecond / kPerSecond));
}

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
    size_t open = text.find('('), close = text.rfind(')');
    if (close == text.npos || close + 2 >= text.size() || open > close) return std::nullopt;
    ProcessStat stat;
    stat.name = text.substr(open + 1, close - open - 1);
    text.remove_prefix(close + 2);  // at field 3, the state
    stat.state = text[0];
    for (int field = 3; field < 22;) {
        size_t space = text.find(' ');
        if (space == text.npos) return std::nullopt;
        text.remove_prefix(space + 1);
        bool good = true;
        switch (++field) {
            case 4: good = number(text, stat.parent); break;
            case 5: good = number(text, stat.group); break;
            case 6: good = number(text, stat.session); break;
            case 14: good = number(text, stat.user_ticks); break;
            case 15: good = number(text, stat.system_ticks); break;
            case 22: good = number(text, stat.start_ticks); break;
            default: break;
        }
        if (!good) return std::nullopt;
    }
    return stat;
}

std::optional<ProcessStat> process_stat(const std::string& proc, int pid) {
    Descriptor fd(open((proc + "/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
    char text[1024];
    ssize_t size = fd ? read(fd.get(), text, sizeof text) : -1;
    if (size <= 0) return std::nullopt;
    return parse_process_stat(std::string_view(text, static_cast<size_t>(size)));
}

}  // namespace devmux
