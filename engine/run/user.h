// The user that a unit's program runs as: numbers from /etc/passwd and /etc/group, and how a program comes to
// run with them.
//
// The files themselves are read and no name service is asked: that may be a directory in a network which is
// not up yet, and nothing on the loop waits.
//
// The numbers are taken by setpriv(1), which runs in our child's place and becomes the program. Our child
// itself shares the daemon's memory until then and stops it meanwhile (process.cc): were it already that
// user's, the user could stop the daemon by stopping it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "conditions/result.h"

namespace devmux {

struct User {
    std::string name, home;
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;  // all of them, the first is `gid`
};

// `etc`: the folder of passwd and group.
Result<User> user_of(const std::string& etc, const std::string& name);

// In front of the program's own arguments.
std::vector<std::string> arguments_to_become(const User& user, const std::string& setpriv);

}  // namespace devmux
