// See recording_file.h.
#include "engine/recording_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "engine/system/errno_error.h"

namespace devmux {

Result<Descriptor> new_recording_file(const std::string& path) {
    auto refused = [&](std::string what, std::string hint = "") {
        return Error{.where = {path, 0, 0}, .what = std::move(what), .source = "", .caret = -1, .hint = std::move(hint)};
    };
    struct stat st {};
    if (lstat(path.c_str(), &st) == 0) {
        if (!S_ISREG(st.st_mode)) return refused("a recording goes into a regular file, and this is none", "name another one");
        if (unlink(path.c_str()) != 0) return refused("the old recording cannot be removed: " + errno_text(errno));
    }
    Descriptor fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600));
    if (!fd) return refused("the recording cannot be made: " + errno_text(errno));
    return fd;
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        ssize_t n = write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
}

}  // namespace devmux
