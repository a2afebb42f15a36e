// Reading configuration as root: only from files that nobody but root, or whoever runs devmux, could
// have written. Checked on the opened file, so that it cannot be exchanged between check and read.
#pragma once

#include <map>
#include <string>

#include "conditions/result.h"

namespace devmux {

enum class Trust : unsigned char { Require, Waive };  // Waive: lint and simulation, which run nothing

// Answers for a folder and all folders above it, once per folder.
class FolderTrust {
  public:
    // Why the folder cannot be trusted; empty when it can.
    const std::string& trouble(const std::string& folder);

  private:
    std::map<std::string, std::string> known_;
};

// The contents of a regular file of at most `limit` bytes. Symbolic links are followed; with
// Trust::Require the file that they lead to, and its folders, are what is checked.
Result<std::string> read_trusted(const std::string& path, size_t limit, Trust trust,
                                 FolderTrust& folders);

}  // namespace devmux
