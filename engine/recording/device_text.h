// The indented lines below a device, or below an event: one reader and one writer, for traces that
// people write and for recordings. The words are listed in devmux(7), "TRACES".
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "conditions/result.h"
#include "engine/intake/event.h"
#include "engine/recording/line_text.h"

namespace devmux {

// All that these lines can say. A block and a record are "KEY=VALUE\0…", in the order of the lines.
struct DeviceDetails {
    std::string block;
    std::optional<std::string> udev;
    Standing standing;             // generation, driver and attributes, and the flags where they are said
    bool standing_said = false;
    std::optional<std::string> subsystem;
    uint64_t seqnum = 0;
    bool synthetic = false, gone = false;
    bool whole = false;            // the block is exactly these lines; else what everybody knows is left out
    std::string from;
};

// A reader of one trace, line after line. Errors name the line.
class TraceCursor {
  public:
    TraceCursor(std::string_view text, std::string file) : file_(std::move(file)), lines_(trace_lines(text)) {}

    bool at_end() const { return at_ >= lines_.size(); }
    const TraceLine& line() const { return lines_[at_]; }
    // The lines below the one that was taken last.
    bool indented() const { return !at_end() && line().indented; }
    const TraceLine& take() { return lines_[at_++]; }
    Error wrong(const TraceLine& line, std::string what, std::string hint = "") const;
    // With the column: `part` is a part of the line's text, or its end.
    Error wrong_at(const TraceLine& line, std::string_view part, std::string what, std::string hint = "") const;

    // `other` takes the keys that only one kind of line knows, with their values as they stand there; false
    // where it does not know one, either.
    using Other = std::function<bool(std::string_view key, std::string_view value)>;
    std::optional<Error> details(DeviceDetails& out, const Other& other = {});

  private:
    std::optional<Error> detail(const TraceLine& line, DeviceDetails& out, const Other& other);

    std::string file_;
    std::vector<TraceLine> lines_;
    size_t at_ = 0;
};

// The writers; each appends whole lines, two blanks in.
void append_detail(std::string_view key, std::string_view value, std::string& out);
void append_variables(Block block, std::string& out);
void append_record(Block record, std::string& out);  // of udev's database
void append_attributes(const std::vector<Attribute>& attributes, std::string& out);
void append_generation(const Generation& generation, std::string& out);

}  // namespace devmux
