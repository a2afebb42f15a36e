// The recordings that are made now: one into a file, from the first moment on, and a few that clients
// read from a socket. None can make the daemon grow, and no client holds it up: a file has a limit; a client
// that reads too slowly, or not at all, loses its recording. But the file is written on the loop's time: a
// disk or a file server that hangs holds up everything, as it does for the saved state.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "conditions/result.h"
#include "engine/loop.h"
#include "engine/recording/recorder.h"
#include "engine/system/descriptor.h"

namespace devmux {

inline constexpr size_t kMostRecordings = 4;                // of clients, at a time
inline constexpr size_t kRecordingBehind = size_t{16} << 20;  // bytes that a client may be behind
inline constexpr Duration kRecordingPatience = std::chrono::seconds(30);  // with one that takes nothing

class Recordings {
  public:
    using Tell = std::function<void(const std::string&, Report::Level)>;
    Recordings(Loop& loop, std::string version, Tell tell, Duration patience = kRecordingPatience);
    ~Recordings();
    Recordings(const Recordings&) = delete;
    Recordings& operator=(const Recordings&) = delete;

    // A new file, mode 0600. What stands there is replaced; a symbolic link is refused.
    std::optional<Error> open_file(const std::string& path, size_t limit);
    // The other end of a socket; begins with a checkpoint.
    Result<Descriptor> open_stream(const Engine& engine, Time now, bool checkpoint_alone);

    void begin(const Engine& engine, const SavedState& saved, Time now);
    void fed(const Event& event, Time now);
    void decided(const PlanAction& action, Time now);
    void flush();  // once in a turn of the loop

  private:
    struct File;
    struct Stream;
    void write_file(std::string_view lines);
    void write_stream(Stream& stream, std::string_view lines);
    void send(Stream& stream);
    void on_stream(const Stream* which);
    void on_timer();
    void sweep();

    Loop& loop_;
    std::string version_;
    Tell tell_;
    Duration patience_;
    Descriptor timer_;   // from the first stream on
    bool timed_ = false; // it runs
    std::unique_ptr<File> file_;
    std::list<Stream> streams_;
};

}  // namespace devmux
