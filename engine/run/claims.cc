// See claims.h.
#include "engine/run/claims.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "conditions/text.h"
#include "engine/model/unit_file.h"
#include "engine/run/process_stat.h"
#include "engine/system/descriptor.h"

namespace devmux {
namespace {

constexpr uint64_t kHighestPid = 4194304;  // PID_MAX_LIMIT, include/linux/threads.h

// The word in front, which a blank or the end of the line follows.
std::string_view word_of(std::string_view& text) {
    std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    return word;
}

// Ours, and nobody else's to write.
bool is_own(const struct stat& status) { return status.st_uid == geteuid() && (status.st_mode & 022) == 0; }

Descriptor open_claims(int runtime_fd) {
    Descriptor fd(openat(runtime_fd, kClaimsName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!fd || fstat(fd.get(), &status) != 0 || !is_own(status)) return {};
    return fd;
}

std::vector<std::string> names_in(int directory) {
    std::vector<std::string> out;
    int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* dir = again < 0 ? nullptr : fdopendir(again);
    // What hidden files there are is not finished, or never was: those of other boots are many at most.
    while (dirent* entry = dir && out.size() < 2 * kClaimsMost ? readdir(dir) : nullptr) {
        std::string name = entry->d_name;
        if (name != "." && name != "..") out.push_back(std::move(name));
    }
    if (dir) closedir(dir);
    else if (again >= 0) close(again);
    std::sort(out.begin(), out.end());
    return out;
}

// It has a name that no unit can have: a dot, and its writer's number.
bool is_being_written(std::string_view name) {
    auto pid = name.starts_with('.') ? number_of(name.substr(1)) : std::nullopt;
    return pid && *pid > 0 && *pid <= kHighestPid && (kill(static_cast<pid_t>(*pid), 0) == 0 || errno == EPERM);
}

std::optional<Claim> read_claim(int directory, const std::string& name, std::string_view boot_id) {
    Descriptor fd(openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (!fd || fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || !is_own(status)) return std::nullopt;
    std::array<char, kClaimMax + 1> text;
    ssize_t size = read(fd.get(), text.data(), text.size());
    if (size <= 0) return std::nullopt;
    auto claim = claim_of({text.data(), static_cast<size_t>(size)}, boot_id);
    if (claim) claim->unit = name;
    return claim;
}

}  // namespace

std::optional<Claim> claim_of(std::string_view text, std::string_view boot_id) {
    if (text.size() > kClaimMax || !text.ends_with('\n') || text.ends_with(" \n")) return std::nullopt;
    text.remove_suffix(1);
    if (word_of(text) != "1") return std::nullopt;
    std::string_view boot = word_of(text);
    auto pid = number_of(word_of(text)), start = number_of(word_of(text));
    // Process 1 is no script.
    if (boot.empty() || boot != boot_id || !pid || *pid < 2 || *pid > kHighestPid || !start || !text.empty()) return std::nullopt;
    ProcessStat stat;
    stat.start_ticks = *start;
    if (stat.started_at() == kNever) return std::nullopt;
    return Claim{.unit = "", .pid = static_cast<int>(*pid), .started = stat.started_at()};
}

std::vector<Claim> read_claims(int runtime_fd, std::string_view boot_id) {
    std::vector<Claim> out;
    Descriptor directory = open_claims(runtime_fd);
    if (!directory) return out;
    for (const std::string& name : names_in(directory.get())) {
        if (is_being_written(name)) continue;
        auto claim = is_unit_name(name) ? read_claim(directory.get(), name, boot_id) : std::nullopt;
        if (!claim) unlinkat(directory.get(), name.c_str(), 0);
        else if (out.size() < kClaimsMost) out.push_back(std::move(*claim));
    }
    return out;
}

void remove_claim(int runtime_fd, const std::string& unit) {
    Descriptor directory = open_claims(runtime_fd);
    if (directory && is_unit_name(unit)) unlinkat(directory.get(), unit.c_str(), 0);
}

}  // namespace devmux
