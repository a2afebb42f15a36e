// The words of actions, and the search in a block of variables.
#include "engine/intake/event.h"

#include <doctest/doctest.h>

#include <string>

using namespace devmux;
using std::string_literals::operator""s;

TEST_SUITE_BEGIN("intake/event");

TEST_CASE("actions: text and back") {
    for (Action action : {Action::Add, Action::Remove, Action::Change, Action::Move, Action::Online,
                          Action::Offline, Action::Bind, Action::Unbind})
        CHECK(action_of(to_string(action)) == action);
    CHECK(to_string(Action::Add) == "add");
    CHECK(to_string(Action::Unbind) == "unbind");
    CHECK(to_string(Action::Other) == "other");
}

TEST_CASE("actions: only the kernel's own words") {
    for (const char* word : {"", "Add", "add ", "mount", "other", "ad", "adds"}) {
        CAPTURE(word);
        CHECK(action_of(word) == Action::Other);
    }
}

TEST_CASE("find_in: exact keys, values with '=', the first of several") {
    struct Row {
        const char* key;
        std::optional<std::string_view> value;
    };
    const std::string block = "A=1\0AB=2\0B=x=y\0EMPTY=\0A=3\0LAST=z\0"s;
    for (const Row& row : {Row{"A", "1"}, Row{"AB", "2"}, Row{"B", "x=y"}, Row{"EMPTY", ""},
                           Row{"LAST", "z"}, Row{"LAS", std::nullopt}, Row{"LASTX", std::nullopt},
                           Row{"1", std::nullopt}, Row{"", std::nullopt}}) {
        CAPTURE(row.key);
        CHECK(find_in(block, row.key) == row.value);
    }
}

TEST_CASE("find_in: blocks without a NUL at the end, and empty ones") {
    CHECK(find_in("A=1", "A") == "1");
    CHECK(find_in("A=1\0B=2"s, "B") == "2");
    CHECK(find_in("A", "A") == std::nullopt);
    CHECK(find_in("", "A") == std::nullopt);
    CHECK(find_in("\0\0A=1\0"s, "A") == "1");
}

TEST_SUITE_END();
