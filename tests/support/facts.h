// Facts for tests of conditions, from a few lines: which devices there are, and what is known.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "conditions/class_names.h"
#include "conditions/facts.h"

namespace devmux::test {

struct TestDevice final : DeviceFacts {
    std::string path, sub = "test", drv;
    bool is_ready = true;
    Generation gen{1, 0, 0};
    Time learnt{};
    std::map<std::string, std::string, std::less<>> properties;
    std::map<std::string, AttributeValue, std::less<>> attributes;
    const DeviceFacts* above = nullptr;

    std::string_view devpath() const override { return path; }
    std::string_view name() const override {
        return std::string_view(path).substr(path.rfind('/') + 1);
    }
    std::string_view subsystem() const override { return sub; }
    std::string_view driver() const override { return drv; }
    bool ready() const override { return is_ready; }
    Generation generation() const override { return gen; }
    Time since() const override { return learnt; }
    std::optional<std::string_view> property(std::string_view key) const override {
        auto it = properties.find(key);
        return it == properties.end() ? std::nullopt : std::optional<std::string_view>(it->second);
    }
    AttributeValue attribute(std::string_view name) const override {
        auto it = attributes.find(name);
        return it == attributes.end() ? AttributeValue{} : it->second;
    }
    const DeviceFacts* parent() const override { return above; }
};

// A network interface.
inline TestDevice interface(const char* name, uint64_t ifindex) {
    TestDevice device;
    device.path = std::string("/devices/virtual/net/") + name;
    device.sub = "net";
    device.gen = {7, ifindex, 0};
    return device;
}

// Classes by name alone: "mouse", "framebuffer", "network interface", …
struct TestClasses final : ClassNames {
    std::vector<std::string> names{"mouse", "framebuffer", "network interface", "cpu", "disk", "display",
                                   "network", "usb device", "sound card", "pointer"};
    std::string hint = "somebody";

    std::optional<Match> longest(const std::vector<std::string>& words) const override {
        std::optional<Match> best;
        std::string joined;
        for (size_t i = 0; i < words.size(); ++i) {
            joined += (i ? " " : "") + words[i];
            for (ClassId id = 0; id < names.size(); ++id)
                if (joined == names[id] || joined == names[id] + "s") best = Match{id, i + 1};
        }
        return best;
    }
    const std::string& class_name(ClassId id) const override { return names[id]; }
    std::vector<std::string> all_names() const override { return names; }
    const std::string& supplied_by(ClassId) const override { return hint; }
    bool has_links(ClassId id) const override { return names[id] == "network interface"; }
};

struct TestFacts final : Facts {
    std::map<std::string, std::deque<TestDevice>> devices;  // by class name
    std::map<FactKey, Truth> facts;
    bool complete = true;
    TestClasses classes;

    TestDevice& add(const std::string& class_name, const std::string& path) {
        TestDevice& device = devices[class_name].emplace_back();
        device.path = path;
        return device;
    }
    void each_device(ClassId id, std::string_view name, const Visitor& visit) const override {
        auto it = devices.find(classes.names[id]);
        if (it == devices.end()) return;
        for (const TestDevice& device : it->second)
            if ((name.empty() || device.name() == name) && !visit(device, false)) return;
    }
    bool coldplug_complete() const override { return complete; }
    std::map<std::pair<std::string, LinkState>, Truth> links;  // by devpath
    Truth link(const DeviceFacts& device, LinkState state) const override {
        auto it = links.find({std::string(device.devpath()), state});
        return it == links.end() ? Truth::Unknown : it->second;
    }
    std::string link_seen(const DeviceFacts&) const override { return "its link was looked at"; }
    std::map<std::string, Truth> carriers;  // by devpath
    Truth carries_root(const DeviceFacts& device) const override {
        auto it = carriers.find(std::string(device.devpath()));
        return it == carriers.end() ? Truth::Unknown : it->second;
    }
    std::string carries_seen(const DeviceFacts& device) const override {
        return carries_root(device) == Truth::True ? "carries / (NFS from 10.0.2.2)" : "";
    }
    std::string local;  // what / is on, where nothing of it comes over the network
    std::string nothing_carried() const override { return local; }
    Truth fact(const FactKey& key) const override {
        auto it = facts.find(key);
        return it == facts.end() ? Truth::Unknown : it->second;
    }
};

}  // namespace devmux::test
