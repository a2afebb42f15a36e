// See storm_machine.h.
#include "tests/plan/storm_machine.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace devmux::test {

using namespace std::chrono_literals;

std::string Message::text() const {
    std::string out;
    out.reserve(256);
    auto add = [&out](std::string_view key, std::string_view value) {
        out.append(key).append("=").append(value).push_back('\0');
    };
    out.append(action).append("@").append(devpath).push_back('\0');
    add("ACTION", action);
    add("DEVPATH", devpath);
    add("SUBSYSTEM", subsystem);
    if (!devpath_old.empty()) add("DEVPATH_OLD", devpath_old);
    if (synthetic) add("SYNTH_UUID", "0");
    for (const auto& [key, value] : variables) add(key, value);
    out += added;
    add("SEQNUM", std::to_string(seqnum));
    return out;
}

Machine::Machine(std::mt19937& random, Shape given) : udevd(given.udevd), shape(given), random_(random) {
    for (int hub = 0; hub < kHubs; ++hub) hub_paths_[hub] = "/devices/hub" + std::to_string(hub);
    for (int i = 0; i < kInterfaces; ++i) interface_names_[i] = "eth" + std::to_string(i);
}

// 0 … kDevices-1: mice and framebuffers in turn, below the hubs; then interfaces.
std::string Machine::path_of(int number) const {
    if (number >= kDevices) return interface_path(number - kDevices);
    // One of them stands by itself.
    if (number == 0) return "/devices/board/d0";
    return hub_paths_.at(number % kHubs) + "/port/d" + std::to_string(number);
}

std::string Machine::interface_path(int interface) const {
    return "/devices/virtual/net/" + interface_names_.at(interface);
}

Machine::Node* Machine::at(const std::string& devpath) {
    auto it = sysfs.find(devpath);
    return it == sysfs.end() ? nullptr : &it->second;
}

bool Machine::busy_below(const std::string& devpath) const {
    for (auto it = sysfs.lower_bound(devpath); it != sysfs.end(); ++it) {
        if (!it->first.starts_with(devpath)) break;
        if (it->second.busy) return true;
    }
    return false;
}

bool Machine::free_at(const std::string& devpath) {
    if (sysfs.contains(devpath)) return false;
    for (auto& [path, node] : sysfs)
        if (node.busy && devpath.starts_with(path + "/")) return false;
    return true;
}

Machine::Node& Machine::make(const std::string& devpath, const std::string& subsystem) {
    Node& node = sysfs[devpath];
    node.devpath = devpath;
    node.subsystem = subsystem;
    node.inode = ++inode_;
    node.variables["GEN"] = std::to_string(node.inode);
    return node;
}

void Machine::make_files(Node& node) {
    if (node.subsystem != "framebuffer") return;
    for (const char* name : {"mode", "speed"}) {
        int kind = pick(10);
        if (kind == 0) continue;  // it never comes
        Time from = kind < 7 ? Time{} : now + std::chrono::milliseconds(pick(4000));
        node.files[name] = {pick(2) ? "9" : "3", from};
    }
}

void Machine::plug(int number) {
    std::string devpath = path_of(number);
    if (Node* node = at(devpath)) {
        if (!node->busy && !busy_below(devpath)) take_away(devpath);
        return;
    }
    if (number < kDevices && number > 0 && !sysfs.contains(hub_paths_[number % kHubs])) plug_hub(number % kHubs);
    if (!free_at(devpath)) return;
    bool interface = number >= kDevices;
    if (interface && chance(50)) {  // a new one has the kernel's name again
        std::string name = "eth" + std::to_string(number - kDevices);
        std::string& former = interface_names_[number - kDevices];
        if (interface_names_[0] != name && interface_names_[1] != name) former = name;
        devpath = path_of(number);
        if (!free_at(devpath)) return;
    }
    Node& node = make(devpath, interface ? "net" : number % 2 ? "framebuffer" : "mouse");
    node.variables["NUMBER"] = std::to_string(number);
    if (interface) {
        node.variables["IFINDEX"] = std::to_string(++ifindex_);
        node.variables["INTERFACE"] = devpath.substr(devpath.rfind('/') + 1);
    } else if (number % 2) {
        node.variables["MAJOR"] = "29";
        node.variables["MINOR"] = node.variables["NUMBER"];
    }
    make_files(node);
    generations[number].insert(node.inode);
    node.busy = true;
    halves_.emplace_back([this, devpath] {
        Node* there = at(devpath);
        there->busy = false;
        emit("add", *there);
    });
    if (chance(70)) finish_all();
}

