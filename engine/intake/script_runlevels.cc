// See script_runlevels.h. Names of links: /etc/init.d/rc of Debian's sysv-rc, S or K, two digits, the name.
#include "engine/intake/script_runlevels.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "engine/system/descriptor.h"

namespace devmux {
namespace {

// The header stands at the top, behind a licence at most.
constexpr size_t kHeadOfScript = size_t{16} << 10;
constexpr size_t kMostLinks = 65536;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string head_of(const std::string& path) {
    Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    std::string text(kHeadOfScript, '\0');
    ssize_t size = fd ? read(fd.get(), text.data(), text.size()) : 0;
    text.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return text;
}

// "2 3 4 5" behind the colon of a line of the header.
std::string levels_in(std::string_view words) {
    std::string out;
    for (size_t i = 0; i < words.size(); ++i) {
        auto blank = [&](size_t at) { return at >= words.size() || words[at] == ' ' || words[at] == '\t'; };
        char c = words[i] == 's' ? 'S' : words[i];
        if ((is_digit(c) || c == 'S') && (i == 0 || blank(i - 1)) && blank(i + 1)) out += c;
    }
    return out;
}

void read_header(std::string_view text, ScriptRunlevels& out) {
    bool inside = false;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.starts_with("### BEGIN INIT INFO")) inside = true;
        if (line.starts_with("### END INIT INFO")) return;
        auto value = [&](std::string_view key) {
            return inside && line.starts_with(key) ? line.substr(key.size()) : std::string_view();
        };
        if (auto words = value("# Default-Start:"); !words.empty()) out.starts = levels_in(words);
        if (auto words = value("# Default-Stop:"); !words.empty()) out.stops = levels_in(words);
    }
}

bool has(const std::string& levels, char level) { return levels.find(level) != std::string::npos; }

}  // namespace

bool ScriptRunlevels::allows(std::string_view runlevel) const {
    char level = runlevel.empty() ? 'S' : runlevel[0];
    if (starts.empty() && !by_links) return !has(stops, level);  // nobody says where it starts
    if (has(starts, level)) return true;
    // What the boot sequence has started runs on, until a runlevel that stops it.
    return level != 'S' && has(starts, 'S') && !has(stops, level);
}

bool ScriptRunlevels::init_stops_in(std::string_view runlevel) const {
    return by_links && !runlevel.empty() && has(stops, runlevel[0]);
}

std::string ScriptRunlevels::text() const {
    std::string out;
    for (char level : {'1', '2', '3', '4', '5'})
        if (allows({&level, 1})) out += (out.empty() ? "" : " ") + std::string(1, level);
    return out;
}

ScriptRunlevelsReader::ScriptRunlevelsReader(std::string etc) : etc_(std::move(etc)) {
    auto close_folder = [](DIR* folder) { closedir(folder); };
    for (char level : std::string_view("S0123456789")) {
        std::unique_ptr<DIR, decltype(close_folder)> folder(opendir((etc_ + "/rc" + level + ".d").c_str()), close_folder);
        if (!folder) continue;
        has_folders_ = true;
        while (const dirent* entry = readdir(folder.get())) {
            std::string_view name = entry->d_name;
            bool is_link = name.size() > 3 && (name[0] == 'S' || name[0] == 'K') && is_digit(name[1]) && is_digit(name[2]);
            if (!is_link || links_.size() >= kMostLinks) continue;
            ScriptRunlevels& of = links_[std::string(name.substr(3))];
            of.by_links = true;
            std::string& levels = name[0] == 'S' ? of.starts : of.stops;
            if (!has(levels, level)) levels += level;
        }
    }
}

ScriptRunlevels ScriptRunlevelsReader::of(const std::string& script) const {
    if (!has_folders_) return {};
    if (auto it = links_.find(script); it != links_.end()) return it->second;
    ScriptRunlevels out;
    if (script.find('/') == std::string::npos) read_header(head_of(etc_ + "/init.d/" + script), out);
    return out;
}

}  // namespace devmux
