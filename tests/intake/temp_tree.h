// A directory for one test: files, directories and links made by a relative path, removed with it.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace devmux {

class TempTree {
  public:
    TempTree() {
        std::string pattern = std::filesystem::temp_directory_path() / "devmux-test-XXXXXX";
        if (mkdtemp(pattern.data()) == nullptr) std::abort();
        path_ = pattern;
    }
    ~TempTree() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TempTree(const TempTree&) = delete;
    TempTree& operator=(const TempTree&) = delete;

    const std::string& path() const { return path_; }
    std::string at(std::string_view name) const { return path_ + '/' + std::string(name); }

    void directory(std::string_view name) const { std::filesystem::create_directories(at(name)); }
    void file(std::string_view name, std::string_view text = "") const {
        std::filesystem::create_directories(std::filesystem::path(at(name)).parent_path());
        std::ofstream(at(name), std::ios::binary) << text;
    }
    void link(std::string_view name, std::string_view target) const {
        std::filesystem::create_directories(std::filesystem::path(at(name)).parent_path());
        std::filesystem::create_symlink(target, at(name));
    }
    void rename(std::string_view from, std::string_view to) const {
        std::filesystem::rename(at(from), at(to));
    }
    void remove(std::string_view name) const { std::filesystem::remove_all(at(name)); }

  private:
    std::string path_;
};

}  // namespace devmux
