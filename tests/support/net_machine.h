// An engine on a machine of which the kernel announces network interfaces: an event is one line of a test.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "tests/recording/world.h"

namespace devmux::test {

struct NetMachine {
    using Units = std::map<std::string, std::string>;

    static std::shared_ptr<const Configuration> with(const Units& units) {
        return configuration_of(units, {"{class: link, subsystem: net}", "{class: disk, subsystem: block}"});
    }
    explicit NetMachine(const Units& units, UdevPresence udev = UdevPresence::Absent) : engine(with(units), "", now) {
        engine.start({}, now, actions);
        feed(UdevSeen{udev, true});
        feed(Snapshot{});
        feed(CaughtUp{});
        feed(ColdplugComplete{});
    }

    static std::string path(const std::string& name) { return "/devices/virtual/net/" + name; }
    static Standing standing(uint64_t inode) {
        return {.exists = true, .device = true, .generation = {.inode = inode, .ifindex = inode}};
    }
    void feed(const Event& event) {
        actions.clear();
        engine.handle(event, now, actions);
    }
    // `inode`: 0 where nothing stands there any more.
    void say(const std::string& action, const std::string& name, uint64_t inode, const std::string& from = "") {
        std::string text = action + "@" + path(name) + '\0' + "ACTION=" + action + '\0' + "DEVPATH=" + path(name) + '\0' +
                           (from.empty() ? "" : "DEVPATH_OLD=" + path(from) + '\0') + "SUBSYSTEM=net" + '\0' +
                           "INTERFACE=" + name + '\0' + "IFINDEX=" + std::to_string(inode) + '\0' +
                           "SEQNUM=" + std::to_string(++seqnum) + '\0';
        auto uevent = parse_uevent(text);
        REQUIRE(uevent);
        feed(DeviceEvent{*uevent, inode ? standing(inode) : Standing{}});
    }
    static FoundDevice found(const std::string& name, uint64_t inode) {
        return {.devpath = path(name), .subsystem = "net",
                .block = "DEVPATH=" + path(name) + '\0' + "SUBSYSTEM=net" + '\0' + "INTERFACE=" + name + '\0',
                .standing = standing(inode), .udev = std::nullopt};
    }
    template <class Action>
    std::vector<Action> all() const {
        std::vector<Action> out;
        for (const PlanAction& action : actions)
            if (const auto* a = std::get_if<Action>(&action)) out.push_back(*a);
        return out;
    }

    Time now{std::chrono::seconds(100)};
    Engine engine;
    Actions actions;  // of the last event
    uint64_t seqnum = 0;
};

}  // namespace devmux::test
