// Output of units: whole lines, escaped and bounded; files that do not grow; daemons that come
// later.
#include "engine/run/unit_log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "tests/run/temp_dir.h"

using namespace devmux;
using namespace std::string_literals;

namespace {

UnitLog open_log(const TempDir& dir, UnitLogLimits limits = {}) {
    auto log = UnitLog::open(dir.path(), limits);
    REQUIRE(log);
    return std::move(*log);
}

// As a program does it that was given the descriptor.
void print(UnitLog& log, const std::string& unit, const std::string& text) {
    auto fd = log.output_for(unit);
    REQUIRE(fd);
    REQUIRE(write(*fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

std::vector<std::string> texts(const std::vector<OutputLine>& lines) {
    std::vector<std::string> out;
    for (const OutputLine& line : lines) out.push_back(line.unit + ": " + line.text);
    return out;
}

using Texts = std::vector<std::string>;

bool readable(int fd) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&ready, 1, 0) == 1;
}

uint64_t allocated(const std::string& file) {
    struct stat status {};
    REQUIRE(stat(file.c_str(), &status) == 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
}

std::string tail_of(const TempDir& dir, const std::string& unit, size_t bytes) {
    Descriptor fd(open((dir / unit).c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(fd);
    LogTail tail = log_tail(fd.get(), bytes);
    CHECK(tail.end == std::filesystem::file_size(dir / unit));
    return tail.text;
}

}  // namespace

TEST_SUITE("run/unit_log") {
    TEST_CASE("complete lines come, the rest waits") {
        TempDir dir;
        UnitLog log = open_log(dir);
        CHECK(log.take().empty());
        print(log, "gdm", "one\ntw");
        CHECK(readable(log.fd()));
        CHECK(texts(log.take()) == Texts{"gdm: one"});
        CHECK_FALSE(readable(log.fd()));
        print(log, "gdm", "o\n\nthree");
        CHECK(texts(log.take()) == Texts{"gdm: two", "gdm: "});
        CHECK(texts(log.flush("gdm")) == Texts{"gdm: three"});
        CHECK(log.flush("gdm").empty());
        CHECK(log.flush("never-seen").empty());
        print(log, "gdm", "next\nlast");
        CHECK(texts(log.flush("gdm")) == Texts{"gdm: next", "gdm: last"});
        CHECK(log.take().empty());
        print(log, "a", "1\n");
        print(log, "b@sda", "2\n");
        print(log, "a", "3\n");
        CHECK(texts(log.take()).size() == 3);
    }

    TEST_CASE("the descriptor appends, is closed on exec, and the file is the owner's alone") {
        TempDir dir;
        UnitLog log = open_log(dir);
        auto fd = log.output_for("gdm");
        REQUIRE(fd);
        CHECK((fcntl(*fd, F_GETFL) & O_APPEND) != 0);
        CHECK((fcntl(*fd, F_GETFD) & FD_CLOEXEC) != 0);
        struct stat status {};
        REQUIRE(stat((dir / "gdm").c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 0600);
        CHECK(*log.output_for("gdm") == *fd);
    }

    TEST_CASE("what is printed is made printable, and cut") {
        TempDir dir;
        UnitLog log = open_log(dir);
        print(log, "u", "a\tb\r\n\033[31mred\xFF\n\xC3\xA4\0\n"s);
        CHECK(texts(log.take()) == Texts{"u: a b", "u: \\x1b[31mred\\xff", "u: \xC3\xA4\\x00"});
        print(log, "u",
              std::string(2048, 'x') + "\n" + std::string(2049, 'y') + "\n" +
                  std::string(1000, '\1') + "\nend\n");
        auto lines = log.take();
        REQUIRE(lines.size() == 4);
        CHECK(lines[0].text == std::string(2048, 'x'));
        CHECK(lines[1].text == std::string(2045, 'y') + "…");
        CHECK(lines[2].text.size() <= 2048);
        CHECK(lines[2].text.ends_with("…"));
        CHECK(lines[3].text == "end");
        // Across many reads, without a newline.
        for (int i = 0; i < 20; ++i) {
            print(log, "u", std::string(1000, 'z'));
            CHECK(log.take().empty());
        }
        print(log, "u", "\nafter\n");
        lines = log.take();
        REQUIRE(lines.size() == 2);
        CHECK(lines[0].text == std::string(2045, 'z') + "…");
        CHECK(lines[1].text == "after");
    }

    TEST_CASE("names that would climb, or are none") {
        TempDir dir;
        UnitLog log = open_log(dir);
        for (const char* bad : {"", ".", "..", ".hidden", "a/b", "../x", "/etc/passwd", "a b",
                                "a\nb", "\xC3\xA4", "a+b"}) {
            CHECK_MESSAGE(!log.output_for(bad), bad);
            CHECK_FALSE(is_log_name(bad));
        }
        CHECK_FALSE(is_log_name(std::string(201, 'a')));
        CHECK(is_log_name("ntpdate@net:eth0.1_x-Y"));
        CHECK(std::filesystem::is_empty(dir.path()));
        std::filesystem::create_symlink("/dev/null", dir / "link");
        CHECK(!log.output_for("link"));
    }

    TEST_CASE("few files are open at once, none is forgotten") {
        TempDir dir;
        UnitLog log = open_log(dir, {.open_files = 3});
        std::vector<Descriptor> programs;  // they have their own descriptors
        for (int i = 0; i < 10; ++i) {
            auto fd = log.output_for("u" + std::to_string(i));
            REQUIRE(fd);
            programs.emplace_back(dup(*fd));
            CHECK(log.open_files() <= 3);
        }
        for (Descriptor& fd : programs) REQUIRE(write(fd.get(), "hello\n", 6) == 6);
        auto lines = log.take();
        CHECK(lines.size() == 10);
        CHECK(log.open_files() == 3);
        CHECK(log.take().empty());
    }

    TEST_CASE("output that was read does not stay") {
        for (bool punch : {true, false}) {
            TempDir dir;
            UnitLog log = open_log(dir, {.punch = punch});
            size_t lines = 0, printed = 0;
            for (int i = 0; i < 64; ++i) {
                for (int j = 0; j < 32; ++j, ++printed)
                    print(log, "u", std::to_string(printed) + std::string(1000, 'x') + "\n");
                for (const OutputLine& line : log.take()) {
                    REQUIRE(line.text.starts_with(std::to_string(lines) + "x"));
                    ++lines;
                }
                CHECK(allocated(dir / "u") <= (320 << 10) + (64 << 10));
            }
            CHECK(lines == printed);
            std::string tail = tail_of(dir, "u", 3000);
            // A hole leaves the offsets as they are; emptying the file does not.
            CHECK((std::filesystem::file_size(dir / "u") > 2048 * 1000) == punch);
            // From a whole line on.
            if (punch) CHECK(tail.starts_with(std::to_string(printed - 2) + "x"));
            CHECK(tail.ends_with("x\n"));
            // All that is kept, without the zeroes of the hole.
            std::string kept = tail_of(dir, "u", 16 << 20);
            CHECK(kept.size() <= (320 << 10) + 4096);
            CHECK(kept.find('\0') == std::string::npos);
            CHECK(kept.substr(0, 8).find('x') != std::string::npos);
        }
    }

    TEST_CASE("too far behind: passed over, and said so") {
        TempDir dir;
        UnitLog log = open_log(dir, {.kept = 100, .behind = 1000});
        print(log, "u", "begin");
        CHECK(log.take().empty());
        std::string much;
        for (int i = 0; i < 1000; ++i) much += "line\n";
        print(log, "u", much);
        auto lines = log.take();
        REQUIRE(lines.size() == 21);
        CHECK(lines[0].text == "(4900 bytes of output were passed over: it came too fast)");
        CHECK(lines[1].text == "line");
        CHECK(lines[20].text == "line");
        print(log, "u", "next\n");
        CHECK(texts(log.take()) == Texts{"u: next"});
    }

    TEST_CASE("a later daemon goes on at the end, with programs of the former one") {
        TempDir dir;
        Descriptor program;
        {
            UnitLog log = open_log(dir);
            auto fd = log.output_for("u");
            REQUIRE(fd);
            program.reset(dup(*fd));
            REQUIRE(write(program.get(), "old\n", 4) == 4);
        }
        UnitLog log = open_log(dir);
        CHECK(log.take().empty());
        REQUIRE(write(program.get(), "new\n", 4) == 4);
        CHECK(texts(log.take()) == Texts{"u: new"});
        CHECK(tail_of(dir, "u", 100) == "old\nnew\n");
    }

    TEST_CASE("for people: what came since, from a whole line on, and anew where the file was emptied") {
        TempDir dir;
        UnitLog log = open_log(dir);
        print(log, "u", "one\ntwo\n");
        Descriptor fd(open((dir / "u").c_str(), O_RDONLY | O_CLOEXEC));
        REQUIRE(fd);
        LogTail tail = log_tail(fd.get(), 100);
        CHECK(tail.text == "one\ntwo\n");
        CHECK(log_since(fd.get(), tail.end, 100).text.empty());
        print(log, "u", "three\n");
        CHECK(log_since(fd.get(), tail.end, 100).text == "three\n");
        CHECK(log_tail(fd.get(), 9).text == "three\n");
        std::filesystem::resize_file(dir / "u", 0);
        print(log, "u", "new\n");
        CHECK(log_since(fd.get(), tail.end, 100).text == "new\n");
        CHECK(log_line("a\tb\033\r") == "a b\\x1b");
    }

    TEST_CASE("files that somebody empties or removes") {
        TempDir dir;
        UnitLog log = open_log(dir);
        print(log, "u", "first\nhalf");
        CHECK(log.take().size() == 1);
        REQUIRE(truncate((dir / "u").c_str(), 0) == 0);
        print(log, "u", "second\n");
        CHECK(texts(log.take()) == Texts{"u: second"});
        std::filesystem::remove(dir / "u");
        print(log, "u", "third\n");
        CHECK(texts(log.take()) == Texts{"u: third"});
        CHECK(dir.read("u") == "third\n");
        CHECK(log.open_files() == 1);
        dir.write("stranger", "x\n");
        CHECK(log.take().empty());
    }

    TEST_CASE("of instances that have gone the last logs are kept") {
        TempDir dir;
        auto opened = UnitLog::open(dir.path(), {.retired = 2});
        REQUIRE(opened);
        UnitLog& log = *opened;
        for (const char* unit : {"u@a", "u@b", "u@c", "u@d"}) print(log, unit, "x\n");
        log.retire("u@a");
        log.retire("u@b");
        print(log, "u@a", "again\n");  // it is back
        log.retire("u@c");
        log.retire("nobody");
        CHECK(std::filesystem::exists(dir / "u@b"));
        log.retire("u@d");
        CHECK_FALSE(std::filesystem::exists(dir / "u@b"));
        for (const char* kept : {"u@a", "u@c", "u@d"}) CHECK(std::filesystem::exists(dir / kept));
        CHECK(log.open_files() == 3);
        print(log, "u@b", "new\n");
        CHECK(dir.read("u@b") == "new\n");
    }

    TEST_CASE("what a former daemon left of those that have gone is kept for a while, too, the last ones") {
        TempDir dir, elsewhere;
        elsewhere.write("file", "not ours\n");
        for (const char* unit : {"u", "u@a", "u@b", "u@c", "gone", "u@d"}) dir.write(unit, "x\n");
        for (const auto& [unit, at] : std::map<std::string, time_t>{{"u", 1}, {"u@a", 2}, {"u@b", 9}, {"u@c", 3}, {"gone", 8}, {"u@d", 4}}) {
            timespec times[2] = {{at, 0}, {at, 0}};
            REQUIRE(utimensat(AT_FDCWD, (dir / unit).c_str(), times, 0) == 0);
        }
        REQUIRE(symlink((elsewhere / "file").c_str(), (dir / "a-link").c_str()) == 0);
        REQUIRE(mkdir((dir / "folder").c_str(), 0700) == 0);
        auto opened = UnitLog::open(dir.path(), {.retired = 2});
        REQUIRE(opened);
        UnitLog& log = *opened;
        log.retire_others([](const std::string& unit) { return unit == "u" || unit == "u@a"; });
        for (const char* kept : {"u", "u@a", "u@b", "gone", "a-link", "folder"}) CHECK(std::filesystem::exists(dir / kept));
        for (const char* deleted : {"u@c", "u@d"}) CHECK_FALSE(std::filesystem::exists(dir / deleted));
        CHECK(elsewhere.read("file") == "not ours\n");
        // The oldest of them is the next.
        print(log, "u@a", "again\n");
        log.retire("u@a");
        CHECK_FALSE(std::filesystem::exists(dir / "gone"));
        CHECK(std::filesystem::exists(dir / "u@b"));
    }

    TEST_CASE("a directory that is not there") {
        TempDir dir;
        auto log = UnitLog::open(dir / "none");
        REQUIRE(!log);
        CHECK(log.error().to_string() ==
              (dir / "none") + ": cannot be opened: No such file or directory");
    }
}