void Machine::exchange(int number) {
    finish_all();
    if (!sysfs.contains(path_of(number))) plug(number);
    finish_all();
    plug(number);
    finish_all();
    plug(number);
}

void Machine::plug_hub(int hub) {
    std::string devpath = hub_paths_[hub];
    if (Node* node = at(devpath)) {
        if (node->busy || busy_below(devpath + "/")) return;
        take_away(devpath);
        return;
    }
    if (!free_at(devpath)) return;
    Node& node = make(devpath, "hub");
    node.variables["SIDE"] = pick(2) ? "left" : "right";
    node.busy = true;
    halves_.emplace_back([this, devpath] {
        Node* there = at(devpath);
        there->busy = false;
        emit("add", *there);
    });
    finish_all();
}

// Children first, each as a whole; the device itself in two steps.
void Machine::take_away(const std::string& devpath) {
    std::vector<std::string> below;
    for (auto it = sysfs.upper_bound(devpath); it != sysfs.end(); ++it)
        if (it->first.starts_with(devpath + "/")) below.push_back(it->first);
    for (auto it = below.rbegin(); it != below.rend(); ++it) remove_now(*it);
    Node* node = at(devpath);
    node->busy = true;
    emit("remove", *node);
    halves_.emplace_back([this, devpath] { sysfs.erase(devpath); });
    if (chance(70)) finish_all();
}

void Machine::remove_now(const std::string& devpath) {
    emit("remove", *at(devpath));
    sysfs.erase(devpath);
}

bool Machine::put_elsewhere(const std::string& from, const std::string& to) {
    if (!sysfs.contains(from) || busy_below(from) || !free_at(to)) return false;
    std::vector<std::string> all;
    for (auto it = sysfs.lower_bound(from); it != sysfs.end(); ++it)
        if (it->first == from || it->first.starts_with(from + "/")) all.push_back(it->first);
    for (const std::string& path : all) {
        auto node = sysfs.extract(path);
        node.key() = to + path.substr(from.size());
        node.mapped().devpath = node.key();
        if (being_read || !shape.netlink || !shape.calm) misread.insert(node.mapped().inode);
        sysfs.insert(std::move(node));
    }
    Node& node = *at(to);
    if (node.subsystem == "net") node.variables["INTERFACE"] = to.substr(to.rfind('/') + 1);
    node.busy = true;
    halves_.emplace_back([this, from, to] {
        Node* there = at(to);
        there->busy = false;
        emit("move", *there, from);
    });
    return true;
}

void Machine::move_hub(int hub) {
    // Who stands below is not announced: where a read was quicker than the news of the move, or was under way,
    // it may have found them under neither path.
    if (being_read || !kernel.queue.empty()) return;
    std::string to = hub_paths_[hub] + "x";
    if (to.ends_with("xx")) to.resize(to.size() - 2);
    if (put_elsewhere(hub_paths_[hub], to)) hub_paths_[hub] = to;
    if (chance(70)) finish_all();
}

void Machine::rename(int interface) {
    std::string name = (pick(2) ? "lan" : "wan") + std::to_string(pick(2));
    if (interface_names_[0] == name || interface_names_[1] == name) return;
    if (put_elsewhere(interface_path(interface), "/devices/virtual/net/" + name)) interface_names_[interface] = name;
    if (chance(70)) finish_all();
}

