// A directory of its own for each test, removed with all that is in it; and files in it.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace devmux {

class TempDir {
  public:
    TempDir() {
        const char* base = getenv("TMPDIR");
        std::string pattern = std::string(base ? base : "/tmp") + "/devmux-test-XXXXXX";
        path_ = mkdtemp(pattern.data());
    }
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;

    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

    std::string write(const std::string& name, const std::string& text, mode_t mode = 0644) const {
        std::string file = *this / name;
        std::ofstream(file) << text;
        chmod(file.c_str(), mode);
        return file;
    }
    std::string read(const std::string& name) const {
        std::ifstream in(*this / name);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    bool has(const std::string& name) const { return std::filesystem::exists(*this / name); }

  private:
    std::string path_;
};

}  // namespace devmux
