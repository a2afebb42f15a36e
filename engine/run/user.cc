// See user.h.
#include "engine/run/user.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <optional>

#include "conditions/text.h"
#include "engine/system/descriptor.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

constexpr size_t kLineMax = size_t{64} << 10;  // a group has many members

File opened(const std::string& path) { return File(fopen(path.c_str(), "re"), fclose); }

}  // namespace

Result<User> user_of(const std::string& etc, const std::string& name) {
    const std::string passwd = etc + "/passwd";
    File users = opened(passwd);
    if (!users) return errno_error(passwd, "", errno);
    std::vector<char> line(kLineMax);
    std::optional<User> user;
    struct passwd entry {}, *found = nullptr;
    while (!user && fgetpwent_r(users.get(), &entry, line.data(), line.size(), &found) == 0)
        if (name == entry.pw_name) user = User{name, entry.pw_dir, entry.pw_uid, entry.pw_gid, {entry.pw_gid}};
    if (!user)
        return Error{Mark{passwd}, "there is no user \"" + printable(name) + "\"", "", -1,
                     "adduser --system " + printable(name)};
    File groups = opened(etc + "/group");
    struct group group {}, *next = nullptr;
    while (groups && fgetgrent_r(groups.get(), &group, line.data(), line.size(), &next) == 0)
        for (char** member = group.gr_mem; *member; ++member)
            if (name == *member && std::find(user->groups.begin(), user->groups.end(), group.gr_gid) == user->groups.end())
                user->groups.push_back(group.gr_gid);
    return std::move(*user);
}

std::vector<std::string> arguments_to_become(const User& user, const std::string& setpriv) {
    std::string groups;
    for (gid_t group : user.groups) groups += (groups.empty() ? "" : ",") + std::to_string(group);
    return {setpriv, "--reuid=" + std::to_string(user.uid), "--regid=" + std::to_string(user.gid),
            "--groups=" + groups, "--"};
}

}  // namespace devmux
