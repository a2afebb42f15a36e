// See process_tree.h. By one pass over procfs: PROC/PID/task/TID/children would be less to read, but it
// lacks those who were re-parented, and may pass over children when one of them ends (proc(5)).
#include "engine/run/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <map>

#include "engine/system/descriptor.h"

namespace devmux {

std::string read_proc(const std::string& path) {
    Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> buffer{};
    ssize_t size = fd ? read(fd.get(), buffer.data(), buffer.size()) : 0;
    std::string text(buffer.data(), size > 0 ? static_cast<size_t>(size) : 0);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

std::vector<int> numbers_in(const std::string& folder) {
    std::vector<int> out;
    DIR* dir = opendir(folder.c_str());
    while (dirent* entry = dir ? readdir(dir) : nullptr) {
        int number = 0;
        const char* end = entry->d_name + strlen(entry->d_name);
        auto [at, error] = std::from_chars(entry->d_name, end, number);
        if (error == std::errc() && at == end) out.push_back(number);
    }
    if (dir) closedir(dir);
    return out;
}

std::vector<JobProcess> process_tree(const std::string& proc, int main) {
    std::map<int, ProcessStat> all;
    for (int pid : numbers_in(proc))
        if (auto stat = process_stat(proc, pid)) all.emplace(pid, std::move(*stat));
    std::vector<JobProcess> out;
    auto take = [&](int pid, size_t parent) {
        auto it = all.find(pid);
        if (it == all.end() || out.size() >= kTreeMost) return;
        out.push_back({pid, parent, std::move(it->second)});
        all.erase(it);
    };
    auto take_below = [&](size_t from) {
        for (size_t i = from; i < out.size(); ++i) {
            std::vector<int> children;
            for (const auto& [pid, stat] : all)
                if (stat.parent == out[i].pid) children.push_back(pid);
            for (int pid : children) take(pid, i);
        }
    };
    take(main, 0);
    if (out.empty()) return out;
    take_below(0);
    std::vector<int> strays;
    for (const auto& [pid, stat] : all)
        if (stat.session == main || stat.group == main) strays.push_back(pid);
    for (int pid : strays) {
        size_t from = out.size();
        take(pid, 0);
        take_below(from);
    }
    return out;
}

}  // namespace devmux
