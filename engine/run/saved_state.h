// The saved state as text, and its effective content: the last record of each thing is in force.
// The journal (journal.h) appends records; here they are read back, by the next engine and when the
// journal is made shorter.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "conditions/result.h"
#include "engine/plan/saved.h"

namespace devmux {

inline constexpr const char* kJournalName = "journal";
inline constexpr size_t kJournalMax = size_t{64} << 20;
// Each-event runs that are remembered; beyond it the oldest are forgotten.
inline constexpr size_t kRunsMax = 65536;

struct LoadedState {
    SavedState state;
    Errors warnings;     // the first few lines that made no sense
    size_t skipped = 0;  // all of them
};

// Reads the text in pieces cut anywhere. A line that is not whole or makes no sense is skipped and
// counted, except the last one: an engine that dies leaves it like that.
class StateReader {
  public:
    explicit StateReader(std::string_view boot_id);
    void feed(std::string_view bytes);
    LoadedState finish();

  private:
    using Key = std::pair<std::string, std::string>;
    enum class Header : unsigned char { Expected, Ours, Foreign };

    void line(std::string_view text);
    void apply(Record&& record);
    void skip(std::string what);
    void saw(JobId job);

    std::string boot_id_;  // of this boot
    Header seen_ = Header::Expected;
    std::string partial_;    // of the line that is not complete yet
    bool too_long_ = false;  // … and is longer than any of ours
    int number_ = 0;         // of lines
    LoadedState loaded_;
    std::map<Key, SavedLatch> latches_;  // by unit and leaf
    std::map<Key, SavedRun> runs_;       // by unit and devpath
};

// A missing journal, and one of another boot, is an empty state.
Result<LoadedState> read_saved_state(int directory_fd, std::string_view boot_id);

// The shortest journal that reads back to `state`.
std::string text_of(const SavedState& state, std::string_view boot_id);

}  // namespace devmux
