// Claims: what the guard writes and what the daemon reads, and that neither is led astray.
#include "engine/run/claims.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/run/process_stat.h"
#include "tests/run/temp_dir.h"
#include "tools/guard/claim.h"

using namespace devmux;

static_assert(kClaimMost == kClaimMax && kClaimsAtMost == kClaimsMost);

namespace {

constexpr const char* kBoot = "b0b0";

struct Place {
    TempDir dir;
    int fd = open(dir.path().c_str(), O_PATH | O_CLOEXEC);
    ~Place() { close(fd); }
    bool leave(const std::string& unit, const std::string& text) const {
        return leave_claim(fd, unit.c_str(), text.data(), text.size());
    }
    std::vector<Claim> read() const { return read_claims(fd, kBoot); }
    bool has(const std::string& name) const { return access((dir / ("claims/" + name)).c_str(), F_OK) == 0; }
};

}  // namespace

TEST_SUITE("run/claims") {
    TEST_CASE("what is one") {
        auto claim = claim_of("1 b0b0 812 4711\n", kBoot);
        REQUIRE(claim);
        CHECK(claim->pid == 812);
        ProcessStat stat;
        stat.start_ticks = 4711;
        CHECK(claim->started == stat.started_at());
        for (const char* no : {"", "\n", "1 b0b0 812 4711", "2 b0b0 812 4711\n", "1 other 812 4711\n", "1  812 4711\n", "1 b0b0 1 4711\n",
                               "1 b0b0 0 4711\n", "1 b0b0 -5 4711\n", "1 b0b0 4194305 4711\n", "1 b0b0 812 4711 \n",
                               "1 b0b0 812 4711 5\n", "1 b0b0 812\n", "1 b0b0 812 x\n", "1 b0b0 812 18446744073709551615\n",
                               "1 b0b0 812 4711\n\n", " 1 b0b0 812 4711\n"})
            CHECK_MESSAGE(!claim_of(no, kBoot), no);
        CHECK_FALSE(claim_of("1 b0b0 812 4711" + std::string(200, '0') + "\n", kBoot));
        CHECK_FALSE(claim_of("1  812 4711\n", ""));
    }

    TEST_CASE("the guard's own text is one, of a process that is there") {
        char text[kClaimMost];
        size_t size = claim_text("/proc", getpid(), text);
        REQUIRE(size > 0);
        std::string all(text, size), boot = all.substr(2, all.find(' ', 2) - 2);
        auto claim = claim_of(all, boot);
        REQUIRE(claim);
        CHECK(claim->pid == getpid());
        CHECK(claim->started == process_stat("/proc", getpid())->started_at());
        CHECK(claim_text("/proc", 4194304, text) == 0);
        CHECK(claim_text("/nonexistent", getpid(), text) == 0);
        // A name in the second field that looks like the rest of the line; and lines that are none.
        TempDir proc;
        auto folder = [&](const char* path) { mkdir((proc / path).c_str(), 0755); };
        for (const char* path : {"sys", "sys/kernel", "sys/kernel/random", "9"}) folder(path);
        proc.write("sys/kernel/random/boot_id", "b0b0\n", 0644);
        proc.write("9/stat", "9 (a) R 1 ) 2) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20\n", 0644);
        size = claim_text(proc.path().c_str(), 9, text);
        CHECK(std::string(text, size) == "1 b0b0 9 777\n");
        for (const char* stat : {"", "9 (a) S 1 2", "9 a S 1 2 3", "9 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20"}) {
            proc.write("9/stat", stat, 0644);
            CHECK(claim_text(proc.path().c_str(), 9, text) == 0);
        }
        proc.write("sys/kernel/random/boot_id", "b 0\n", 0644);
        CHECK(claim_text(proc.path().c_str(), 9, text) == 0);
    }

    TEST_CASE("left, read, and removed") {
        Place p;
        CHECK(p.read().empty());
        CHECK(p.leave("gdm", "1 b0b0 812 4711\n"));
        CHECK(p.leave("alsa", "1 b0b0 813 4712\n"));
        CHECK(p.leave("alsa", "1 b0b0 814 4713\n"));  // another start of it
        CHECK(p.leave("old", "1 b0b1 815 4713\n"));
        p.dir.write("claims/.815", "1 b0b0", 0600);  // half-written
        p.dir.write("claims/open", "1 b0b0 816 4713\n", 0666);
        chmod((p.dir / "claims/open").c_str(), 0666);
        auto claims = p.read();
        REQUIRE(claims.size() == 2);
        CHECK(claims[0].unit == "alsa");
        CHECK(claims[0].pid == 814);
        CHECK(claims[1].unit == "gdm");
        CHECK((p.has("gdm") && p.has("alsa") && !p.has("old") && !p.has(".815") && !p.has("open")));
        remove_claim(p.fd, "gdm");
        remove_claim(p.fd, "../lock");
        take_claim_back(p.fd, "alsa");
        CHECK(p.read().empty());
    }

    TEST_CASE("no link is followed, and nothing but files of our own is read") {
        Place p;
        std::string outside = p.dir.write("outside", "1 b0b0 812 4711\n", 0600);
        mkdir((p.dir / "other").c_str(), 0700);
        REQUIRE(symlink("other", (p.dir / "claims").c_str()) == 0);
        CHECK_FALSE(p.leave("gdm", "1 b0b0 812 4711\n"));
        CHECK(p.read().empty());
        unlink((p.dir / "claims").c_str());
        mkdir((p.dir / "claims").c_str(), 0700);
        REQUIRE(symlink(outside.c_str(), (p.dir / "claims/gdm").c_str()) == 0);
        REQUIRE(mkfifo((p.dir / "claims/pipe").c_str(), 0600) == 0);
        mkdir((p.dir / "claims/folder").c_str(), 0700);
        CHECK(p.read().empty());
        CHECK(access(outside.c_str(), F_OK) == 0);
        // Written in its place, and not through it.
        REQUIRE(symlink(outside.c_str(), (p.dir / "claims/gdm").c_str()) == 0);
        CHECK(p.leave("gdm", "1 b0b0 900 4711\n"));
        CHECK(p.read().at(0).pid == 900);
        chmod((p.dir / "claims").c_str(), 0777);
        CHECK_FALSE(p.leave("alsa", "1 b0b0 900 4711\n"));
        CHECK(p.read().empty());
    }

    TEST_CASE("there are so many at most") {
        Place p;
        for (size_t i = 0; i < kClaimsMost; ++i) CHECK(p.leave("u" + std::to_string(i), "1 b0b0 812 4711\n"));
        CHECK_FALSE(p.leave("more", "1 b0b0 812 4711\n"));
        CHECK(p.leave("u7", "1 b0b0 813 4711\n"));
        CHECK(p.read().size() == kClaimsMost);
    }
}
