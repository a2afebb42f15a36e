// Which files are being read, and does one not come back? Nobody watches all the time: a descriptor
// becomes readable when it is worth a look, and who polls it looks. So it works when every thread
// that reads is blocked, and while nothing is being read nobody is woken. Not locked: its owner is.
#pragma once

#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/duration.h"
#include "engine/system/descriptor.h"

namespace devmux {

class ReadWatch {
  public:
    // A read that lasts longer than `patience` is stuck.
    explicit ReadWatch(Duration patience);

    int fd() const { return timer_.get(); }  // readable: ask stuck()

    struct Reading {
        std::string path;
        std::chrono::steady_clock::time_point since;
        bool record = false;  // of udev, not a file of a driver
        std::string told;     // the sentence, if it is stuck
    };
    using Place = std::list<Reading>::iterator;

    // A read, and the files that it goes on to; without a `file`, to udev's record of the device.
    // What comes back is the sentence that stuck() gave for the file before, if it did: it is over.
    Place begin(std::string path);
    std::optional<std::string> go_on(Place place, std::string_view directory,
                                     std::string_view file);
    std::optional<std::string> end(Place place);

    size_t under_way() const { return readings_.size(); }

    // A sentence for each file that has got stuck since the last call.
    std::vector<std::string> stuck();

    // To be called after stuck() and before rest: when fd() is to become readable. `at_the_latest`:
    // because of something else.
    void set_timer(Duration at_the_latest = Duration::max());

  private:
    const Duration patience_;
    Descriptor timer_;
    bool timer_set_ = false;
    std::list<Reading> readings_;
};

}  // namespace devmux
