// See mount_files.h.
#include "engine/intake/mount_files.h"

#include <libmount/libmount.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "conditions/text.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

std::string text(const char* c) { return c ? c : ""; }

using Table = std::unique_ptr<libmnt_table, decltype(&mnt_unref_table)>;
using Iterator = std::unique_ptr<libmnt_iter, decltype(&mnt_free_iter)>;

// 1 passes over the line, as without it, and without a word on the standard error output.
int pass_over(libmnt_table*, const char*, int) { return 1; }

template <class Read, class Visit>
std::optional<Error> each_line(const std::string& file, Read read, Visit visit) {
    Table table(mnt_new_table(), mnt_unref_table);
    Iterator iterator(mnt_new_iter(MNT_ITER_FORWARD), mnt_free_iter);
    if (!table || !iterator) return errno_error(file, "cannot be read", ENOMEM);
    mnt_table_set_parser_errcb(table.get(), pass_over);
    if (int error = read(table.get(), file.c_str()); error != 0) return errno_error(file, "cannot be read", error < 0 ? -error : EIO);
    libmnt_fs* line = nullptr;
    while (mnt_table_next_fs(table.get(), iterator.get(), &line) == 0) visit(line);
    return std::nullopt;
}

// nfs(5) and mount.cifs(8) show the address that the kernel speaks to; any other text is no address. No name is
// ever looked up: whoever answers may be what hangs.
std::string server_of(libmnt_fs* line) {
    std::string type = text(mnt_fs_get_fstype(line));
    if (!is_of_servers(type)) return "";
    char* value = nullptr;
    size_t size = 0;
    if (mnt_fs_get_option(line, "addr", &value, &size) != 0 || !value) return "";
    return normal_address(std::string_view(value, size));
}

bool has_option(libmnt_fs* line, const char* name) {
    char* value = nullptr;
    size_t size = 0;
    return mnt_fs_get_option(line, name, &value, &size) == 0;
}

}  // namespace

Result<MountTable> read_mountinfo(const std::string& file) {
    MountTable out;
    auto error = each_line(file, mnt_table_parse_file, [&](libmnt_fs* line) {
        const char* point = mnt_fs_get_target(line);
        if (!point || *point != '/') return;
        out.add({mnt_fs_get_id(line), mnt_fs_get_parent_id(line), point, text(mnt_fs_get_fstype(line)),
                 text(mnt_fs_get_source(line)), server_of(line)});
    });
    if (error) return *error;
    return out;
}

Result<MountList> read_fstab(const std::string& file) {
    MountList out;
    if (access(file.c_str(), F_OK) != 0 && errno == ENOENT) return out;
    auto error = each_line(file, mnt_table_parse_fstab, [&](libmnt_fs* line) {
        std::string point = normal_path(text(mnt_fs_get_target(line)));
        // systemd.mount(5): mounted when it is used, which is not what `noauto` speaks of.
        bool left_alone = has_option(line, "noauto") && !has_option(line, "x-systemd.automount");
        if (point.empty() || mnt_fs_is_swaparea(line) || left_alone) return;
        std::string type = text(mnt_fs_get_fstype(line)), source = text(mnt_fs_get_source(line));
        // What mount(8) takes for a network file system where no type is told.
        bool server = !source.starts_with('/') && source.find(":/") != std::string::npos;
        if (type == "auto" && server) type = "nfs";
        out.add({.point = point, .type = type, .source = source,
                 .bind = has_option(line, "bind") || has_option(line, "rbind"),
                 .network = type == "nfs" || mnt_fs_is_netfs(line) != 0 || has_option(line, "_netdev"),
                 .optional = has_option(line, "nofail")});
    });
    if (error) return *error;
    return out;
}

}  // namespace devmux
