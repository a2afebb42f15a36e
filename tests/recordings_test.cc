// Recordings that are made now: readers that shut down, that are slow, that never read.
#include "engine/recordings.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "tests/recording/world.h"

using namespace devmux;

namespace {

struct Place {
    explicit Place(Duration patience = kRecordingPatience)
        : recordings(loop, "x", [this](const std::string& text, Report::Level) { told.push_back(text); }, patience) {}

    std::vector<std::string> told;
    Loop loop;
    Recordings recordings;
    RandomWorld world{1};

    Descriptor open() {
        auto theirs = recordings.open_stream(world.engine(), world.now(), false);
        REQUIRE(theirs);
        return std::move(*theirs);
    }
    // More than a socket takes.
    void feed_much() {
        for (int i = 0; i < 100; ++i) recordings.fed(FileSeen{"/" + std::string(60'000, 'x'), Truth::True}, world.now());
        recordings.flush();
    }
    // How often the loop was woken until it rests; it gives up in the end.
    int turns() {
        int n = 0;
        while (n < 1000 && sd_event_run(loop.event(), 0) > 0) ++n;
        return n;
    }
    std::string read_all(int fd) {
        std::string out;
        std::vector<char> piece(1 << 16);
        for (;;) {
            ssize_t n = recv(fd, piece.data(), piece.size(), MSG_DONTWAIT);
            if (n == 0) return out;
            if (n > 0) out.append(piece.data(), static_cast<size_t>(n));
            else if (turns() == 0) return out;
        }
    }
};

}  // namespace

TEST_SUITE("recordings") {
    TEST_CASE("a reader that asked for the end and is slow wakes nobody") {
        Place p;
        Descriptor theirs = p.open();
        p.feed_much();
        CHECK(p.turns() < 100);
        REQUIRE(shutdown(theirs.get(), SHUT_WR) == 0);
        CHECK(p.turns() < 100);
        // Nor when it reads a little now and then; and in the end it has all.
        char byte = 0;
        CHECK(read(theirs.get(), &byte, 1) == 1);
        CHECK(p.turns() < 100);
        std::string rest = p.read_all(theirs.get());
        CHECK(rest.size() > 6'000'000);
        CHECK(rest.ends_with("\nend asked\n"));
        CHECK(p.told.empty());
    }

    TEST_CASE("nor does one that asked for a checkpoint alone, or that has gone") {
        Place p;
        auto whole = p.recordings.open_stream(p.world.engine(), p.world.now(), true);
        REQUIRE(whole);
        REQUIRE(shutdown(whole->get(), SHUT_WR) == 0);
        CHECK(p.turns() < 100);
        CHECK(p.read_all(whole->get()).ends_with("\nend asked\n"));
        {
            Descriptor theirs = p.open();
            p.feed_much();
            p.turns();
            shutdown(theirs.get(), SHUT_WR);
            p.turns();
        }
        CHECK(p.turns() < 100);
    }

    TEST_CASE("readers that take nothing lose their places") {
        Place p(std::chrono::milliseconds(20));
        std::vector<Descriptor> stuck;
        for (size_t i = 0; i < kMostRecordings; ++i) stuck.push_back(p.open());
        CHECK_FALSE(p.recordings.open_stream(p.world.engine(), p.world.now(), true));
        p.feed_much();
        while (p.told.size() < stuck.size()) REQUIRE(sd_event_run(p.loop.event(), 10'000'000) > 0);
        for (const std::string& text : p.told) CHECK(text.find("not read any more") != std::string::npos);
        for (const Descriptor& each : stuck) CHECK_FALSE(p.read_all(each.get()).ends_with("end asked\n"));
        // One that has taken all may be silent as long as it likes.
        Descriptor reader = p.open();
        p.read_all(reader.get());
        CHECK(sd_event_run(p.loop.event(), 40'000) == 0);
        p.recordings.fed(DeadlineReached{}, p.world.now());
        p.recordings.flush();
        shutdown(reader.get(), SHUT_WR);
        CHECK(p.read_all(reader.get()).ends_with("deadline\nend asked\n"));
        CHECK(p.told.size() == stuck.size());
    }
}
