// How a unit stands to others: requires, wants, after, before, conflicts, provides, then, on-failure.
// A name is a unit's, or an LSB facility ("$network"), which stands for every unit that provides it.
#pragma once

#include <string>
#include <vector>

#include "conditions/document.h"
#include "engine/model/yaml_fields.h"

namespace devmux {

struct UnitLinks {
    std::vector<std::string> required;    // they run before it starts, and as long as it runs
    std::vector<std::string> wanted;      // they are started with it, and first; it runs without them, too
    std::vector<std::string> after;       // where both are on their way, they come first
    std::vector<std::string> before;      // … they come later
    std::vector<std::string> conflicts;   // who runs stays, the other waits
    std::vector<std::string> provides;    // facilities
    std::vector<std::string> then;        // started when it has started well
    std::vector<std::string> on_failure;  // … when its start failed
    bool operator==(const UnitLinks&) const = default;
    bool empty() const { return *this == UnitLinks{}; }
};

// Most names in one list.
inline constexpr size_t kMostLinks = 1024;

inline bool is_facility(std::string_view name) { return name.starts_with('$'); }
// It is met by what is mounted too, without a unit: all that /etc/fstab lists (intake/mount_table.h).
inline bool stands_for_mounts(std::string_view facility) { return facility == "$local_fs" || facility == "$remote_fs"; }
// … and this one by `network online`.
inline bool stands_for_network(std::string_view facility) { return facility == "$network"; }
inline bool stands_without_unit(std::string_view facility) { return stands_for_mounts(facility) || stands_for_network(facility); }

// The keys in the order of the manual, with their members: for everyone who reads, writes or walks them.
struct LinkKey {
    const char* key;
    std::vector<std::string> UnitLinks::*list;
    bool facilities;  // may a facility stand there?
};
const std::vector<LinkKey>& link_keys();

// Reads into `links`, which must outlive the fields.
std::vector<Field> link_fields(UnitLinks& links);

// What no single key can tell: a unit that names itself, an each-event unit that has links at all.
void check_links(const Node& document, const std::string& name, const UnitLinks& links, Errors& errors);

}  // namespace devmux
