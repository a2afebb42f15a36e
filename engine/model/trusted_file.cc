// See trusted_file.h. O_NONBLOCK keeps a FIFO that somebody left in the folder from stopping us;
// fstat(2) on the descriptor is what decides.
#include "engine/model/trusted_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "engine/system/descriptor.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

Error at(const std::string& path, std::string what, std::string hint = "") {
    return {.where = {path, 0, 0}, .what = std::move(what), .source = "", .caret = -1,
            .hint = std::move(hint)};
}

// A folder that anyone may write in but whose entries only their owner may exchange (/tmp) will do.
std::string trouble_of(const struct stat& st, bool folder) {
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return "belongs to uid " + std::to_string(st.st_uid) + ", neither to root nor to who runs devmux";
    bool sticky = folder && (st.st_mode & S_ISVTX);
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !sticky) return "can be written by others than its owner";
    return "";
}

std::string real_path(const std::string& path) {
    std::array<char, PATH_MAX> real{};
    return realpath(path.c_str(), real.data()) ? real.data() : "";
}

std::string folder_of(const std::string& path) {
    size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

const std::string& FolderTrust::trouble(const std::string& folder) {
    if (auto it = known_.find(folder); it != known_.end()) return it->second;
    std::string why, real = real_path(folder);
    struct stat st{};
    if (real.empty() || stat(real.c_str(), &st) != 0) why = folder + ": " + errno_text(errno);
    else if (std::string t = trouble_of(st, true); !t.empty()) why = "the folder " + real + " " + t;
    else if (real != "/") why = trouble(folder_of(real));
    return known_[folder] = why;
}

Result<std::string> read_trusted(const std::string& path, size_t limit, Trust trust,
                                 FolderTrust& folders) {
    constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    Descriptor fd(open(path.c_str(), kFlags | O_NOFOLLOW));
    bool is_link = !fd && errno == ELOOP;
    if (is_link) fd.reset(open(path.c_str(), kFlags));
    if (!fd) return errno_error(path, "cannot be opened", errno);
    struct stat st{};
    if (fstat(fd.get(), &st) != 0) return errno_error(path, "", errno);
    if (!S_ISREG(st.st_mode)) return at(path, "is no regular file");
    if (trust == Trust::Require) {
        if (std::string why = trouble_of(st, false); !why.empty())
            return at(path, why + ": not read", "chown root " + path + "; chmod go-w " + path);
        // Of a link it is the folder of the file that it leads to.
        std::string real = is_link ? real_path(path) : path;
        if (real.empty()) return at(path, "leads nowhere any more");
        std::string folder = folder_of(real);
        if (const std::string& why = folders.trouble(folder); !why.empty())
            return at(path, why + ": not read", "everything above a unit file must be root's alone");
    }
    if (static_cast<size_t>(st.st_size) > limit)
        return at(path, "has " + std::to_string(st.st_size) + " bytes, more than the " +
                            std::to_string(limit) + " that it may have");
    std::string text(static_cast<size_t>(st.st_size) + 1, '\0');
    size_t length = 0;
    while (length < text.size()) {
        ssize_t n = read(fd.get(), text.data() + length, text.size() - length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno_error(path, "cannot be read", errno);
        if (n == 0) break;
        length += static_cast<size_t>(n);
    }
    if (length == text.size()) return at(path, "grew while it was read");
    text.resize(length);
    return text;
}

}  // namespace devmux
