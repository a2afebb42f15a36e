// The order of reads, and which requests are one.
#include "engine/intake/read_queue.h"

#include <doctest/doctest.h>

#include <vector>

using namespace devmux;

namespace {

using Kind = ReadRequest::Kind;

// "a:net", "look b", "walk": what begins now, one word for each.
std::string word(const ReadRequest& request) {
    switch (request.kind) {
        case Kind::Attributes: return request.devpath + ":" + request.subsystem;
        case Kind::Look: return "look " + request.devpath;
        case Kind::Walk: return "walk";
    }
    return "";
}

struct Queue {
    ReadQueue queue{100};
    std::vector<ReadRequest> begun;

    std::string begin() {
        std::optional<ReadRequest> request = queue.begin();
        if (!request) return "";
        begun.push_back(*request);
        return word(*request);
    }
    void end(size_t which) { queue.end(begun.at(which)); }
    // One thread's work until nothing is left.
    std::vector<std::string> all() {
        std::vector<std::string> out;
        while (std::optional<ReadRequest> request = queue.begin()) {
            out.push_back(word(*request));
            queue.end(*request);
        }
        return out;
    }
};

using Words = std::vector<std::string>;

}  // namespace

TEST_SUITE_BEGIN("intake/read_queue");

TEST_CASE_FIXTURE(Queue, "in the order in which they were asked for, devices before a walk") {
    CHECK(queue.ready() == 0);
    CHECK(begin().empty());
    queue.walk();
    queue.attributes("b", "usb");
    queue.look("a");
    queue.attributes("c", "");
    CHECK(queue.ready() == 4);
    CHECK(all() == Words{"b:usb", "look a", "c:", "walk"});
    CHECK(queue.ready() == 0);
}

TEST_CASE_FIXTURE(Queue, "what waits for the same device is one") {
    queue.attributes("a", "usb");
    queue.attributes("b", "usb");
    queue.attributes("a", "net");  // it is another device by now
    CHECK(queue.ready() == 2);
    queue.look("b");
    queue.attributes("b", "usb");
    queue.look("b");
    CHECK(all() == Words{"a:net", "look b"});
    queue.attributes("a", "usb");
    CHECK(all() == Words{"a:usb"});
}

TEST_CASE_FIXTURE(Queue, "no device is read twice at a time") {
    queue.attributes("a", "usb");
    CHECK(begin() == "a:usb");
    queue.attributes("a", "usb");
    queue.attributes("b", "usb");
    queue.look("a");
    queue.attributes("a", "usb");
    CHECK(queue.ready() == 1);
    CHECK(begin() == "b:usb");
    CHECK(begin().empty());
    end(1);
    CHECK(begin().empty());
    end(0);
    CHECK(queue.ready() == 1);
    CHECK(all() == Words{"look a"});
}

TEST_CASE_FIXTURE(Queue, "a walk that is asked for while one is under way follows it, once") {
    queue.walk();
    queue.walk();
    CHECK(begin() == "walk");
    CHECK(queue.ready() == 0);
    queue.walk();
    queue.walk();
    CHECK(queue.ready() == 0);
    queue.look("a");
    CHECK(begin() == "look a");
    CHECK(begin().empty());
    end(0);
    CHECK(queue.ready() == 1);
    CHECK(all() == Words{"walk"});
}

TEST_CASE_FIXTURE(Queue, "one too many: all are dropped, and a walk stands for them") {
    queue.look("busy");
    CHECK(begin() == "look busy");
    queue.look("busy");
    for (int i = 0; i < 100; ++i) queue.attributes(std::to_string(i), "usb");
    CHECK(queue.ready() == 100);
    queue.look("99");  // is there already
    CHECK(queue.ready() == 100);
    queue.look("100");
    CHECK(queue.ready() == 1);
    queue.look("later");
    end(0);
    CHECK(all() == Words{"look later", "walk"});
}

TEST_CASE_FIXTURE(Queue, "devices without end do not put off a walk for ever") {
    queue.walk();
    size_t before = 0;
    for (queue.look("0"); begin() != "walk"; ++before) {
        REQUIRE(before < 10 * ReadQueue::kBeforeWalk);
        end(before);
        queue.look(std::to_string(before % 7));
    }
    CHECK(before == ReadQueue::kBeforeWalk);
    // The next one begins to wait anew.
    queue.walk();
    queue.look("a");
    queue.look("b");
    end(before);
    CHECK(begin().starts_with("look "));
    CHECK(begin().starts_with("look "));
}

TEST_SUITE_END();
