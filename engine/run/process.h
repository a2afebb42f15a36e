// The real Spawner: clone(2) as vfork(2) does it, with a pidfd; and processes of a former engine.
//
// No memory is copied and the daemon stands still until the child has become its program, so a
// start costs what vfork and exec cost, its failure is known at once, and nothing of ours is ever
// half-way between the two while other code of the daemon runs.
#pragma once

#include <csignal>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "engine/run/spawner.h"
#include "engine/system/descriptor.h"

namespace devmux {

class ProcessSpawner final : public Spawner {
  public:
    // `journal_fd` (> 2) gets the children's marks, `null` is the path of the null device, `proc`
    // where procfs is mounted.
    static Result<std::unique_ptr<ProcessSpawner>> create(int journal_fd, const std::string& null,
                                                          std::string proc);
    ~ProcessSpawner() override;
    ProcessSpawner(const ProcessSpawner&) = delete;
    ProcessSpawner& operator=(const ProcessSpawner&) = delete;

    // Which signals the daemon handles or ignores: children get their defaults back. To be asked
    // again when that has changed; create() asks once.
    void learn_signals();

    Result<Child> spawn(const Command& command) override;
    Result<Child> adopt(int pid, Time marked_at) override;
    std::optional<Error> signal(const Child& child, int signal) override;
    std::optional<Exit> ended(const Child& child) override;

  private:
    ProcessSpawner(int journal_fd, std::string proc)
        : journal_fd_(journal_fd), proc_(std::move(proc)) {}

    int journal_fd_;
    std::string proc_;
    Descriptor null_;
    void* stack_ = nullptr;  // the child's; one is enough, there is never more than one child on it
    std::vector<int> signals_;
    std::vector<char*> argv_, environment_;  // kept for their capacity
};

}  // namespace devmux
