// Seam: systemd, the first process, and what it can be asked. Nothing waits: each call has its answer
// later, in a turn of the loop of its own, or none where the connection is lost first. Real:
// systemd_bus.h. Fake: tests/support/fake_systemd.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "conditions/duration.h"

namespace devmux {

// A unit as systemd has it. The words are systemd's own: org.freedesktop.systemd1(5).
struct SystemdUnit {
    std::string id;       // its name; behind an alias, the unit's own
    std::string load;     // "loaded", "not-found", "masked", "bad-setting", "error"
    std::string trouble;  // why it could not be loaded; or empty
    std::string active;   // "active", "reloading", "inactive", "failed", "activating", "deactivating"
    std::string sub;      // "running", "exited", "start-pre"
    std::string result;   // of a service and the like: "success", "exit-code"; or empty
    uint32_t job = 0;     // that waits or runs for it; 0: none
    // Of CLOCK_MONOTONIC; 0: never.
    Time left{};          // when it last began to be anything but inactive
    Time asked{};         // when its conditions were last looked at, right before a start
    bool condition = true;  // and what they said
    Time changed{};       // when it last was another word of `active`, or of a step within one
    bool can_reload = false;
    int main_pid = 0, control_pid = 0;
    std::string cgroup;   // below the mount of cgroups; or empty

    bool runs() const { return active == "active" || active == "reloading" || active == "refreshing"; }
    bool rests() const { return active == "inactive" || active == "failed"; }
};

// Why there is no answer.
struct Refusal {
    std::string text;
    bool answered = false;  // by systemd; else nobody knows what became of the call
};

template <class T>
using SystemdReply = std::function<void(const std::variant<T, Refusal>&)>;

// An init script that is to be a unit of its own.
struct TransientScript {
    std::string unit;    // the name that it gets
    std::string script;  // an absolute path
    std::vector<std::string> environment;  // "NAME=value": sound UTF-8 without control characters
};

class SystemdListener {
  public:
    virtual ~SystemdListener() = default;
    virtual void systemd_there() = 0;  // the answer to connect(); from here on what follows is told
    virtual void systemd_lost() = 0;   // after every call that waited was answered, or will be by nobody
    // A job has ended; `result` is systemd's word: done, failed, timeout, dependency, canceled, skipped …
    virtual void systemd_job_removed(uint32_t job, const std::string& unit, const std::string& result) = 0;
    virtual void systemd_unit_changed(const std::string& unit) = 0;
};

class Systemd {
  public:
    virtual ~Systemd() = default;
    // False: nobody is there to be asked now.
    virtual bool connect(SystemdListener& listener) = 0;
    // Each: false where it could not be asked, and then there is no answer.
    virtual bool look(const std::string& unit, SystemdReply<SystemdUnit> reply) = 0;
    // The answer is the number of the job, which has not ended when it comes.
    virtual bool start(const std::string& unit, SystemdReply<uint32_t> reply) = 0;
    virtual bool stop(const std::string& unit, SystemdReply<uint32_t> reply) = 0;
    virtual bool reload(const std::string& unit, SystemdReply<uint32_t> reply) = 0;
    // A unit that has failed is forgotten, and so is its transient file.
    virtual bool reset_failed(const std::string& unit, SystemdReply<uint32_t> reply) = 0;  // number 0
    virtual bool start_script(const TransientScript& script, SystemdReply<uint32_t> reply) = 0;
};

}  // namespace devmux
