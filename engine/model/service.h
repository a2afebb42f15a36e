// What a unit starts: plain data. How each kind is read is in service_file.h, how it is run in
// engine/run/.
#pragma once

#include <string>
#include <vector>

namespace devmux {

// What is started. An init script's path is found when it runs, below the root in force.
struct Service {
    enum class Kind : unsigned char { InitScript, Command };
    Kind kind = Kind::Command;
    std::string init_script;             // NAME of /etc/init.d/NAME
    std::vector<std::string> start;      // argv of a command; absolute
    std::vector<std::string> stop;       // empty: nothing to stop
    bool operator==(const Service&) const = default;
};

// "init-script gdm3", "command /usr/sbin/ntpdate-debian": one line, safe to print.
std::string describe(const Service& service);

}  // namespace devmux
