// What the folders of units say now, without a reload: whoever asks for a status sees what is not in force
// yet. A look is two calls of the kernel a file; only where something was touched since the last look all of
// it is read, by the one loader, as a reload would.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "conditions/duration.h"
#include "engine/model/configuration_changes.h"
#include "engine/status/snapshot.h"

namespace devmux {

class UnitsOnDisk {
  public:
    explicit UnitsOnDisk(ConfigurationDirs dirs) : dirs_(std::move(dirs)) {}

    // Before a load, so that what is written meanwhile is seen as a change; and after it.
    void load_begins();
    void loaded(const Configuration& in_force);

    // Once for each request, before all else: what follows is about one moment, and stays where it is.
    void look(const Configuration& in_force);
    const ConfigurationChanges& changes() const { return changes_; }  // as of the last look
    void tell(UnitSnapshot& unit) const;
    void tell(EngineSnapshot& engine) const;

  private:
    void note_errors(const Configuration& there);

    ConfigurationDirs dirs_;
    uint64_t fingerprint_ = 0;
    ConfigurationChanges changes_;
    std::map<std::string, std::vector<std::string>> errors_;  // of units that are broken there
    Time paid_{};  // from here on the looks until now are within their share
};

}  // namespace devmux
