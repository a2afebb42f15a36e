// A file descriptor that closes itself, and errno as an Error: what every file of this folder that
// talks to the kernel needs, and nothing more.
#pragma once

#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "conditions/result.h"

namespace devmux {

class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }
    ~Fd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = fd;
    }

  private:
    int fd_ = -1;
};

// "FILE: what: No such file or directory". strerrordesc_np(3): no locale, no shared buffer.
inline Error errno_error(std::string file, std::string what, int error, std::string hint = "") {
    const char* text = strerrordesc_np(error);
    if (!what.empty()) what += ": ";
    what += text ? text : "error " + std::to_string(error);
    return Error{Mark{std::move(file)}, std::move(what), "", -1, std::move(hint)};
}

}  // namespace devmux