void Machine::change(int number) {
    Node* node = at(path_of(number));
    if (!node || node->busy) return;
    node->variables["STATE"] = std::to_string(pick(4));
    if (node->subsystem == "framebuffer")
        for (const char* name : {"mode", "speed"}) {
            if (chance(50)) continue;
            if (chance(30)) node->files.erase(name);
            else node->files[name] = {pick(2) ? "9" : "3", Time{}};
        }
    if (chance(20))
        if (Node* hub = at(hub_paths_[number % kHubs]); hub && !hub->busy) {
            hub->variables["SIDE"] = pick(2) ? "left" : "right";
            emit("change", *hub);
        }
    emit("change", *node);
}

void Machine::bind(int number) {
    Node* node = at(path_of(number));
    if (!node || node->busy || number >= kDevices) return;
    bool bound = node->variables.erase("DRIVER") > 0;
    if (!bound) node->variables["DRIVER"] = "drv";
    // A driver brings a file, a moment later.
    if (!bound && node->subsystem == "framebuffer" && !node->files.contains("speed"))
        node->files["speed"] = {"9", now + std::chrono::milliseconds(pick(3000))};
    emit(bound ? "unbind" : "bind", *node);
}

void Machine::trigger(int number) {
    Node* node = at(path_of(number));
    if (node && !node->busy) emit(pick(2) ? "add" : "change", *node, "", true);
}

void Machine::finish_one() {
    if (halves_.empty()) return;
    auto half = std::move(halves_.front());
    halves_.pop_front();
    half();
}

void Machine::finish_all() {
    while (!halves_.empty()) finish_one();
}

void Machine::emit(const std::string& action, const Node& node, const std::string& old, bool synthetic) {
    if (being_read && !synthetic && action != "change") misread.insert(node.inode);
    Message m{++seqnum_, action, node.devpath, old, node.subsystem, node.inode, node.variables, "", synthetic};
    if (mute_) {
        lost_in_silence = true;
        return;
    }
    said.push_back(m);
    if (udevd == Udevd::Running) udev_queue_.push_back(m);
    // Where there is no udevd its socket may keep what comes, or not.
    else if (udevd == Udevd::Down && chance(50)) udev_queue_.push_back(m);
    if (shape.helper) {
        for (int copies = chance(5) ? 2 : 1; copies > 0; --copies)
            helpers.emplace(now + (chance(70) ? std::chrono::milliseconds(pick(50)) : std::chrono::milliseconds(pick(30000))), m);
    }
    if (!shape.netlink || !kernel.open) return;
    kernel.queue.push_back(std::move(m));
    if (!shape.misnumbers || kernel.queue.size() < 2 || !chance(10)) return;
    Message &a = kernel.queue[kernel.queue.size() - 2], &b = kernel.queue.back();
    if (!related(a, b)) std::swap(a, b);
}

// He will see where they went before it is read that they did.
void Machine::reading_begins() {
    being_read = true;
    for (const Message& m : kernel.queue)
        if (m.action == "move")
            for (const auto& [devpath, node] : sysfs)
                if (node.inode == m.inode || devpath.starts_with(m.devpath + "/")) misread.insert(node.inode);
    for (const auto& [devpath, node] : sysfs)
        if (node.busy) misread.insert(node.inode);
}

void Machine::daemon_begins() {
    std::set<uint64_t> there;
    for (const auto& [devpath, node] : sysfs) there.insert(node.inode);
    for (uint64_t inode = 1001; inode <= inode_; ++inode)
        if (!there.contains(inode)) misread.insert(inode);
}

void Machine::lose_netlink() {
    if (!kernel.open || kernel.queue.empty()) return;
    kernel.queue.resize(static_cast<size_t>(pick(static_cast<int>(kernel.queue.size()))));
    kernel.overran = true;
}

void Machine::lose_udev() {
    if (!udev.open || udev.queue.empty()) return;
    udev.queue.resize(static_cast<size_t>(pick(static_cast<int>(udev.queue.size()))));
    udev.overran = true;
}

void Machine::lose_silently(int number) {
    finish_all();
    mute_ = true;
    switch (pick(5)) {
        case 0: exchange(number); break;
        case 1: change(number); break;
        case 3: if (shape.netlink && sysfs.contains(path_of(kDevices))) { rename(0); break; } [[fallthrough]];
        default: plug(number); break;
    }
    finish_all();
    mute_ = false;
}

