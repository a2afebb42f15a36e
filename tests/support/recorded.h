// Recorded events of real devices (tests/data/events/*.txt, made by tests/vm/record_events.py): read
// back and fed to a device table in the order in which the kernel sent them.
//
//   # from sysfs            the next device was there before: no event
//   device DEVPATH
//   E KEY=VALUE             a variable of the event, as the kernel sent it
//   A name=text             an attribute, read right after
//   D name                  its driver
#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/intake/event.h"
#include "engine/intake/uevent.h"
#include "engine/model/device_table.h"

namespace devmux::test {

struct RecordedDevice {
    bool from_sysfs = false;
    std::string devpath, block;
    std::vector<Attribute> attributes;
    std::string driver;
};

inline std::vector<RecordedDevice> read_recording(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("no recording " + path.string());
    std::vector<RecordedDevice> out;
    bool from_sysfs = false;
    for (std::string line; std::getline(file, line);) {
        std::string rest = line.size() > 2 ? line.substr(2) : "";
        if (line == "# from sysfs") from_sysfs = true;
        else if (line.starts_with("device ")) {
            out.push_back({std::exchange(from_sysfs, false), line.substr(7), "", {}, ""});
        } else if (line.starts_with("E ")) out.back().block += rest + '\0';
        else if (line.starts_with("D ")) out.back().driver = rest;
        else if (line.starts_with("A "))
            out.back().attributes.push_back({rest.substr(0, rest.find('=')), rest.substr(rest.find('=') + 1)});
    }
    return out;
}

// Feeds one block. What the table needs of sysfs comes from the recording: attributes that it does
// not have do not exist.
inline Effect feed(DeviceTable& table, const RecordedDevice& d, const AttributeNeeds& needs,
                   uint64_t& seqnum, std::vector<DeviceChange>& changes) {
    Standing standing;
    standing.exists = standing.device = true;
    standing.generation.inode = std::hash<std::string>()(d.devpath) | 1;
    standing.driver = d.driver;
    std::string subsystem(find_in(d.block, "SUBSYSTEM").value_or(""));
    for (const std::string& name : needs.for_subsystem(subsystem)) {
        Attribute attribute{name, std::nullopt};
        for (const Attribute& a : d.attributes)
            if (a.name == name) attribute.text = a.text;
        standing.attributes.push_back(std::move(attribute));
    }
    if (d.from_sysfs) {
        std::string block = "DEVPATH=" + d.devpath + '\0' + d.block;
        table.apply(LookedAt{d.devpath, FoundDevice{d.devpath, subsystem, block, standing}}, Time{}, changes);
        return Effect::Taken;
    }
    std::string action(find_in(d.block, "ACTION").value_or("change"));
    std::string message = action + "@" + d.devpath + '\0' + d.block;
    if (!find_in(d.block, "SEQNUM")) message += "SEQNUM=" + std::to_string(++seqnum) + '\0';
    auto uevent = parse_uevent(message);
    if (!uevent) throw std::runtime_error(d.devpath + ": " + uevent.error().to_string());
    Effect effect = table.apply(DeviceEvent{*uevent, standing}, Time{}, changes);
    // What the shell does then: it reads the device in sysfs.
    if (effect == Effect::Look)
        table.apply(LookedAt{d.devpath, FoundDevice{d.devpath, subsystem, d.block, standing}}, Time{}, changes);
    return effect;
}

}  // namespace devmux::test
