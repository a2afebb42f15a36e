// A file descriptor with an owner: closed once, moved, never copied. Everything in intake/ that
// opens something holds it in one of these, so that no early return can leak it: a daemon that
// runs for months pays for each leaked descriptor with a lost event in the end.
#pragma once

#include <unistd.h>

#include <utility>

namespace devmux {

class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }

    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

}  // namespace devmux
