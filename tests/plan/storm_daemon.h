// The shell of a storm: brings a Machine's messages to the very core, reads the machine's sysfs beside
// them (engine/shell_devices.cc does the same), and carries out what the core asks for. Reads take
// their time: a walk looks at one device after the other while the machine goes on, and an answer may
// be old when it is fed.
//
// What must hold after each step is checked here: `fault` is the first that did not.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/intake/read_queue.h"
#include "tests/plan/storm_machine.h"

namespace devmux::test {

class Daemon {
  public:
    // Told of everything that is fed, of what a trace must say besides ("crash", "restart"), and of what
    // was decided.
    struct Observer {
        std::function<void(const Event&, Time)> fed;
        std::function<void(const std::string&, Time)> said;
        std::function<void(const PlanAction&, Time)> decided;
    };

    Daemon(Machine& machine, std::shared_ptr<const Configuration> configuration);
    Observer observer;

    void start();
    // As by kill -9; with `unmarked`, a job that was asked for had not come to run.
    void crash(bool unmarked);
    bool runs() const { return engine_ != nullptr; }

    // Each is one step; false when there was nothing to do.
    bool read_kernel();
    bool read_udev();
    bool read_helpers();  // those that have come
    bool read_sysfs();
    void look_at_udevd();
    void doubt(InDoubt::Why why);
    void reload(std::shared_ptr<const Configuration> configuration);
    void feed(const Event& event);
    void advance(Duration by);
    bool end_job(bool well);
    bool quiet() const;  // nothing is to be read

    struct Job {
        JobId id;
        std::string unit;
        Verb verb;
    };
    // A run of an each-event unit.
    struct Run {
        std::string action, devpath;
        uint64_t generation = 0, seqnum = 0;
        int life = 0;  // of which engine
        bool synthetic = false;
    };
    const std::vector<Job>& jobs() const { return jobs_; }
    std::map<std::pair<std::string, Verb>, size_t> counts;
    std::map<std::string, std::vector<Run>> runs_of;
    std::map<std::pair<std::string, uint64_t>, size_t> starts_for;  // of instances of a unit, by the device's generation
    Engine& engine() { return *engine_; }
    // Units that a thing not known can only keep from starting, or from stopping.
    std::set<std::string> needs_presence, needs_absence;
    std::string fault;
    bool jobs_end_at_once = false;
    int life() const { return life_; }

  private:
    struct Reading {
        ReadRequest request;
        uint64_t seqnum = 0;
        Time began{};
        bool seen = false;
        std::vector<Event> answer;
        Snapshot snapshot;
        std::string cursor;
    };
    bool read(Socket& socket, Transport via, InDoubt::Why loss);
    void take(const Message& message, Transport via);
    Standing standing_for(const Uevent& uevent, Transport via);
    FoundDevice read(const Machine::Node& node) const;
    std::vector<Attribute> attributes_of(const Machine::Node& node) const;
    void carry_out(const PlanAction& action);
    void run(const RunJob& job);
    void read_attributes(const std::string& devpath, const std::string& subsystem);
    void walk();
    bool read_on(Reading& reading);
    void finish(Reading reading);
    void emptied(Transport via);
    void feed_one(const Event& event);
    void check_decisions();
    void wrong(const std::string& what);

    Machine& machine_;
    std::shared_ptr<const Configuration> configuration_;
    std::shared_ptr<const AttributeNeeds> needs_;
    std::unique_ptr<Engine> engine_;
    std::string journal_;
    std::vector<Job> jobs_;
    std::vector<Event> pending_;
    ReadQueue queue_{65536};
    std::vector<Reading> readings_;
    std::multimap<Time, std::string> looks_;
    std::set<Transport> behind_;
    UdevPresence presence_ = UdevPresence::Absent;
    bool walked_ = false, owed_ = false, walking_ = false;
    uint64_t doubted_at_ = 0;
    Time complete_due_ = kNever;
    int life_ = 0;
    std::map<std::string, Wanted> wanted_;  // as it was last, of those that need something
    std::map<std::string, uint64_t> known_;  // for the observer
};

}  // namespace devmux::test
