// See early_units.h.
#include "tools/early_units.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

#include "conditions/text.h"
#include "engine/intake/mount_files.h"
#include "engine/plan/carriers.h"
#include "engine/plan/taken_down.h"

namespace devmux {
namespace {

// Services of Debian that configure the network, and those that mount from servers or that this needs.
constexpr std::array<std::string_view, 10> kNetwork{"networking", "networking.service", "network-manager", "NetworkManager.service",
                                                    "systemd-networkd.service", "connman", "connman.service", "wicd", "dhcpcd", "dhcpcd.service"};
constexpr std::array<std::string_view, 5> kMounting{"mountnfs.sh", "rpcbind", "rpcbind.service", "nfs-common", "portmap"};
const FactKey kRootOnNfs{FactKind::RootOnType, "nfs", true}, kUsrOnNfs{FactKind::OnType, "nfs /usr", true};

struct Where {
    KnownMounts mounts;
    std::string command_line;
    bool holds(const FactKey& key) const { return is_on_type(mounts, key, command_line) == Truth::True; }
    // Of its own, now or as soon as all is mounted.
    bool has_usr() const {
        const MountSeen& usr = mounts.at(std::string(kUsrPath));
        return usr.now.point == kUsrPath || usr.listed.point == kUsrPath;
    }
    // "nfs (server:/usr)"
    std::string seen(const FactKey& key) const { return seen_of_mounts(mounts, key, command_line); }
};

Where look(const std::string& root) {
    Where out;
    MountTable table;
    auto list = read_fstab(root + "/etc/fstab");
    if (root.empty()) {
        if (auto now = read_mountinfo("/proc/self/mountinfo")) table = std::move(*now);
        std::ifstream file("/proc/cmdline");
        std::getline(file, out.command_line);
    } else {
        table.mount({"/", "rootfs", "rootfs"});
    }
    for (std::string_view path : {kRootPath, kUsrPath})
        take_in(look_at(table, list ? *list : MountList(), "", std::string(path)), out.mounts);
    return out;
}

std::string started_by(const Unit& unit) {
    return unit.service.kind == Service::Kind::InitScript ? unit.service.init_script
           : unit.service.kind == Service::Kind::Systemd  ? unit.service.systemd
                                                          : "";
}

template <size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

bool is_left_to_boot(const Unit& unit, const Where& where, const Configuration& configuration) {
    if (!unit.boot_if) return false;
    World world(configuration.classes);
    world.mounts = where.mounts;
    world.kernel_command_line = where.command_line;
    Memory memory;
    return evaluate(*unit.boot_if, world, Time{}, memory).truth == Truth::True;
}

// One for each interface, those that carry something among them.
bool configures_each(const Unit& unit, const ClassSet& classes) {
    return unit.for_each && may_take_down(unit, classes) && !asks_what_it_carries(unit.for_each->devices);
}

}  // namespace

std::vector<std::pair<std::string, Error>> early_units(const Configuration& configuration, const std::string& root) {
    std::vector<std::pair<std::string, Error>> out;
    Where where = look(root);
    bool on_root = where.holds(kRootOnNfs), on_usr = where.holds(kUsrOnNfs) && (!on_root || where.has_usr());
    if (!on_root && !on_usr) return out;
    for (const auto& [name, unit] : configuration.units) {
        std::string service = started_by(*unit);
        bool network = contains(kNetwork, service) || service.starts_with("ifupdown") || unit->takes_down ||
                       configures_each(*unit, *configuration.classes);
        bool mounts = on_usr && contains(kMounting, service), usr = mounts || !on_root;
        if ((!network && !mounts) || is_left_to_boot(*unit, where, configuration)) continue;
        const char* key = usr ? "/usr on nfs" : "root on nfs";
        std::string what = usr ? "/usr is on NFS and devmux lies in it (" + where.seen(kUsrOnNfs) + "): "
                               : "the root file system is on NFS (" + where.seen(kRootOnNfs) + "), and its interface is up before devmux: ";
        std::string hint = std::string("boot-if: ") + key;
        if (unit->for_each) {
            what += "the boot sequence has configured the interface that carries it, and " + name + " would do it again";
            hint = "for-each: " + unit->for_each->devices.class_name + "[not carries-root] leaves it alone";
        } else {
            what += "only the boot sequence can start " + (service.empty() ? name : service);
        }
        out.emplace_back(name, Error{.where = {unit->file, 0, 0}, .what = std::move(what), .source = "", .caret = -1, .hint = std::move(hint)});
    }
    return out;
}

}  // namespace devmux
