// Small things with sharp edges: order, nearness, escaping, durations, bitmaps.
#include "conditions/text.h"

#include <doctest/doctest.h>

#include <limits>

#include "conditions/duration.h"
#include "conditions/predicate.h"
#include "conditions/terms.h"

using namespace devmux;
using namespace std::chrono_literals;

TEST_SUITE("conditions/text") {
    TEST_CASE("natural order is total") {
        std::vector<std::string> sorted{"", "a", "a0", "a00", "a1", "a01", "a2", "a10", "a10b", "b", "usb9/x", "usb10/x"};
        for (size_t i = 0; i < sorted.size(); ++i)
            for (size_t j = 0; j < sorted.size(); ++j) {
                CAPTURE(sorted[i]);
                CAPTURE(sorted[j]);
                bool ties = (sorted[i] == "a1" && sorted[j] == "a01") || (sorted[i] == "a01" && sorted[j] == "a1") ||
                            (sorted[i] == "a0" && sorted[j] == "a00") || (sorted[i] == "a00" && sorted[j] == "a0");
                if (ties) CHECK(natural_less(sorted[i], sorted[j]) != natural_less(sorted[j], sorted[i]));
                else CHECK(natural_less(sorted[i], sorted[j]) == (i < j));
            }
    }

    TEST_CASE("the nearest word") {
        std::vector<std::string> known{"mouse", "framebuffer", "disk"};
        CHECK(nearest("mosue", known) == "mouse");
        CHECK(nearest("Mouse", known) == "mouse");
        CHECK(nearest("frambufer", known) == "framebuffer");
        CHECK(nearest("keyboard", known).empty());
        CHECK(nearest(std::string(1000, 'x'), known).empty());
    }

    TEST_CASE("printable: control characters and broken UTF-8 are escaped, the rest is left") {
        CHECK(printable("Müller 鼠标") == "Müller 鼠标");
        CHECK(printable("a\nb\033[2J\x7f") == "a\\x0ab\\x1b[2J\\x7f");
        CHECK(printable("\xc3(") == "\\xc3(");
        CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // a surrogate
        CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");            // overlong
        CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");            // CSI, an 8-bit escape
        CHECK(printable(std::string_view("\0", 1)) == "\\x00");
    }

    TEST_CASE("durations: units are needed, and what is printed reads back") {
        for (auto [text, value] : std::initializer_list<std::pair<const char*, Duration>>{
                 {"500ms", 500ms}, {"5s", 5s}, {"1m30s", 90s}, {"2h", 2h}, {"90m", 90min}, {"1min", 1min}, {"0s", 0s}, {"1d", 24h}}) {
            const auto& text_shown = text;
            CAPTURE(text_shown);
            REQUIRE(parse_duration(text));
            CHECK(*parse_duration(text) == value);
            CHECK(parse_duration(to_string(value)) == value);
        }
        for (const char* wrong : {"", "5", "s", "5 s", "-5s", "5x", "1.5s", "99999999999999999999s", "400d", "5s5"})
            CHECK_FALSE_MESSAGE(parse_duration(wrong), wrong);
    }

    TEST_CASE("bitmaps of input devices: words of the kernel's long, the last is the lowest") {
        CHECK(bitmap_has("3", 0));
        CHECK(bitmap_has("3", 1));
        CHECK_FALSE(bitmap_has("3", 2));
        CHECK(bitmap_has("1f0000 0 0 0 0", 272));
        CHECK_FALSE(bitmap_has("1f0000 0 0 0 0", 256));
        CHECK_FALSE(bitmap_has("1f0000", 272));
        CHECK(bitmap_has("100 0", 40, 32));
        for (const char* wrong : {"", "x", "g 0", "1 2 3 4 5 6 7 8 9 fffffffffffffffff", " "})
            CHECK_FALSE_MESSAGE(bitmap_has(wrong, 600), wrong);
        CHECK(bit_number("BTN_LEFT") == 0x110U);
        CHECK(bit_number("0x110") == 272U);
        CHECK(bit_number("7") == 7U);
        CHECK_FALSE(bit_number("BTN_NOPE"));
        CHECK_FALSE(bit_number("99999"));
    }

    TEST_CASE("a normal path") {
        for (auto [path, normal] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"/", "/"}, {"//", "/"}, {"/a", "/a"}, {"/a/", "/a"}, {"//a///b/./c/.", "/a/b/c"}, {"/.", "/"},
                 {"/...", "/..."}, {"/a/..", ""}, {"/..", ""}, {"", ""}, {"a", ""}, {"./a", ""}})
            CHECK(normal_path(path) == normal);
    }

    TEST_CASE("every row of the table of facts prints to a sentence with its words") {
        for (const FactTerm& term : fact_terms()) {
            std::string text = to_string(FactKey{term.kind, term.kind == FactKind::OnType ? "x /x" : "/x"});
            CAPTURE(text);
            std::string_view first = term.pattern.substr(0, term.pattern.find(' '));
            CHECK(text.substr(0, text.find(' ')) == (first == "PATH" ? "/x" : first));
            CHECK_FALSE(term.help.empty());
            CHECK_FALSE(term.supplier.empty());
        }
    }
}
