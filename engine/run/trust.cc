// See trust.h. The file is opened with O_PATH (open(2)): no device is touched and no FIFO waited
// for, and what fstat says is of one file even if the name moves on meanwhile. The exec that
// follows goes by the name, which only those can change who may write the directory: hence the look
// at it.
#include "engine/run/trust.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <climits>
#include <cstdio>
#include <cstdlib>

#include "engine/model/trusted_file.h"
#include "engine/system/descriptor.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

const char* kind(mode_t mode) {
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

std::optional<Error> distrust_owner(const std::string& path, const struct stat& status) {
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return Error{Mark{path},
                     "belongs to user " + std::to_string(status.st_uid) + ", expected root" +
                         (geteuid() ? " or user " + std::to_string(geteuid()) : std::string()),
                     "", -1, "chown root " + path};
    if (status.st_mode & 022) {
        char mode[8];
        snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(status.st_mode & 07777));
        return Error{Mark{path},
                     std::string("may be written by ") +
                         (status.st_mode & 002 ? "everybody" : "its group") + " (mode " + mode +
                         "), expected its owner alone",
                     "", -1,
                     status.st_mode & S_ISVTX ? "put it into a directory that is root's alone" : "chmod go-w " + path};
    }
    return std::nullopt;
}

}  // namespace

std::optional<Error> distrust(const std::string& path) {
    Descriptor fd(open(path.c_str(), O_PATH | O_CLOEXEC));
    struct stat status {};
    if (!fd || fstat(fd.get(), &status) != 0) return errno_error(path, "", errno);
    if (!S_ISREG(status.st_mode))
        return Error{Mark{path}, std::string("is ") + kind(status.st_mode) +
                                     ", expected a program or a script"};
    if (std::optional<Error> error = distrust_owner(path, status)) return error;
    size_t slash = path.rfind('/');
    std::string directory = slash == 0 ? "/" : path.substr(0, slash);
    if (stat(directory.c_str(), &status) != 0) return errno_error(directory, "", errno);
    return distrust_owner(directory, status);
}

std::optional<Error> distrust_above(const std::string& path) {
    std::array<char, PATH_MAX> real{};
    if (!realpath(path.c_str(), real.data())) return errno_error(path, "", errno);
    std::string folder = real.data();
    folder.resize(std::max<size_t>(folder.rfind('/'), 1));
    FolderTrust folders;  // asked anew each time
    const std::string& why = folders.trouble(folder);
    if (why.empty()) return std::nullopt;
    return Error{Mark{path}, why + ": not run", "", -1, "everything above a program must be root's alone"};
}

}  // namespace devmux
