// The file in the runtime directory to which everything is appended that must outlive the engine.
//
// It need not outlive the machine: its first line carries the boot id, so nothing is ever synced to
// a disk. A record is in force once write(2) has returned, whatever kills the engine afterwards.
// The children append their marks themselves, through the same descriptor (process.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "conditions/result.h"
#include "engine/plan/saved.h"
#include "engine/system/descriptor.h"

namespace devmux {

class Journal {
  public:
    // Writes `state` (as read_saved_state() found it) as a new journal and opens it. The directory
    // stays the caller's.
    static Result<Journal> open(int directory_fd, std::string boot_id, const SavedState& state);

    // One write of one line. On an error the record is not in force: do not act on it.
    std::optional<Error> append(const Record& record);

    // Whether it has grown so much that it should be made shorter when the loop has time: by more
    // than 1 MiB and twice of what was in force.
    bool wants_compaction() const { return appended_ > limit_; }
    // Replaces the file by one that holds what is in force. On an error the old one stays, and it
    // is asked for again only after as much growth. Never while a child is between clone and exec:
    // the spawner returns after that.
    std::optional<Error> compact();

    // For the children's marks. The number stays the same across compactions.
    int fd() const { return fd_.get(); }

  private:
    Journal(int directory_fd, std::string boot_id)
        : directory_fd_(directory_fd), boot_id_(std::move(boot_id)) {}
    std::optional<Error> replace(const SavedState& state);

    int directory_fd_;
    std::string boot_id_;
    Descriptor fd_;
    std::string line_;  // kept for its capacity
    uint64_t appended_ = 0;
    uint64_t limit_ = 0;
};

}  // namespace devmux
