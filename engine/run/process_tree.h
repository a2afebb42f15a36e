// The processes of a job: its main process, what descends from it, and what stands in its session or its
// process group, since a child whose parent has ended is somebody else's. What has made a session of its
// own and has left its parents is a daemon, and no part of the job any more.
#pragma once

#include <string>
#include <vector>

#include "engine/run/process_stat.h"

namespace devmux {

struct JobProcess {
    int pid = 0;
    size_t parent = 0;  // its place in the tree; the main process is its own
    ProcessStat stat;
};

inline constexpr size_t kTreeMost = 512;  // processes that are looked at

// The main process first, parents before their children. Empty: it has gone. One moment after the other,
// not one picture: who forks meanwhile may be missed, and is found by the next look.
std::vector<JobProcess> process_tree(const std::string& proc, int main);

// All of a small file of procfs; empty when it cannot be read.
std::string read_proc(const std::string& path);
// The numbers that a folder of procfs has entries for.
std::vector<int> numbers_in(const std::string& folder);

}  // namespace devmux
