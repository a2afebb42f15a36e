// The classes that are loaded: which kinds of device there are, what they are called, and which of
// them a device is. Classes are data (classes.d/*.yaml); class_file.h reads one.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "conditions/class_names.h"
#include "conditions/predicate.h"
#include "conditions/result.h"
#include "engine/model/device.h"

namespace devmux {

struct DeviceClass {
    std::string name;      // lower case, words separated by one space
    std::string plural;    // of the name
    std::vector<std::string> aliases;
    std::string description;
    std::string supplied_by;
    std::vector<std::string> subsystems;  // empty: any
    Predicate match;
    std::vector<Hardware> hardware;       // what on a bus could become one
    std::vector<std::string> includes;    // classes whose devices are all of this class, too
    std::string file;
};

class ClassSet final : public ClassNames {
  public:
    // Takes classes in order; refuses names that the language could not tell from its own words, and
    // names taken twice. Unknown and circular includes are refused by finish().
    std::optional<Error> add(DeviceClass c);
    Errors finish();

    // Every class of the device, in the order of their ids.
    std::vector<Device::Membership> classify(const DeviceFacts& device) const;
    const std::vector<DeviceClass>& classes() const { return classes_; }
    std::optional<ClassId> find(std::string_view name) const;  // name, alias or plural, any case

    std::optional<Match> longest(const std::vector<std::string>& words) const override;
    const std::string& class_name(ClassId id) const override { return classes_[id].name; }
    std::vector<std::string> all_names() const override;
    const std::string& supplied_by(ClassId id) const override { return classes_[id].supplied_by; }
    bool has_links(ClassId id) const override { return has_links_[id]; }
    const std::vector<Hardware>& hardware(ClassId id) const override { return hardware_[id]; }

  private:
    std::optional<std::string> name_trouble(const std::string& name) const;

    std::vector<DeviceClass> classes_;
    std::map<std::string, ClassId, std::less<>> names_;  // names, aliases, plurals
    // The classes that a device of a subsystem may belong to by its own match; "" = of any.
    std::unordered_map<std::string, std::vector<ClassId>> by_subsystem_;
    std::vector<ClassId> any_subsystem_;
    std::vector<std::vector<ClassId>> included_in_;  // class -> classes that include it, transitively
    std::vector<bool> has_links_;
    std::vector<std::vector<Hardware>> hardware_;    // of the class, and of those that it includes
};

// "network interface" -> "network interfaces", "battery" -> "batteries"
std::string plural_of(const std::string& name);

}  // namespace devmux
