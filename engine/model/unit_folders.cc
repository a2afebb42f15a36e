// See unit_folders.h. The time of the last change of the inode (st_ctim) cannot be set back by anybody, so
// what was written and then given its old date is seen, too.
#include "engine/model/unit_folders.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "engine/model/configuration.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

// FNV-1a: nobody gains by two states of the folders that look the same.
class Fingerprint {
  public:
    void add(std::string_view bytes) {
        for (char c : bytes) value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        value_ = (value_ ^ 0xff) * 0x100000001b3;
    }
    void add(uint64_t number) {
        for (int i = 0; i < 8; ++i, number >>= 8) value_ = (value_ ^ (number & 0xff)) * 0x100000001b3;
    }
    void add(const timespec& time) {
        add(static_cast<uint64_t>(time.tv_sec));
        add(static_cast<uint64_t>(time.tv_nsec));
    }
    void add(const struct stat& st) {
        add(uint64_t{st.st_dev});
        add(uint64_t{st.st_ino});
        add(uint64_t{st.st_mode});
        add(uint64_t{st.st_uid});
        // The times of a device, such as /dev/null, are not about what is in it; those of a folder are about
        // what else stands there.
        if (!S_ISREG(st.st_mode)) return;
        add(static_cast<uint64_t>(st.st_size));
        add(st.st_mtim);
        add(st.st_ctim);
    }
    void add_file(const std::string& path) {
        add(path);
        struct stat st{};
        if (lstat(path.c_str(), &st) != 0) return add(static_cast<uint64_t>(errno));
        add(uint64_t{st.st_ino});
        if (S_ISLNK(st.st_mode) && stat(path.c_str(), &st) != 0) return add(static_cast<uint64_t>(errno));
        add(st);
    }
    uint64_t value() const { return value_; }

  private:
    uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace

std::vector<std::string> names_in(const std::string& folder, std::string_view ending, Errors& errors) {
    auto at = [&](std::string what) {
        return Error{.where = {folder, 0, 0}, .what = std::move(what), .source = "", .caret = -1, .hint = ""};
    };
    std::vector<std::string> names;
    DIR* dir = opendir(folder.c_str());
    if (!dir) {
        if (errno != ENOENT) errors.push_back(errno_error(folder, "cannot be read", errno));
        return names;
    }
    while (const dirent* entry = readdir(dir)) {
        std::string_view name = entry->d_name;
        if (name.size() > ending.size() && name.ends_with(ending) && name[0] != '.') names.emplace_back(name);
    }
    closedir(dir);
    std::sort(names.begin(), names.end());
    if (names.size() > kMostUnits) {
        errors.push_back(at("holds more than " + std::to_string(kMostUnits) + " files"));
        names.resize(kMostUnits);
    }
    return names;
}

bool is_mask(const std::string& path) {
    struct stat st{};
    if (lstat(path.c_str(), &st) != 0 || !S_ISLNK(st.st_mode)) return false;
    std::array<char, PATH_MAX> real{};
    return realpath(path.c_str(), real.data()) && std::string_view(real.data()) == "/dev/null";
}

uint64_t fingerprint_of(const ConfigurationDirs& dirs) {
    Fingerprint print;
    Errors errors;  // are told by who reads
    auto add_folder = [&](const std::string& folder) {
        print.add_file(folder);
        for (const std::string& name : names_in(folder, ".yaml", errors)) print.add_file(folder + "/" + name);
    };
    for (const std::string& dir : dirs.units) {
        add_folder(dir);
        add_folder(dir + "/classes.d");
        for (const std::string& name : names_in(dir, ".yaml.d", errors)) add_folder(dir + "/" + name);
    }
    return print.value();
}

}  // namespace devmux
