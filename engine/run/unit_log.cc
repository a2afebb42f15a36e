// See unit_log.h; inotify(7), fallocate(2) and lseek(2) (SEEK_DATA). Each file is opened O_APPEND:
// programs write at its end wherever that is, so the daemon can cut off its head meanwhile. A hole
// leaves offsets as they are; where holes are unsupported the file is emptied, and begins anew at
// 0.
#include "engine/run/unit_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "conditions/text.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

constexpr size_t kLineMax = 2048;
constexpr size_t kPiece = size_t{64} << 10;
constexpr std::string_view kCut = "…";

std::string line_text(std::string_view raw, bool cut) {
    if (raw.ends_with('\r')) raw.remove_suffix(1);
    std::string spaced(raw);
    std::replace(spaced.begin(), spaced.end(), '\t', ' ');
    std::string text = printable(spaced);
    if (!cut && text.size() <= kLineMax) return text;
    size_t end = std::min(text.size(), kLineMax - kCut.size());
    while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
        --end;
    return text.substr(0, end).append(kCut);
}

uint64_t size_of(int fd) {
    struct stat status {};
    return fstat(fd, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

}  // namespace

bool is_log_name(std::string_view unit) {
    if (unit.empty() || unit.size() > 200 || unit[0] == '.') return false;
    return std::all_of(unit.begin(), unit.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == ':' || c == '@' || c == '-';
    });
}

