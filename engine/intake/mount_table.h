// Which mount does a path lie on? Answered from the tables alone (mount_files.h): no path is ever looked
// up, since that would ask a server that may not answer, and make an automount mount. So symbolic links
// are not followed: a path is compared letter by letter.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "engine/intake/event.h"

namespace devmux {

// Longer ones are cut: they are for people to read.
inline constexpr size_t kMountSourceBytes = 256;

// Types of file systems that come from a server whose address the kernel shows: nfs, nfs4, cifs, smb3.
bool is_of_servers(std::string_view type);
// As inet_ntop(3) writes it, without the name of a link behind it; of IPv4 within IPv6 that of IPv4. Empty: it is none.
std::string normal_address(std::string_view text);

class MountTable {
  public:
    struct Entry {
        int id = 0, parent = 0;
        std::string point, type, source, server{};
    };

    // The mount that one sees at `path`, which is normal (normal_path()): of several at one place the
    // topmost, and nothing that another one covers. It has no point if there is none, not even a root.
    Mount at(std::string_view path) const;
    void add(Entry entry);

    // For simulations: mounts as mount(8) does, over what is there; and takes away what one sees at
    // `point`, with all that is mounted on it. False: nothing is mounted there.
    void mount(Mount mount);
    bool unmount(std::string_view point);

  private:
    const Entry* visible(std::string_view path) const;

    std::map<int, Entry> entries_;
    std::map<std::pair<int, std::string>, int> children_;  // by parent and point: the last one mounted
    std::multimap<std::string, int> tops_;                 // by point: their parents may be out of sight
};

// What boot is going to mount.
class MountList {
  public:
    struct Entry {
        std::string point, type, source;
        bool bind = false;
        bool network = false;   // it needs the network
        bool optional = false;  // boot goes on without it: `nofail`
    };

    // The line that `path` would lie on when all are mounted. A bind mount is of the type that its
    // source lies on.
    Mount at(std::string_view path) const;
    void add(Entry entry);
    const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }

  private:
    std::map<std::string, Entry, std::less<>> entries_;  // by point: the last one
};

// What the tables say of `path`, below `root` ("" is the machine's own). Or of a facility: $local_fs lies
// on itself when all local file systems of the list are mounted, and $remote_fs when those of the network
// are as well; else on the first one that is missing.
MountSeen look_at(const MountTable& table, const MountList& list, const std::string& root, const std::string& path);

}  // namespace devmux
