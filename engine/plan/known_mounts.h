// What is known of mounts, and what conditions make of it: is something mounted there, on which type of
// file system does it lie, and - for `boot-if` - on which will it lie when boot has mounted all it will.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "conditions/facts.h"
#include "engine/intake/event.h"

namespace devmux {

using KnownMounts = std::map<std::string, MountSeen>;  // by path

// False when it was known already.
bool take_in(const MountSeen& seen, KnownMounts& mounts);

Truth is_mounted(const KnownMounts& mounts, const FactKey& key);
Truth is_on_type(const KnownMounts& mounts, const FactKey& key, std::string_view kernel_command_line);
// "on ext4 (/dev/vda2), mounted at /"
std::string seen_of_mounts(const KnownMounts& mounts, const FactKey& key, std::string_view kernel_command_line);

// Of $local_fs and $remote_fs, behind their names: ": /home is not mounted".
std::string seen_of_facility(const KnownMounts& mounts, std::string_view facility);

}  // namespace devmux