Result<UnitLog> UnitLog::open(const std::string& directory, UnitLogLimits limits) {
    UnitLog log;
    log.directory_ = directory;
    log.limits_ = limits;
    log.directory_fd_.reset(
        ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!log.directory_fd_) return errno_error(directory, "cannot be opened", errno);
    log.inotify_.reset(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    // Watched before it is listed: what is printed in between is read, not lost.
    if (!log.inotify_ ||
        inotify_add_watch(log.inotify_.get(), directory.c_str(), IN_MODIFY | IN_ONLYDIR) < 0)
        return errno_error(directory, "cannot be watched", errno);
    std::unique_ptr<DIR, int (*)(DIR*)> list(opendir(directory.c_str()), closedir);
    if (!list) return errno_error(directory, "cannot be listed", errno);
    while (dirent* entry = readdir(list.get())) {
        struct stat status {};
        if (!is_log_name(entry->d_name) ||
            fstatat(log.directory_fd_.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode))
            continue;
        log.files_[entry->d_name].read_to = static_cast<uint64_t>(status.st_size);
    }
    return log;
}

Result<int> UnitLog::output_for(const std::string& unit) {
    auto place = files_.find(unit);
    if (place == files_.end()) {
        if (!is_log_name(unit))
            return Error{Mark{}, "\"" + printable(unit) + "\" cannot be the name of a log"};
        place = files_.try_emplace(unit).first;
    }
    if (!retired_.empty()) std::erase(retired_, unit);  // it has come again
    if (std::optional<Error> error = open_file(unit, place->second)) return std::move(*error);
    return place->second.fd.get();
}

void UnitLog::retire(const std::string& unit) {
    if (!files_.contains(unit)) return;
    std::erase(retired_, unit);
    retired_.push_back(unit);
    if (retired_.size() <= limits_.retired) return;
    auto oldest = files_.find(retired_.front());
    retired_.pop_front();
    if (oldest == files_.end()) return;
    open_ -= oldest->second.fd ? 1 : 0;
    (void)unlinkat(directory_fd_.get(), oldest->first.c_str(), 0);
    files_.erase(oldest);
}

void UnitLog::retire_others(const std::function<bool(const std::string&)>& belongs) {
    std::vector<std::pair<int64_t, std::string>> others;  // when they were printed to last
    for (const auto& [name, file] : files_) {
        struct stat status {};
        if (belongs(name) || fstatat(directory_fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
        others.emplace_back(status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec, name);
    }
    std::sort(others.begin(), others.end());
    for (const auto& [printed, name] : others) retire(name);
}

std::optional<Error> UnitLog::open_file(const std::string& unit, File& file) {
    file.used = ++clock_;
    if (file.fd) {
        struct stat status {};
        if (fstat(file.fd.get(), &status) == 0 && status.st_nlink > 0) return std::nullopt;
        // Somebody removed it. A new one, then; nobody would see what went into the old.
        file = File{.used = clock_};
        --open_;
    }
    if (open_ >= limits_.open_files) {
        File* oldest = nullptr;
        for (auto& [name, other] : files_)
            if (other.fd && (!oldest || other.used < oldest->used)) oldest = &other;
        if (oldest) {
            oldest->fd.reset();
            --open_;
        }
    }
    file.fd.reset(openat(directory_fd_.get(), unit.c_str(),
                         O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600));
    if (!file.fd) return errno_error(directory_ + "/" + unit, "cannot be opened", errno);
    ++open_;
    return std::nullopt;
}

std::vector<OutputLine> UnitLog::take() {
    std::vector<OutputLine> out;
    for (Files::value_type* entry : changed_files()) {
        auto& [name, file] = *entry;
        file.changed = false;
        if (!open_file(name, file)) read_file(name, file, out);
    }
    return out;
}

// Each once, however often it has changed.
std::vector<UnitLog::Files::value_type*> UnitLog::changed_files() {
    std::vector<Files::value_type*> out;
    auto add = [&](Files::value_type& entry) {
        if (!std::exchange(entry.second.changed, true)) out.push_back(&entry);
    };
    alignas(inotify_event) char events[4096];
    for (;;) {
        ssize_t size = read(inotify_.get(), events, sizeof events);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return out;
        for (const char* at = events; at < events + size;) {
            const auto* event = reinterpret_cast<const inotify_event*>(at);
            at += sizeof(inotify_event) + event->len;
            if (event->mask & IN_Q_OVERFLOW) std::for_each(files_.begin(), files_.end(), add);
            if (event->len == 0) continue;
            auto place = files_.find(std::string_view(event->name));
            if (place != files_.end()) add(*place);
        }
    }
}

std::vector<OutputLine> UnitLog::flush(const std::string& unit) {
    std::vector<OutputLine> out;
    auto place = files_.find(unit);
    if (place == files_.end()) return out;
    File& file = place->second;
    if (open_file(unit, file)) return out;
    read_file(unit, file, out);
    if (!file.partial.empty() || file.cut) out.push_back({unit, line_text(file.partial, file.cut)});
    file.partial.clear();
    file.cut = false;
    return out;
}

// To the end that it has now, not to one that a fast writer moves on.
void UnitLog::read_file(const std::string& unit, File& file, std::vector<OutputLine>& out) {
    uint64_t end = size_of(file.fd.get());
    if (end < file.read_to) {  // emptied by somebody
        file.read_to = file.punched_to = 0;
        file.partial.clear();
        file.cut = false;
    }
    if (end - file.read_to > limits_.behind) {
        uint64_t passed = end - file.read_to - limits_.kept;
        out.push_back({unit, "(" + std::to_string(passed) +
                                 " bytes of output were passed over: it came too fast)"});
        file.read_to += passed;
        file.partial.clear();
        file.cut = false;
    }
    buffer_.resize(kPiece);
    while (file.read_to < end) {
        size_t wanted = std::min<uint64_t>(kPiece, end - file.read_to);
        ssize_t size =
            pread(file.fd.get(), buffer_.data(), wanted, static_cast<off_t>(file.read_to));
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) break;
        file.read_to += static_cast<uint64_t>(size);
        read_piece(unit, file, {buffer_.data(), static_cast<size_t>(size)}, out);
    }
    if (file.read_to - file.punched_to >= limits_.growth + limits_.kept) give_back(file);
}

void UnitLog::read_piece(const std::string& unit, File& file, std::string_view piece,
                         std::vector<OutputLine>& out) {
    while (!piece.empty()) {
        size_t newline = piece.find('\n');
        std::string_view part = piece.substr(0, newline);
        size_t room = kLineMax - file.partial.size();
        if (part.size() > room) file.cut = true;
        file.partial += part.substr(0, room);
        if (newline == piece.npos) return;
        out.push_back({unit, line_text(file.partial, file.cut)});
        file.partial.clear();
        file.cut = false;
        piece.remove_prefix(newline + 1);
    }
}

void UnitLog::give_back(File& file) {
    constexpr uint64_t kBlock = 4096;
    uint64_t to = (file.read_to - limits_.kept) / kBlock * kBlock;
    if (limits_.punch && fallocate(file.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                   static_cast<off_t>(file.punched_to),
                                   static_cast<off_t>(to - file.punched_to)) == 0) {
        file.punched_to = to;
        return;
    }
    // What is printed between the last read and this is lost; better than a full file system.
    if (ftruncate(file.fd.get(), 0) == 0) file.read_to = file.punched_to = 0;
}

LogTail log_since(int fd, uint64_t from, size_t bytes) {
    uint64_t end = size_of(fd);
    if (end < from) from = 0;
    bool cut = end - from > bytes;
    if (cut) from = end - bytes;
    // Holes read as zeroes. The offset that this moves is nobody else's, or does not matter: all append.
    off_t data = lseek(fd, static_cast<off_t>(from), SEEK_DATA);
    if (data > static_cast<off_t>(from)) {
        from = static_cast<uint64_t>(data);
        cut = true;
    }
    LogTail out;
    out.text.resize(end > from ? end - from : 0);
    ssize_t size = pread(fd, out.text.data(), out.text.size(), static_cast<off_t>(from));
    out.text.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
    out.end = from + out.text.size();
    if (size_t newline = out.text.find('\n'); cut && newline != out.text.npos) out.text.erase(0, newline + 1);
    return out;
}

LogTail log_tail(int fd, size_t bytes) { return log_since(fd, 0, bytes); }

std::string log_line(std::string_view raw) { return line_text(raw, false); }

}  // namespace devmux
