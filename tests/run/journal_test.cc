// The journal: what was appended is found again, whoever appended it and whatever went wrong.
#include "engine/run/journal.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include <array>

#include "engine/run/record_text.h"
#include "engine/run/saved_state.h"
#include "tests/run/temp_dir.h"

using namespace devmux;

namespace {

constexpr const char* kBoot = "boot-1";

struct Place {
    TempDir dir;
    Descriptor fd{open(dir.path().c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC)};

    LoadedState load(const char* boot = kBoot) const {
        auto loaded = read_saved_state(fd.get(), boot);
        REQUIRE(loaded);
        return *loaded;
    }
    Journal open_journal() const {
        auto journal = Journal::open(fd.get(), kBoot, load().state);
        REQUIRE(journal);
        return std::move(*journal);
    }
    uint64_t size() const { return std::filesystem::file_size(dir / "journal"); }
};

SavedUnit unit(const std::string& name, JobId job) { return {.unit = name, .job = job}; }

// As the child does it.
void mark(int fd, JobId job, int pid) {
    std::array<char, kMarkMax> line;
    size_t size = format_mark(line, job, pid, Time(5));
    REQUIRE(write(fd, line.data(), size) == static_cast<ssize_t>(size));
}

}  // namespace

TEST_SUITE("run/journal") {
    TEST_CASE("records of one engine are the next one's state") {
        Place place;
        {
            Journal journal = place.open_journal();
            CHECK(!journal.append(unit("gdm", 1)));
            mark(journal.fd(), 1, 42);
            CHECK(!journal.append(unit("ntpdate", 2)));
        }
        CHECK(place.dir.read("journal").starts_with("devmux-journal 3 boot-1\n"));
        Journal next = place.open_journal();
        LoadedState loaded = place.load();
        CHECK(loaded.state.units.size() == 2);
        CHECK(loaded.state.marks.at(1).pid == 42);
        CHECK(loaded.state.last_job == 2);
        CHECK(loaded.skipped == 0);
        CHECK_FALSE(place.dir.has("journal.new"));
    }

    TEST_CASE("the file is the owner's alone, the descriptor is closed on exec") {
        Place place;
        Journal journal = place.open_journal();
        struct stat status {};
        REQUIRE(fstat(journal.fd(), &status) == 0);
        CHECK((status.st_mode & 07777) == 0600);
        CHECK((fcntl(journal.fd(), F_GETFD) & FD_CLOEXEC) != 0);
        CHECK((fcntl(journal.fd(), F_GETFL) & O_APPEND) != 0);
        CHECK(journal.fd() > 2);
    }

    TEST_CASE("another boot's journal is replaced by an empty one") {
        Place place;
        {
            Journal journal = place.open_journal();
            CHECK(!journal.append(unit("gdm", 1)));
        }
        CHECK(place.load("boot-2").state.units.empty());
        auto journal = Journal::open(place.fd.get(), "boot-2", place.load("boot-2").state);
        REQUIRE(journal);
        CHECK(place.load("boot-1").state.units.empty());
        CHECK(!journal->append(unit("cups", 1)));
        CHECK(place.load("boot-2").state.units.contains("cups"));
    }

    TEST_CASE("compaction keeps what is in force, the descriptor's number, and children's marks") {
        Place place;
        Journal journal = place.open_journal();
        int fd = journal.fd();
        CHECK_FALSE(journal.wants_compaction());
        CHECK(!journal.append(unit("other", 3)));
        mark(fd, 3, 43);
        JobId job = 10;
        while (!journal.wants_compaction()) {
            REQUIRE(!journal.append(unit("gdm", ++job)));
            REQUIRE(job < 1'000'000);
        }
        CHECK(place.size() > (1 << 20));
        CHECK(place.size() < (1 << 20) + 4096);
        // What is in its way is told once, not after every record.
        REQUIRE(mkdir((place.dir / "journal.new").c_str(), 0755) == 0);
        CHECK(journal.compact());
        CHECK_FALSE(journal.wants_compaction());
        REQUIRE(rmdir((place.dir / "journal.new").c_str()) == 0);
        REQUIRE(!journal.compact());
        CHECK_FALSE(journal.wants_compaction());
        CHECK(place.size() < 4096);
        CHECK(journal.fd() == fd);
        mark(fd, job, 44);
        CHECK(!journal.append(unit("late", job + 1)));
        LoadedState loaded = place.load();
        CHECK(loaded.skipped == 0);
        CHECK(loaded.state.units.at("gdm").job == job);
        CHECK(loaded.state.units.size() == 3);
        CHECK(loaded.state.marks.at(3).pid == 43);
        CHECK(loaded.state.marks.at(job).pid == 44);
        CHECK(loaded.state.last_job == job + 1);
    }

    TEST_CASE("a full file system: the record is not in force, the next one is") {
        Place place;
        Journal journal = place.open_journal();
        CHECK(!journal.append(unit("before", 1)));
        rlimit old{};
        REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
        auto handler = signal(SIGXFSZ, SIG_IGN);
        rlimit tight{.rlim_cur = place.size() + 9, .rlim_max = old.rlim_max};
        REQUIRE(setrlimit(RLIMIT_FSIZE, &tight) == 0);
        auto half = journal.append(unit("half", 2));
        auto none = journal.append(unit("none", 3));
        tight.rlim_cur = 30;  // less than the shortest journal
        REQUIRE(setrlimit(RLIMIT_FSIZE, &tight) == 0);
        auto compacted = journal.compact();
        REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
        signal(SIGXFSZ, handler);
        REQUIRE(half);
        REQUIRE(none);
        REQUIRE(compacted);  // the old one stays
        CHECK(compacted->to_string().find("journal.new: cannot be written") == 0);
        CHECK_FALSE(place.dir.has("journal.new"));
        CHECK(half->to_string().find("journal: a record cannot be written") == 0);
        CHECK(!journal.append(unit("after", 4)));
        LoadedState loaded = place.load();
        CHECK(loaded.skipped == 1);
        CHECK(loaded.state.units.size() == 2);
        CHECK(loaded.state.units.contains("before"));
        CHECK(loaded.state.units.contains("after"));
    }

    TEST_CASE("a directory that is gone is an error, not a loss without a word") {
        Place place;
        Journal journal = place.open_journal();
        std::filesystem::remove_all(place.dir.path());
        CHECK(journal.compact());
        CHECK(!Journal::open(place.fd.get(), kBoot, SavedState{}));
    }
}
