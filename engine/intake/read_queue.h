// What waits to be read from sysfs, and in which order. Of one device no two reads are under way at
// a time: the answers to it come in the order of what they saw, and a driver that does not answer
// holds one thread, however many events its device has. Pure: the threads are in sysfs_reader.cc.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace devmux {

struct ReadRequest {
    enum class Kind : unsigned char { Attributes, Look, Walk };
    Kind kind = Kind::Walk;
    std::string devpath;    // of Attributes and Look
    std::string subsystem;  // of Attributes
};

class ReadQueue {
  public:
    // So many reads of devices at most go before a walk that waits, so that events without end
    // cannot put it off for ever.
    static constexpr size_t kBeforeWalk = 1024;

    // One more than `most` of them: all are dropped, and a walk stands for them.
    explicit ReadQueue(size_t most) : most_(most) {}

    // Of each device at most one request waits. A look reads the attributes as well, and so it
    // stands for a request for them.
    void attributes(std::string devpath, std::string_view subsystem);
    void look(std::string devpath);
    // One waits at most, and none begins while another is under way.
    void walk();

    size_t ready() const;  // how many can begin now

    // The next one, which is under way until end() gets it back. Devices go before a walk, in the
    // order in which they were asked for.
    std::optional<ReadRequest> begin();
    void end(const ReadRequest& request);

  private:
    void add(ReadRequest request);
    void drop();

    size_t most_;
    std::list<ReadRequest> waiting_;
    std::unordered_map<std::string_view, ReadRequest*>
        by_devpath_;  // of waiting_; the views as well
    // The devices that are being read, each with what was asked of it meanwhile.
    std::unordered_map<std::string, std::optional<ReadRequest>> under_way_;
    bool walk_ = false, walking_ = false;
    size_t before_walk_ = 0;
};

}  // namespace devmux
