// In which runlevels does init start and stop an init script? That is what its links in /etc/rc?.d say, or,
// where it has none, the header of the script (Default-Start and Default-Stop, Linux Standard Base, "Comment
// Conventions for Init Scripts").
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace devmux {

struct ScriptRunlevels {
    std::string starts, stops;  // one character each: "2345", "016"; S is the boot sequence
    bool by_links = false;      // init itself starts and stops it there
    bool operator==(const ScriptRunlevels&) const = default;

    // Whether it may run there, as far as runlevels go. Not known yet: in the boot sequence.
    bool allows(std::string_view runlevel) const;
    // Entering that runlevel, init stops it.
    bool init_stops_in(std::string_view runlevel) const;
    // "2 3 4 5": those of 1 to 5 that allow it.
    std::string text() const;
};

// Looks at all links once. Reads files: before the loop runs, or when somebody asks for a reload.
class ScriptRunlevelsReader {
  public:
    // `etc`: with the root in force. Without any folder rc?.d there, nothing is said of any script.
    explicit ScriptRunlevelsReader(std::string etc);
    ScriptRunlevels of(const std::string& script) const;

  private:
    std::string etc_;
    bool has_folders_ = false;
    std::map<std::string, ScriptRunlevels> links_;
};

}  // namespace devmux
