// See journal.h. Why one write(2) is enough: with O_APPEND the kernel finds the end and copies
// under the inode's lock (generic_file_write_iter, mm/filemap.c), so lines of several processes do
// not mix. A write can still stop half-way (SIGKILL between two pages, no space): record_text.h.
#include "engine/run/journal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

#include "engine/run/record_text.h"
#include "engine/run/saved_state.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

constexpr const char* kNewName = "journal.new";
constexpr uint64_t kGrowth = uint64_t{1} << 20;
constexpr const char* kFullHint = "make room in the runtime directory's file system";

// 0, or errno.
int write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        ssize_t size = write(fd, text.data(), text.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return size < 0 ? errno : ENOSPC;
        text.remove_prefix(static_cast<size_t>(size));
    }
    return 0;
}

}  // namespace

Result<Journal> Journal::open(int directory_fd, std::string boot_id, const SavedState& state) {
    Journal journal(directory_fd, std::move(boot_id));
    if (std::optional<Error> error = journal.replace(state)) return std::move(*error);
    return journal;
}

std::optional<Error> Journal::append(const Record& record) {
    line_.clear();
    append_line(record, line_);
    ssize_t size = 0;
    do size = write(fd_.get(), line_.data(), line_.size());
    while (size < 0 && errno == EINTR);
    if (size > 0) appended_ += static_cast<uint64_t>(size);
    if (size == static_cast<ssize_t>(line_.size())) return std::nullopt;
    // A part of a line is as good as nothing, and is skipped by whoever reads it.
    return errno_error(kJournalName, "a record cannot be written", size < 0 ? errno : ENOSPC,
                       kFullHint);
}

std::optional<Error> Journal::compact() {
    // Read back rather than kept in memory: the children's marks are only in the file.
    Result<LoadedState> loaded = read_saved_state(directory_fd_, boot_id_);
    std::optional<Error> error;
    if (!loaded) error = std::move(loaded.error());
    else error = replace(loaded->state);
    if (error) limit_ = appended_ + kGrowth;
    return error;
}

std::optional<Error> Journal::replace(const SavedState& state) {
    std::string text = text_of(state, boot_id_);
    Descriptor fresh(openat(directory_fd_, kNewName,
                    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fresh) return errno_error(kNewName, "cannot be created", errno);
    if (int error = write_all(fresh.get(), text)) {
        unlinkat(directory_fd_, kNewName, 0);
        return errno_error(kNewName, "cannot be written", error, kFullHint);
    }
    // The number must stay what the spawner was given, and above those that a child's own standard
    // descriptors take.
    Descriptor number;
    if (!fd_) {
        number.reset(fcntl(fresh.get(), F_DUPFD_CLOEXEC, 3));
        if (!number) return errno_error(kNewName, "", errno);
    }
    if (renameat(directory_fd_, kNewName, directory_fd_, kJournalName) != 0)
        return errno_error(kJournalName, "cannot be replaced", errno);
    // dup3 onto an open number of our own does not fail (dup(2): EBUSY is of a race with open).
    if (!fd_) fd_ = std::move(number);
    else dup3(fresh.get(), fd_.get(), O_CLOEXEC);
    appended_ = 0;
    limit_ = std::max<uint64_t>(kGrowth, 2 * text.size());
    return std::nullopt;
}

}  // namespace devmux
