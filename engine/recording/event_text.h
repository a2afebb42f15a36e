// Each event of the core as lines of a trace, and back, exactly. The words are those of devmux(7),
// "TRACES"; where a trace that people write says what happened, a recording says what was fed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/recording/device_text.h"

namespace devmux {

// Appends whole lines. Not of NewConfiguration, whose files stand before it (configuration_text.h):
// of it the word alone. `whose`, of JobEnded: unit and verb, and how long it took.
void append_event(const Event& event, const std::string& whose, Duration took, std::string& out);

// An event, and what its views look into.
struct ReadEvent {
    Event event;
    std::unique_ptr<std::string> message;
    // Of JobEnded.
    std::string unit, verb;
    Duration took{};
};

// Reads one event after the other. The devices of a walk stand before it, and so do mounts.
class EventReader {
  public:
    explicit EventReader(TraceCursor& cursor) : cursor_(cursor) {}

    // The line was taken from the cursor. Nothing in `out`: it was a part of the next one.
    std::optional<Error> read(const TraceLine& line, std::optional<ReadEvent>& out);

    // runlevel, script, mode and shutdown, which traces say likewise.
    std::optional<Error> of_init(const TraceLine& line, ReadEvent& out);

  private:
    std::optional<Error> device_event(const TraceLine& line, ReadEvent& out);
    std::optional<Error> found(const TraceLine& line, std::string_view devpath, DeviceDetails& d, FoundDevice& out);
    std::optional<Error> ended(const TraceLine& line, ReadEvent& out);
    std::optional<Error> job_watched(const TraceLine& line, ReadEvent& out);
    std::optional<Error> service_seen(const TraceLine& line, ReadEvent& out);
    std::optional<Error> script_started(const TraceLine& line, ReadEvent& out);

    TraceCursor& cursor_;
    std::vector<FoundDevice> walked_;
    std::vector<MountSeen> mounts_;
    LinksSeen links_;
};

// "yes", "no", "unknown"; "idle", "busy", "down", "absent": one spelling for all traces.
std::optional<Truth> truth_of_answer(std::string_view word);
std::optional<RunlevelSeen> runlevel_of(std::string_view word);
// "script gdm3 2345 016 links": where it starts and where it stops; "-" is nowhere.
std::string script_text(const ScriptSeen& seen);
std::optional<ScriptSeen> script_of(std::string_view words);
std::optional<InDoubt::Why> doubt_of(std::string_view word);
std::optional<UdevSeen> udev_of(std::string_view words);
// "UNIT running", stopped or failed, and by-hand or unseen behind it.
std::optional<ServiceSeen> service_of(std::string_view words);
std::string udev_text(const UdevSeen& udev);

}  // namespace devmux
