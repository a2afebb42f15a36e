// A Systemd that is none: units are what the test says, answers come when it lets them, and what was asked
// of it is written down.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/run/systemd.h"

namespace devmux {

class FakeSystemd final : public Systemd {
  public:
    std::map<std::string, SystemdUnit> units;  // by name; others are not found
    std::map<std::string, std::string> aliases;
    std::vector<std::string> calls;            // "start a.service", without looks
    std::vector<std::string> environment;      // of the last script
    std::string refusal;                       // of starts and stops; empty: they get a job
    bool there = true;                         // connect() succeeds
    uint32_t next_job = 100;

    static SystemdUnit unit(const std::string& id, const std::string& active, const std::string& sub = "") {
        SystemdUnit out;
        out.id = id;
        out.load = active == "not-found" ? "not-found" : "loaded";
        out.active = active == "not-found" ? "inactive" : active;
        out.sub = sub;
        return out;
    }

    bool connect(SystemdListener& listener) override {
        listener_ = &listener;
        if (there) answers_.emplace_back([this] { listener_->systemd_there(); });
        return there;
    }
    bool look(const std::string& name, SystemdReply<SystemdUnit> reply) override {
        answers_.emplace_back([this, name, reply = std::move(reply)] {
            auto alias = aliases.find(name);
            auto it = units.find(alias == aliases.end() ? name : alias->second);
            reply(it == units.end() ? unit(name, "not-found") : it->second);
        });
        return there;
    }
    bool start(const std::string& name, SystemdReply<uint32_t> reply) override { return job("start " + name, std::move(reply)); }
    bool stop(const std::string& name, SystemdReply<uint32_t> reply) override { return job("stop " + name, std::move(reply)); }
    bool reload(const std::string& name, SystemdReply<uint32_t> reply) override { return job("reload " + name, std::move(reply)); }
    bool reset_failed(const std::string& name, SystemdReply<uint32_t> reply) override {
        units.erase(name);
        return job("reset-failed " + name, std::move(reply));
    }
    bool start_script(const TransientScript& script, SystemdReply<uint32_t> reply) override {
        environment = script.environment;
        return job("script " + script.unit + " " + script.script, std::move(reply));
    }

    // Lets the answers out that wait, and those that follow from them.
    void answer() {
        while (!answers_.empty()) {
            auto next = std::move(answers_.front());
            answers_.pop_front();
            next();
        }
    }
    void put(const SystemdUnit& unit) { units[unit.id] = unit; }
    void change(const SystemdUnit& unit) {
        put(unit);
        listener_->systemd_unit_changed(unit.id);
        answer();
    }
    void removed(uint32_t job, const SystemdUnit& unit, const std::string& result) {
        put(unit);
        listener_->systemd_job_removed(job, unit.id, result);
        answer();
    }
    // What waits for an answer gets none.
    void lose() {
        answers_.clear();
        listener_->systemd_lost();
    }

  private:
    bool job(std::string call, SystemdReply<uint32_t> reply) {
        calls.push_back(std::move(call));
        answers_.emplace_back([this, reply = std::move(reply)] {
            if (refusal.empty()) reply(next_job++);
            else reply(Refusal{refusal, true});
        });
        return there;
    }

    SystemdListener* listener_ = nullptr;
    std::deque<std::function<void()>> answers_;
};

}  // namespace devmux
