// What the programs of units print. Their stdout and stderr is a regular file, followed by the
// daemon, and not a pipe: a daemon that is killed neither breaks the script (SIGPIPE) nor blocks
// it. The file's head is given back to the file system as it is read, so a chatty one fills no
// tmpfs.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/result.h"
#include "engine/system/descriptor.h"

namespace devmux {

struct OutputLine {
    std::string unit;
    std::string text;  // printable, without its newline, at most 2 KiB
};

// The tests make these small.
struct UnitLogLimits {
    uint64_t growth = 256 << 10;  // of output read, before its place is given back
    uint64_t kept = 64 << 10;     // … but for the newest: for `devmux log`
    uint64_t behind = 1 << 20;    // further behind than this, output is passed over
    size_t open_files = 64;
    size_t retired = 64;          // logs of instances that have gone, the last ones
    bool punch = true;  // false: as on a file system without fallocate(PUNCH_HOLE)
};

class UnitLog {
  public:
    // Follows the files of `directory`, each from the end that it has now.
    static Result<UnitLog> open(const std::string& directory, UnitLogLimits limits = {});

    // Becomes readable when a unit has printed something (inotify).
    int fd() const { return inotify_.get(); }

    // Where the unit's programs shall write; valid until the next call.
    Result<int> output_for(const std::string& unit);

    // What was printed since the last time: the lines that are complete.
    std::vector<OutputLine> take();
    // Of one unit, at the end of a job: the last line even if it has no newline.
    std::vector<OutputLine> flush(const std::string& unit);

    // An instance has gone, and its name may never come again: its log is kept for a while.
    void retire(const std::string& unit);
    // The same of all that belong to nobody, the oldest first: a former daemon has left them.
    void retire_others(const std::function<bool(const std::string& unit)>& belongs);

    size_t open_files() const { return open_; }

  private:
    struct File {
        Descriptor fd;  // closed while there are too many; the offsets stay
        uint64_t read_to = 0;
        uint64_t punched_to = 0;
        uint64_t used = 0;  // when it was last wanted, for closing the one unused for longest
        bool changed = false;
        bool cut = false;  // the line being read is longer than what is kept of it
        std::string partial;
    };
    using Files = std::map<std::string, File, std::less<>>;

    UnitLog() = default;
    std::optional<Error> open_file(const std::string& unit, File& file);
    std::vector<Files::value_type*> changed_files();
    void read_file(const std::string& unit, File& file, std::vector<OutputLine>& out);
    void read_piece(const std::string& unit, File& file, std::string_view piece,
                    std::vector<OutputLine>& out);
    void give_back(File& file);

    std::string directory_;
    UnitLogLimits limits_;
    Descriptor directory_fd_, inotify_;
    Files files_;
    std::vector<char> buffer_;
    std::deque<std::string> retired_;  // the oldest first
    uint64_t clock_ = 0;
    size_t open_ = 0;
};

// For people (devmux log), of a file in that directory: what is kept of it, the last `bytes` at most, from its
// first whole line on; and where that ends.
struct LogTail {
    std::string text;
    uint64_t end = 0;
};
LogTail log_tail(int fd, size_t bytes);
// As log_tail, of what was printed behind `from`; from the beginning where the file is shorter: it was emptied.
LogTail log_since(int fd, uint64_t from, size_t bytes);

// A line as it is shown: printable, without its end, and not endless.
std::string log_line(std::string_view raw);

// Whether the name can be a file's: [A-Za-z0-9._:@-]+, no dot in front, at most 200 bytes.
bool is_log_name(std::string_view unit);

}  // namespace devmux
