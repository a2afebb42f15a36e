// A recording that reaches its limit is still one: whatever pieces it comes in, it plays as far as it goes.
#include "tools/recording_copy.h"

#include <doctest/doctest.h>

#include "tests/recording/world.h"
#include "tools/trace_text.h"

using namespace devmux;

namespace {

struct Copied {
    std::string text;
    RecordingCopy::State state = RecordingCopy::State::Open;
    std::string end;
};

Copied copied(std::string_view text, size_t limit, size_t margin, size_t piece) {
    Copied out;
    RecordingCopy copy(limit, margin, [&](std::string_view t) { return out.text += t, true; });
    for (; !text.empty() && out.state == RecordingCopy::State::Open; text.remove_prefix(std::min(piece, text.size())))
        out.state = copy.take(text.substr(0, piece));
    if (out.state == RecordingCopy::State::Open) copy.finish();
    out.end = copy.end();
    return out;
}

}  // namespace

TEST_SUITE("tools/recording_copy") {
    TEST_CASE("below the limit it is the same") {
        std::string text = "devmux-trace 1\nrecorded x\nbegin\n  a\nend asked\n";
        for (size_t piece : {1, 2, 7, 1000}) {
            Copied far = copied(text, 100000, 1000, piece), near = copied(text, text.size() + 10, text.size() + 10, piece);
            CHECK(far.text == text);
            CHECK(near.text == text);
            CHECK(far.end == "asked");
        }
        // As soon as it comes, and to the last byte where it was cut off.
        std::string seen;
        RecordingCopy copy(1000, 100, [&](std::string_view t) { return seen += t, true; });
        copy.take("begin\nadd /x\n  SUBS");
        CHECK(seen == "begin\nadd /x\n  SUBS");
        CHECK(copy.end() == "");
        CHECK(copied("x\nend slow\n", 1000, 10, 4).end == "slow");
        CHECK(copied("x\nend as", 1000, 10, 4).end == "");
        CHECK(copied("", 1000, 10, 4).end == "");
    }

    TEST_CASE("at the limit it ends with whole events") {
        for (unsigned seed = 1; seed <= 5; ++seed) {
            std::string text;
            RandomWorld world(seed, [&](std::string_view lines) { text += lines; });
            for (int i = 0; i < 300; ++i) world.step();
            world.end();
            size_t head = text.find("\nbegin\n");
            for (size_t limit = head + 200; limit < text.size(); limit += (text.size() - head) / 23)
                for (size_t piece : {17, 4096, 65536}) {
                    CAPTURE(limit);
                    Copied copy = copied(text, limit, limit / 2, piece);
                    CHECK(copy.state == RecordingCopy::State::Full);
                    CHECK(copy.end == "limit");
                    CHECK(copy.text.size() <= limit);
                    CHECK(text.starts_with(copy.text.substr(0, copy.text.rfind("end limit"))));
                    auto played = play_recorded(copy.text, "t");
                    REQUIRE_MESSAGE(played, played.error().to_string());
                    CHECK(played->difference == "");
                    CHECK(played->ended == "limit");
                }
        }
    }

    TEST_CASE("one event that is longer than all") {
        Copied copy = copied("begin\nadd /x\n  A=" + std::string(500, 'x') + "\n  B=y\n", 200, 100, 50);
        CHECK(copy.end == "limit");
        CHECK(copy.text.size() <= 201);
        CHECK(copy.text.ends_with("\nend limit\n"));
    }

    TEST_CASE("what cannot be written is told") {
        RecordingCopy copy(1000, 100, [](std::string_view) { return false; });
        CHECK(copy.take("x\n") == RecordingCopy::State::Unwritten);
    }
}