// Events of a device, of those above it and of those below it are one after the other.
bool Machine::related(const Message& a, const Message& b) {
    auto above = [](const std::string& x, const std::string& y) {
        return !x.empty() && !y.empty() && (x == y || y.starts_with(x + "/") || x.starts_with(y + "/"));
    };
    return a.inode == b.inode || above(a.devpath, b.devpath) || above(a.devpath_old, b.devpath) ||
           above(a.devpath, b.devpath_old);
}

void Machine::udev_works() {
    if (udevd != Udevd::Running) return;
    if (!working_.empty() && chance(60)) {
        auto it = working_.begin() + pick(static_cast<int>(working_.size()));
        if (!it->recorded) {
            record(it->message);
            it->recorded = true;
            return;
        }
        if (udev.open) udev.queue.push_back(std::move(it->message));
        working_.erase(it);
        return;
    }
    for (size_t i = 0; i < udev_queue_.size(); ++i) {
        bool waits = false;
        for (const Work& work : working_) waits |= related(work.message, udev_queue_[i]);
        for (size_t j = 0; j < i; ++j) waits |= related(udev_queue_[j], udev_queue_[i]);
        if (waits) continue;
        working_.push_back({std::move(udev_queue_[i])});
        udev_queue_.erase(udev_queue_.begin() + static_cast<std::ptrdiff_t>(i));
        return;
    }
}

std::string Machine::id_of(const Message& m) {
    auto value = [&m](const char* key) {
        auto it = m.variables.find(key);
        return it == m.variables.end() ? "" : it->second;
    };
    if (auto index = value("IFINDEX"); !index.empty()) return "n" + index;
    if (auto minor = value("MINOR"); !minor.empty()) return "c29:" + minor;
    return "+" + m.subsystem + ":" + m.devpath.substr(m.devpath.rfind('/') + 1);
}

// The rules have run: what udev knows now, and what it will tell.
void Machine::record(Message& m) {
    std::string id = id_of(m);
    if (m.action == "remove") {
        records_.erase(id);
        return;
    }
    bool renaming = false;
    Node* node = at(m.devpath);
    if (shape.renames && m.action == "add" && !m.synthetic && m.subsystem == "net" && node && node->inode == m.inode &&
        !node->busy && m.devpath.find("/eth") != std::string::npos) {
        int interface = interface_names_[0] == m.variables["INTERFACE"] ? 0 : 1;
        std::string name = "udev" + std::to_string(interface), to = "/devices/virtual/net/" + name;
        if (put_elsewhere(m.devpath, to)) {
            interface_names_[interface] = name;
            renaming = true;
            m.added += "INTERFACE_OLD=" + m.variables["INTERFACE"] + '\0';
            m.variables["INTERFACE"] = name;
            m.devpath = to;
        }
    }
    // Of those that have neither a node nor an index it has something to say only of some.
    std::string& old = records_[id];
    auto first = find_in(old, "USEC_INITIALIZED");
    std::string since = first ? std::string(*first)
                              : std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
    std::string says = "ID_GEN=" + m.variables["GEN"] + '\0';
    if (renaming) says += std::string("ID_RENAMING=1") + '\0';
    m.added += says;
    if (id[0] == '+' && m.variables["NUMBER"] != "2") records_.erase(id);
    else old = says + "USEC_INITIALIZED=" + since + '\0';
}

std::optional<std::string> Machine::record_of(const Node& node) const {
    if (shape.udevd == Udevd::Absent) return std::nullopt;
    Message m;
    m.devpath = node.devpath;
    m.subsystem = node.subsystem;
    m.variables = node.variables;
    auto it = records_.find(id_of(m));
    return it == records_.end() ? std::nullopt : std::optional(it->second);
}

void Machine::udevd_dies() {
    if (udevd != Udevd::Running) return;
    udevd = Udevd::Down;
    udevd_ever_died = true;
    working_.clear();
    if (!shape.remembers) udev_queue_.clear();
}

void Machine::udevd_starts() {
    if (udevd == Udevd::Down) udevd = Udevd::Running;
}

}  // namespace devmux::test
