// Seam: how a program is started, and how its end is seen. Real: process.h. Fake:
// tests/support/fake_spawner.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conditions/result.h"
#include "engine/plan/job.h"

namespace devmux {

struct Command {
    JobId job = 0;
    std::vector<std::string> argv;         // argv[0] is an absolute path
    std::vector<std::string> environment;  // all of it: nothing is inherited
    int output_fd = -1;                    // stdout and stderr; the caller keeps it. -1: nowhere
    bool marks = true;                     // leaves the job's mark; false: it only asks something
};

struct Child {
    int pid = 0;
    int pidfd = -1;        // the receiver closes it
    bool adopted = false;  // somebody else's child: its status is told to its parent alone
};

// How a process ended. Neither: nobody could see it.
struct Exit {
    std::optional<int> code;
    std::optional<int> signal;
};

class Spawner {
  public:
    virtual ~Spawner() = default;
    // The error says why the program could not be executed. The child has left its mark
    // (SavedMark) in the journal before it became the program.
    virtual Result<Child> spawn(const Command& command) = 0;
    // A process that a former engine started, by its mark. pidfd -1: it is gone.
    virtual Result<Child> adopt(int pid, Time marked_at) = 0;
    // The error says why it could not be told; nothing: it was, or is dead already.
    virtual std::optional<Error> signal(const Child& child, int signal) = 0;
    // How it ended, which can be asked once; nothing while it runs. pidfd becomes readable before.
    virtual std::optional<Exit> ended(const Child& child) = 0;
};

}  // namespace devmux
