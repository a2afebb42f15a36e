// What a client may ask of the engine, and how it hears of the outcome. The bus speaks to this; the
// engine's shell is behind it.
#pragma once

#include <functional>

#include "conditions/result.h"
#include "engine/status/snapshot.h"
#include "engine/system/descriptor.h"

namespace devmux {

class Control {
  public:
    virtual ~Control() = default;

    virtual EngineSnapshot engine() const = 0;
    virtual std::vector<UnitSnapshot> units() const = 0;  // by name, without explanations
    virtual std::optional<UnitSnapshot> unit(const std::string& name) const = 0;  // with explanations
    // Of a class, or of all for an empty name; the error names the nearest class.
    virtual Result<std::vector<DeviceSnapshot>> devices(const std::string& class_name) const = 0;
    virtual std::vector<ClassSnapshot> classes() const = 0;
    // Not const: what the condition asks for and nobody has asked for yet is looked up from now on. A
    // file is unknown until its answer comes, some milliseconds later.
    virtual Result<EvalSnapshot> eval(const std::string& condition) = 0;

    // By hand. The error says why not: no such unit, broken, masked.
    virtual std::optional<Error> start(const std::string& unit) = 0;
    virtual std::optional<Error> stop(const std::string& unit) = 0;
    virtual std::optional<Error> restart(const std::string& unit) = 0;
    // Also where that takes down the interface that the machine lives on.
    virtual std::optional<Error> force_stop(const std::string& unit) = 0;
    virtual std::optional<Error> force_restart(const std::string& unit) = 0;
    virtual std::optional<Error> refresh(const std::string& unit) = 0;
    virtual std::optional<Error> reset(const std::string& unit, bool latch) = 0;
    virtual ReloadSnapshot reload() = 0;
    // Of events: kernel, udev, hotplug, coldplug.
    virtual std::optional<Error> set_source(const std::string& name, bool on) = 0;
    // Empty: none. The error says that this is no name of a mode.
    virtual std::optional<Error> set_mode(const std::string& mode) = 0;
    // The machine goes down, or does not after all.
    virtual void shut_down(bool down) = 0;

    // Calls back once, maybe at once: when the unit has no job running and none to start; when the
    // condition is definitely true. Cancelled by its number, which is never 0 and never used twice.
    using Ticket = uint64_t;
    // Without a name: when nothing is under way any more that the end of the machine should wait for.
    virtual Ticket when_at_rest(const std::string& unit, std::function<void(const UnitSnapshot&)> tell) = 0;
    virtual Result<Ticket> when_true(const std::string& condition, std::function<void()> tell) = 0;
    virtual void cancel(Ticket ticket) = 0;

    // A socket that a recording comes out of: first all that the engine knows, then, unless that was all that
    // was asked for, everything that it is fed. It ends when the other end is shut down for writing.
    virtual Result<Descriptor> record(bool checkpoint_alone) = 0;
};

}  // namespace devmux
