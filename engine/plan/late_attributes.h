// Attributes that are not there yet: the kernel announces some devices before their files are (PCI
// config, the files of drivers that probe asynchronously). They are looked for again, each time after a
// longer while, for 5 s after the device came or was bound; then they do not exist.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "conditions/duration.h"
#include "engine/model/device_table.h"

namespace devmux {

class LateAttributes {
  public:
    struct Times {
        Duration window = std::chrono::seconds(5);
        Duration first = std::chrono::milliseconds(10);
        Duration longest = std::chrono::milliseconds(640);
        Duration afterwards = std::chrono::seconds(60);  // the last answer did not come
    };
    explicit LateAttributes(Times times) : times_(times) {}
    LateAttributes() : LateAttributes(Times{}) {}

    // Whether the device was asked for the last time: what is missing now does not exist. An answer may
    // have been under way for longer than the window; what it did not see then may be there since.
    bool is_over(const Device& device) const;
    // Whether it is looked at again: an attribute is awaited, or one is missing that may have gone for a moment
    // only while its driver begins.
    bool concerns(const Device& device, Time now) const;
    // The device is concerned. Nothing new if it is known to be.
    void await(const Device& device, Time now);
    // A module or a driver came: what is awaited may be there now.
    void wake(Time now);

    Time next() const { return due_.empty() ? kNever : due_.begin()->first; }
    // Whose attributes are to be read now. Who awaits nothing any more is forgotten.
    std::vector<const Device*> due(const DeviceTable& table, Time now);

    // For recordings: of each device when it is looked at next, and the delay after that; in order.
    struct Due {
        Time at{};
        std::string devpath;
        Duration delay{};
        Time expected{};
        bool last = false;
    };
    std::vector<Due> checkpoint() const;
    void restore(const std::vector<Due>& from);

  private:
    Times times_;
    struct Waiting {
        Duration delay{};   // before the next look
        Time expected{};    // of which device under this path, and which driver
        bool last = false;  // the last look was asked for
    };
    std::map<std::string, Waiting, std::less<>> waiting_;
    std::multimap<Time, std::string> due_;  // each once
};

}  // namespace devmux
