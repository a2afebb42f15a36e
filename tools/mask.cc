// See mask.h. symlinkat(2) makes a link or fails: there is no moment at which half of it is there, and
// nothing that it could write over. Names were checked: none has a slash.
#include "tools/mask.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "conditions/text.h"
#include "engine/model/trusted_file.h"
#include "engine/model/unit_file.h"
#include "engine/model/unit_folders.h"
#include "engine/system/descriptor.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

Error at(const std::string& path, std::string what, std::string hint = "") {
    return {.where = {path, 0, 0}, .what = std::move(what), .source = "", .caret = -1, .hint = std::move(hint)};
}

Result<Descriptor> open_folder(const std::string& folder, const std::string& unit, bool make) {
    if (!is_unit_name(unit))
        return Error{.where = {}, .what = "\"" + printable(unit) + "\" is no name of a unit", .source = "", .caret = -1,
                     .hint = "1 to 64 characters of letters, digits and ._:@-"};
    if (make) {
        std::error_code bad;
        mode_t before = umask(022);
        std::filesystem::create_directories(folder, bad);
        umask(before);
        if (bad) return at(folder, "cannot be made: " + bad.message());
    }
    if (access(folder.c_str(), F_OK) == 0) {
        FolderTrust trust;
        if (const std::string& why = trust.trouble(folder); !why.empty())
            return at(folder, why + ": the daemon would not read it", "everything above a unit file must be root's alone");
    }
    Descriptor fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return errno_error(folder, "cannot be opened", errno);
    return fd;
}

}  // namespace

Result<bool> mask_unit(const std::string& folder, const std::string& unit) {
    auto fd = open_folder(folder, unit, true);
    if (!fd) return fd.error();
    std::string file = unit + ".yaml", path = folder + "/" + file;
    if (symlinkat("/dev/null", fd->get(), file.c_str()) == 0) {
        (void)fsync(fd->get());
        return true;
    }
    if (errno != EEXIST) return errno_error(path, "cannot be made", errno);
    if (is_mask(path)) return false;
    return at(path, "is there, and a mask would have to take its place",
              "move it away if it is not to be used any more: mv " + path + " " + path + ".off");
}

Result<bool> unmask_unit(const std::string& folder, const std::string& unit) {
    std::string file = unit + ".yaml", path = folder + "/" + file;
    if (!is_mask(path) && is_unit_name(unit)) return false;
    auto fd = open_folder(folder, unit, false);
    if (!fd) return fd.error();
    if (unlinkat(fd->get(), file.c_str(), 0) != 0) return errno_error(path, "cannot be taken away", errno);
    (void)fsync(fd->get());
    return true;
}

}  // namespace devmux
