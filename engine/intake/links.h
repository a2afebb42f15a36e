// What the network stack says of links, addresses and routes: one socket of rtnetlink(7) for messages and
// dumps. What comes of them is in link_table.h.
//
// The messages are cut by libmnl, and not kept by libnl-route, which would do more: its caches hold every
// route of a machine, and are filled again after an overrun without a word, while for us that is when
// nothing may be called known. libmnl leaves the socket to us (its buffer, its errors, whom it believes),
// allocates nothing, and is 30 kB that ip(8) has already brought to every Debian.
//
// Messages are subscribed before the first dump, so nothing falls between. Answers and messages come over
// the same socket in the order in which they were made.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "conditions/result.h"
#include "engine/intake/link_table.h"
#include "engine/system/descriptor.h"

namespace devmux {

class LinkWatch {
  public:
    // `receive_buffer_bytes`: as root; as much as net.core.rmem_max allows otherwise.
    static Result<LinkWatch> open(int receive_buffer_bytes);
    LinkWatch(LinkWatch&&) noexcept;
    LinkWatch& operator=(LinkWatch&&) noexcept;
    ~LinkWatch();

    int fd() const { return fd_.get(); }
    // Whose routes are asked about, besides the default ones.
    void ask(std::set<std::string> addresses);

    // One turn of reading, of at most so many datagrams.
    enum class Step : unsigned char {
        Empty,   // wait for the descriptor to become readable
        More,    // there may be more: read on in another turn
        Failed,  // the socket is of no more use: trouble()
    };
    Step read(int most);
    std::optional<LinksSeen> take_news() { return table_.take_news(); }
    const Error& trouble() const { return trouble_; }

    struct Counters {
        uint64_t messages = 0;     // datagrams
        uint64_t lost = 0;         // times that some were
        uint64_t dumps = 0;        // asked for
        uint64_t interrupted = 0;  // … and made again
        uint64_t refused = 0;      // datagrams that were not the kernel's
    };
    Counters counters() const;

  private:
    explicit LinkWatch(Descriptor fd);
    bool request();
    Step failed(const char* what, int error);

    Descriptor fd_;
    std::unique_ptr<char[]> buffer_;
    LinkTable table_;
    Counters counters_;
    Error trouble_;
    uint32_t sequence_ = 0;
};

}  // namespace devmux
