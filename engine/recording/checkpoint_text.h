// A checkpoint of the core as lines of a trace, and back.
//
//   checkpoint, history       what holds for all
//   known DEVPATH             a device
//   grave DEVPATH N INODE T   one that went: the number of its removal, its directory, and when
//   late, last-look           whose attributes, and udev's word, are waited for
//   managed UNIT              a unit in force; `orphan UNIT` before it: its file, which is gone
//   managed-one UNIT OF       an instance; for-device UNIT: the device that it is for
//   coming UNIT DEVPATH       a device that may get an instance of the unit, which was not looked at yet
//   lane UNIT DEVPATH         runs of an each-event unit, and queued JOB below it; turn N: whose turn it is
//   last-run UNIT DEVPATH JOB the last run at a path that its device has left
//   handled, waiting, ran     the other memory of each-event units
//   absent RECORD             units of this boot that are not in force
#pragma once

#include "engine/checkpoint.h"
#include "engine/model/configuration.h"
#include "engine/recording/configuration_text.h"
#include "engine/recording/device_text.h"

namespace devmux {

void append_checkpoint(const Checkpoint& checkpoint, std::string& out);

class CheckpointReader {
  public:
    explicit CheckpointReader(TraceCursor& cursor) : cursor_(cursor), files_(cursor) {}

    static bool knows(std::string_view word);
    // `configuration` is the one in force.
    std::optional<Error> read(const TraceLine& line, const Configuration& configuration);
    Checkpoint finish();

  private:
    using Words = std::vector<std::string>;
    template <class T>
    std::optional<Error> fields(const TraceLine& line, T& value, DeviceDetails& d);
    std::optional<Error> words(const TraceLine& line, size_t count, Words& out) const;
    std::optional<Error> known(const TraceLine& line);
    std::optional<Error> managed(const TraceLine& line, const Configuration& configuration);
    std::optional<Error> for_device(const TraceLine& line);
    std::shared_ptr<const Unit> managed_unit(const Words& w, const Configuration& configuration);
    std::optional<Error> of_events(const TraceLine& line, const Configuration& configuration);
    std::shared_ptr<const Unit> unit_of(const std::string& name, const Configuration& configuration);

    TraceCursor& cursor_;
    ConfigurationReader files_;
    Checkpoint out_;
    std::map<std::string, std::shared_ptr<const Unit>> orphans_;
    std::set<std::string> managed_;
    std::string absent_;
};

}  // namespace devmux
