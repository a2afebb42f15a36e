// Looks at jobs that take long, and sends signals to those that are to be ended, beside the loop: procfs
// can keep who reads it waiting, and a busy process is sampled for a while. Each process of a job gets its
// signal alone, by pidfd, and is looked at right before; never a group. Who loads a module is spared
// (process_look.h), and so are its parents up to the main process: they wait for it, and without them the
// job would seem to have ended while its module loads.
//
// The kernel's log gets to know first: a machine that hangs afterwards has lost ours.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "engine/plan/action.h"
#include "engine/run/process_look.h"
#include "engine/system/descriptor.h"

namespace devmux {

class JobProbe {
  public:
    struct Paths {
        LookPaths look;
        std::string kernel_log;  // empty: none
    };
    struct Limits {
        Duration patience{std::chrono::seconds(10)};  // with procfs; then the answer is that there is none
        Duration busy{std::chrono::seconds(1)};       // with a process that does not sleep
        size_t threads = 4;                           // that may hang
    };
    JobProbe(Paths paths, Limits limits);
    ~JobProbe();  // leaves what hangs behind, and it sends no signal any more
    JobProbe(const JobProbe&) = delete;
    JobProbe& operator=(const JobProbe&) = delete;

    // `pidfd` is of the main process `pid`; a copy of it is made. Each call has an answer.
    void look(JobId job, int pid, int pidfd);
    void kill(const KillJob& request, int pid, int pidfd);

    int fd() const;  // readable when take() may have something
    using Answer = std::variant<JobSeen, JobSignalled>;
    std::vector<Answer> take();

    struct Shared;  // with the threads; outlives this object if one of them hangs

  private:
    struct Request;
    static void work(const std::shared_ptr<Shared>& shared);
    void submit(std::shared_ptr<Request> request);

    std::shared_ptr<Shared> shared_;
};

// One line of level "warning" with our name in front, bounded and escaped. False: the log was not writable.
bool tell_kernel(const std::string& kernel_log, const std::string& text);

}  // namespace devmux
