// Asking the daemon: one call, one JSON answer, or the exit code and the words for stderr. The only
// file of tools/ that knows of D-Bus.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conditions/duration.h"
#include "engine/system/descriptor.h"
#include "tools/exit_codes.h"

struct sd_bus;

namespace devmux {

using Json = nlohmann::ordered_json;  // keys stay in the daemon's order

struct Reply {
    Exit code = Exit::Ok;
    std::string trouble;  // what, where, and the next step; empty when all went well
    Json value;  // the daemon may be of before an upgrade: what was added to an answer is taken by value(key, default)

    explicit operator bool() const { return code == Exit::Ok; }
};

// Long for a daemon that answers from memory, short for a person who waits for it.
inline constexpr Duration kAnswerTime = std::chrono::seconds(10);

class Client {
  public:
    using Argument = std::variant<std::string, bool>;

    explicit Client(std::string runtime_dir) : path_(std::move(runtime_dir) + "/bus") {}

    // Connects first where that was not done yet.
    Reply call(const char* method, const std::vector<Argument>& arguments = {});
    // For methods that answer when something has come true. Exit::TimedOut after `timeout`; kNever
    // waits as long as it takes.
    Reply wait(const char* method, const std::vector<Argument>& arguments, Duration timeout);

    // Begins a recording: the socket that it comes out of, in `out`.
    Reply record(bool checkpoint_alone, Descriptor& out);

  private:
    struct Deleter {
        void operator()(sd_bus* bus) const;
    };

    Reply connect();
    Reply failed(int error, const char* method, const char* name, const char* said);
    Reply ask(const char* method, const std::vector<Argument>& arguments, Duration timeout);

    std::string path_;
    std::unique_ptr<sd_bus, Deleter> bus_;
};

// Which exit code an error of the daemon is.
Exit exit_for(std::string_view dbus_error);

// `path` as a D-Bus address: "unix:path=…" with everything that is special there as %XX.
std::string bus_address(std::string_view path);

}  // namespace devmux
