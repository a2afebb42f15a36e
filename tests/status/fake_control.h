// A Control whose answers are set by the test, and whose tickets are fired by it. It keeps the
// promise of control.h: a callback is called once, and never after cancel().
#pragma once

#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/status/control.h"

namespace devmux {

inline Error fake_error(std::string what) { return {Mark{}, std::move(what), "", -1, ""}; }

class FakeControl : public Control {
  public:
    EngineSnapshot engine_value;
    std::map<std::string, UnitSnapshot> unit_values;
    std::optional<Error> refusal;  // of start, stop, reset and when_true
    bool at_once = false;          // tickets fire before they are returned
    bool throws = false;
    std::vector<std::string> asked;  // "start gdm", "reset gdm latch", …
    std::map<Ticket, std::function<void()>> waiting;
    std::vector<Ticket> cancelled;

    EngineSnapshot engine() const override {
        if (throws) throw std::runtime_error("out of luck");
        return engine_value;
    }
    std::vector<UnitSnapshot> units() const override {
        std::vector<UnitSnapshot> out;
        for (const auto& [name, unit] : unit_values) out.push_back(unit);
        return out;
    }
    std::optional<UnitSnapshot> unit(const std::string& name) const override {
        auto it = unit_values.find(name);
        return it == unit_values.end() ? std::nullopt : std::optional(it->second);
    }
    Result<std::vector<DeviceSnapshot>> devices(const std::string& name) const override {
        if (name == "mosue") return fake_error("there is no class \"mosue\"");
        return std::vector<DeviceSnapshot>{{.devpath = "/devices/" + name, .name = "input3"}};
    }
    std::vector<ClassSnapshot> classes() const override {
        return {{.name = "mouse", .plural = "mice"}};
    }
    Result<EvalSnapshot> eval(const std::string& condition) override {
        if (condition.starts_with("bad")) return fake_error("expected a condition, found \"bad\"");
        EvalSnapshot out{condition, Truth::False, {}};
        out.explanation.truth = Truth::False;
        out.explanation.text = condition;
        return out;
    }
    std::optional<Error> start(const std::string& unit) override {
        return by_hand("start " + unit);
    }
    std::optional<Error> stop(const std::string& unit) override { return by_hand("stop " + unit); }
    std::optional<Error> restart(const std::string& unit) override { return by_hand("restart " + unit); }
    std::optional<Error> force_stop(const std::string& unit) override { return by_hand("force-stop " + unit); }
    std::optional<Error> force_restart(const std::string& unit) override { return by_hand("force-restart " + unit); }
    std::optional<Error> refresh(const std::string& unit) override { return by_hand("refresh " + unit); }
    std::optional<Error> reset(const std::string& unit, bool latch) override {
        return by_hand("reset " + unit + (latch ? " latch" : ""));
    }
    ReloadSnapshot reload() override {
        asked.emplace_back("reload");
        return {.added = {"gdm"}, .errors = {"a.yaml:1:1: no"}};
    }
    std::optional<Error> set_source(const std::string& name, bool on) override {
        return by_hand("source " + name + (on ? " on" : " off"));
    }
    std::optional<Error> set_mode(const std::string& mode) override { return by_hand("mode " + mode); }
    void shut_down(bool down) override { (void)by_hand(down ? "shutdown" : "shutdown cancelled"); }
    Ticket when_at_rest(const std::string& name,
                        std::function<void(const UnitSnapshot&)> tell) override {
        return ticket([this, name, tell = std::move(tell)] { tell(name.empty() ? UnitSnapshot{} : unit_values.at(name)); });
    }
    Result<Ticket> when_true(const std::string&, std::function<void()> tell) override {
        if (refusal) return *refusal;
        return ticket(std::move(tell));
    }
    void cancel(Ticket number) override {
        cancelled.push_back(number);
        waiting.erase(number);
    }

    Result<Descriptor> record(bool) override { return fake_error("nothing is recorded here"); }

    // Tells everyone who waits.
    void fire() {
        while (!waiting.empty()) waiting.extract(waiting.begin()).mapped()();
    }

  private:
    std::optional<Error> by_hand(std::string what) {
        asked.push_back(std::move(what));
        return refusal;
    }
    Ticket ticket(std::function<void()> tell) {
        ++last_;
        if (at_once) tell();
        else waiting.emplace(last_, std::move(tell));
        return last_;
    }

    Ticket last_ = 0;
};

}  // namespace devmux
