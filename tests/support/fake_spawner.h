// A Spawner that starts nothing: it records the commands, and the test says how each ends. A
// child's pidfd is an eventfd, so a real loop can wait for it.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/run/spawner.h"

namespace devmux {

class FakeSpawner final : public Spawner {
  public:
    std::vector<Command> commands;               // all that were started, in order
    std::map<std::string, std::string> failing;  // argv[0] -> why it cannot be executed
    std::set<int> alive;                         // pids that adopt() finds

    Result<Child> spawn(const Command& command) override {
        if (auto why = failing.find(command.argv.at(0)); why != failing.end())
            return Error{Mark{command.argv[0]}, why->second};
        commands.push_back(command);
        Child child{.pid = next_pid_++, .pidfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
        by_job_[command.job] = child;
        return child;
    }

    Result<Child> adopt(int pid, Time marked_at) override {
        adopted_at[pid] = marked_at;
        if (!alive.contains(pid)) return Child{};
        Child child{.pid = pid, .pidfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .adopted = true};
        by_pid_[pid] = child;
        return child;
    }

    std::optional<Error> signal(const Child& child, int signal) override {
        signals.emplace_back(child.pid, signal);
        return std::nullopt;
    }

    std::optional<Exit> ended(const Child& child) override {
        auto exit = exits_.find(child.pid);
        return exit == exits_.end() ? std::nullopt : std::optional(exit->second);
    }

    void end(JobId job, int code) { end(by_job_.at(job), Exit{.code = code}); }
    void end_by_signal(JobId job, int signal) { end(by_job_.at(job), Exit{.signal = signal}); }
    void end_adopted(int pid) { end(by_pid_.at(pid), Exit{}); }

    std::vector<std::pair<int, int>> signals;  // pid, signal
    std::map<int, Time> adopted_at;  // what adopt() was told of each pid

  private:
    void end(const Child& child, Exit exit) {
        exits_[child.pid] = exit;
        eventfd_write(child.pidfd, 1);
    }

    int next_pid_ = 1000;
    std::map<JobId, Child> by_job_;
    std::map<int, Child> by_pid_;
    std::map<int, Exit> exits_;
};

}  // namespace devmux
