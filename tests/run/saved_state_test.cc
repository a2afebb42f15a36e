// The saved state as text: round trips, what is in force, and what is made of damage.
#include "engine/run/saved_state.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/run/record_text.h"
#include "engine/system/descriptor.h"
#include "tests/run/temp_dir.h"

using namespace devmux;
using namespace std::string_literals;

namespace {

constexpr const char* kBoot = "boot-1";
const std::string kHeader = "devmux-journal 3 boot-1";

std::string line_of(const Record& record) {
    std::string out;
    append_line(record, out);
    return out;
}

LoadedState load(std::string_view text, size_t piece = 1 << 20) {
    StateReader reader(kBoot);
    for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
        reader.feed(text.substr(0, piece));
    return reader.finish();
}

SavedUnit unit_record(const std::string& name, JobId job = 0) {
    return {.unit = name,
            .verdict = Truth::True,
            .stop_verdict = Truth::Unknown,
            .wanted = Wanted::Up,
            .actual = Actual::Starting,
            .hold = Hold::Up,
            .again = true,
            .job = job,
            .asker = Asker::Unit,
            .owed = Owed::OnFailure,
            .forced = true};
}

SavedRun run_record(const std::string& devpath, uint64_t inode, JobId job) {
    return {.unit = "u", .devpath = devpath, .generation = {.inode = inode}, .job = job};
}

// A few records of each kind, with names that need escaping.
std::vector<Record> records() {
    return {
        unit_record("gdm", 1),
        SavedLatch{
            .unit = "ntpdate", .leaf = "first \"a\tb\\\"", .winner = {"/devices/x\ny", {7, 2, 3}}},
        run_record("/devices/a", 11, 2),
        SavedMark{.job = 1, .pid = 4711, .at = Time(123456789012)},
        SavedMark{.job = 2, .pid = 4712, .at = Time(123456789013)},
        SavedEnd{.job = 2},
        unit_record("tab\tnew\nline\\", 3),
        SavedLatch{.unit = "ntpdate", .leaf = "first x", .winner = {"/devices/z", {}}},
        SavedLatch{.unit = "ntpdate", .leaf = "first x", .cleared = true},
        SavedDaemon{.unit = "spaced out\t", .job = 3},
        SavedDaemon{.unit = "gone", .job = 4},
        SavedDaemon{.unit = "gone", .job = 0},
        SavedRefresh{.unit = "spaced out\t", .job = 0, .due = true, .known = true, .devices = ~uint64_t{0}},
        SavedNever{.unit = "odd\n", .was_true = true, .acted = false},
        SavedNever{.unit = "gdm", .was_true = false, .acted = true},
        SavedClaim{.unit = "gdm", .pid = 812, .started = Time(1230000000)},
        SavedClaim{.unit = "odd\n", .pid = INT32_MAX, .started = Time(INT64_MAX)},
        SavedInstance{.unit = "d@\xff", .of = "d", .device = {"/devices/\t", {1, 2, 3}}, .block = "A=1\0B=\n\\0\0"s},
        SavedSettled{}, SavedGoingDown{}, SavedGoingDown{false}, SavedCarried{}, SavedCarried{false}, SavedCarried{true, {2, 17}}, SavedMode{"docked"}, SavedMode{}, SavedMode{"quiet"}};
}

}  // namespace

TEST_SUITE("run/saved_state") {
    TEST_CASE("each record reads back as it was written") {
        for (const Record& record : records()) {
            std::string line = line_of(record);
            REQUIRE(line.front() == '\n');
            CHECK(line.find('\n', 1) == line.npos);
            std::optional<Record> back = record_of(std::string_view(line).substr(1));
            REQUIRE(back);
            CHECK(back->index() == record.index());
            CHECK(line_of(*back) == line);
        }
        auto unit = record_of(line_of(unit_record("a\\tb", 9)).substr(1));
        CHECK(std::get<SavedUnit>(*unit) == unit_record("a\\tb", 9));
        SavedUnit chosen = unit_record("gdm", 9);
        chosen.script = "lightdm";
        unit = record_of(line_of(chosen).substr(1));
        REQUIRE(unit);
        CHECK(std::get<SavedUnit>(*unit) == chosen);
    }

    TEST_CASE("the child's mark is the line of a SavedMark") {
        std::array<char, kMarkMax> out;
        size_t size = format_mark(out, UINT64_MAX, INT32_MAX, Time(INT64_MAX));
        CHECK(std::string(out.data(), size) ==
              line_of(SavedMark{UINT64_MAX, INT32_MAX, Time(INT64_MAX)}));
        CHECK(size <= kMarkMax);
    }

    TEST_CASE("the last record of each thing is in force") {
        std::string text = kHeader;
        for (const Record& record : records()) text += line_of(record);
        SavedUnit later = unit_record("gdm", 4);
        later.actual = Actual::Active;
        text += line_of(later);
        LoadedState loaded = load(text);
        const SavedState& state = loaded.state;
        CHECK(loaded.skipped == 0);
        CHECK(state.units.size() == 2);
        CHECK(state.units.at("gdm") == later);
        CHECK(state.claims.size() == 2);
        CHECK(state.claims.at("gdm") == SavedClaim{"gdm", 812, Time(1230000000)});
        REQUIRE(state.latches.size() == 1);
        CHECK(state.latches[0].leaf == "first \"a\tb\\\"");
        CHECK(state.latches[0].winner == Witness{"/devices/x\ny", {7, 2, 3}});
        REQUIRE(state.runs.size() == 1);
        CHECK(state.runs[0].generation == Generation{.inode = 11});
        CHECK(state.marks.size() == 1);  // job 1 is named by nobody any more
        CHECK(state.marks.at(2).pid == 4712);
        CHECK(state.marks.at(2).at == Time(123456789013));
        CHECK(state.ended == std::map<JobId, bool>{{2, true}});
        CHECK(state.last_job == 4);
        CHECK(state.settled);
        CHECK_FALSE(load(kHeader).state.settled);
    }

    TEST_CASE("that a condition was true is remembered, though it is no longer") {
        SavedUnit unit{.unit = "u", .verdict = Truth::True};
        std::string text = kHeader + line_of(unit);
        unit.verdict = Truth::False;
        SavedState state = load(text + line_of(unit)).state;
        CHECK(state.never.at("u") == SavedNever{"u", true, false});
        CHECK(load(text_of(state, kBoot)).state.never == state.never);
        CHECK(load(kHeader + line_of(unit)).state.never.empty());
        // Where the unit says so itself, nothing else does.
        CHECK(text_of(load(text).state, kBoot).find("never") == std::string::npos);
        state.never["u"].acted = true;
        CHECK(load(text_of(state, kBoot)).state.never == state.never);
    }

    TEST_CASE("runs: one per unit and device; replaced, and forgotten") {
        std::string text = kHeader + line_of(run_record("/a", 1, 1)) +
                           line_of(SavedMark{1, 10, {}}) + line_of(SavedEnd{1}) +
                           line_of(run_record("/b", 2, 2)) + line_of(SavedMark{2, 11, {}}) +
                           line_of(run_record("/a", 3, 3));
        SavedState state = load(text).state;
        REQUIRE(state.runs.size() == 2);
        CHECK(state.runs[0].job == 2);  // in the order of the jobs
        CHECK(state.runs[1].generation == Generation{.inode = 3});
        CHECK(state.ended.empty());
        CHECK(state.marks.size() == 1);
        state = load(text + line_of(run_record("/b", 0, 0))).state;
        REQUIRE(state.runs.size() == 1);
        CHECK(state.runs[0].devpath == "/a");
        CHECK(state.marks.empty());
        CHECK(state.last_job == 3);
        // The same job written twice keeps its mark.
        state = load(text + line_of(run_record("/b", 2, 2))).state;
        CHECK(state.marks.contains(2));
    }

    TEST_CASE("an instance that is forgotten takes all with it that was remembered of it") {
        SavedInstance instance{.unit = "d@a", .of = "d", .device = {"/devices/a", {7, 0, 0}}, .block = "A=1\0"s};
        std::string text = kHeader + line_of(instance) + line_of(unit_record("d@a", 1)) + line_of(unit_record("d@ab", 2)) +
                           line_of(SavedDaemon{.unit = "d@a", .job = 1}) +
                           line_of(SavedNever{.unit = "d@a", .was_true = true, .acted = true}) +
                           line_of(SavedLatch{.unit = "d@a", .leaf = "first x", .winner = {"/devices/z", {}}});
        SavedState there = load(text).state;
        CHECK(there.instances.at("d@a") == instance);
        CHECK(there.units.size() == 2);
        SavedState gone = load(text + line_of(SavedInstance{.unit = "d@a", .of = "", .device = {}, .block = ""})).state;
        CHECK(gone.instances.empty());
        CHECK(gone.units.size() == 1);
        CHECK(gone.units.contains("d@ab"));
        CHECK(gone.daemons.empty());
        CHECK_FALSE(gone.never.contains("d@a"));
        CHECK(gone.latches.empty());
    }

    TEST_CASE("a mark that was taken back is none") {
        std::string text =
            kHeader + line_of(unit_record("u", 5)) + line_of(SavedMark{5, 10, Time(1)});
        CHECK(load(text).state.marks.contains(5));
        CHECK(load(text + line_of(SavedMark{5, 0, Time(2)})).state.marks.empty());
    }

    TEST_CASE("the compacted text says the same, and does not grow") {
        std::string text = kHeader;
        for (const Record& record : records()) text += line_of(record);
        LoadedState once = load(text);
        std::string compact = text_of(once.state, kBoot);
        LoadedState twice = load(compact);
        CHECK(twice.skipped == 0);
        CHECK(text_of(twice.state, kBoot) == compact);
        CHECK(twice.state.units == once.state.units);
        CHECK(twice.state.daemons == std::map<std::string, JobId>{{"spaced out\t", 3}});
        CHECK(twice.state.last_job == 4);
        CHECK(load(text_of(SavedState{.last_job = 77}, kBoot)).state.last_job == 77);
    }

    TEST_CASE("cut off anywhere: what was whole before is in force, nothing else") {
        std::vector<Record> all = records();
        std::string text = kHeader;
        std::string whole = text_of(load(text).state, kBoot);
        for (const Record& record : all) {
            std::string line = line_of(record);
            for (size_t cut = 0; cut < line.size(); ++cut) {
                LoadedState loaded = load(text + line.substr(0, cut));
                CHECK(text_of(loaded.state, kBoot) == whole);
                CHECK(loaded.skipped == 0);
                // Not the last line any more: counted, and the one after it is not swallowed.
                loaded = load(text + line.substr(0, cut) + line_of(SavedEnd{.job = 999}));
                CHECK(loaded.state.last_job == 999);
                CHECK(loaded.skipped == (cut > 1 ? 1 : 0));
            }
            text += line;
            whole = text_of(load(text).state, kBoot);
        }
        CHECK(load(text).state.units.size() == 2);
    }

    TEST_CASE("read in pieces of any size") {
        std::string text = kHeader;
        for (const Record& record : records()) text += line_of(record);
        std::string whole = text_of(load(text).state, kBoot);
        for (size_t piece = 1; piece <= text.size(); ++piece)
            CHECK(text_of(load(text, piece).state, kBoot) == whole);
    }

    TEST_CASE("another boot's journal, none of ours, and another format") {
        std::string rest = line_of(unit_record("gdm", 1));
        LoadedState other = load("devmux-journal 1 boot-2" + rest);
        CHECK(other.state.units.empty());
        CHECK(other.state.last_job == 0);
        CHECK(other.skipped == 0);
        for (const char* header : {"devmux-journal 4 boot-1", "garbage",
                                   "\x7F"
                                   "ELF",
                                   " "}) {
            LoadedState loaded = load(header + rest);
            CHECK(loaded.state.units.empty());
            REQUIRE(loaded.warnings.size() == 1);
            CHECK(loaded.warnings[0].to_string().find("journal:1: expected") == 0);
        }
        CHECK(load("").warnings.empty());
    }

    TEST_CASE("format 1, which did not say who asked: an engine after an upgrade goes on with what it finds") {
        LoadedState old = load("devmux-journal 1 boot-1\nunit\tgdm\ttrue\tfalse\tup\tactive\tnone\t0\t4\t.");
        CHECK(old.skipped == 0);
        REQUIRE(old.state.units.contains("gdm"));
        const SavedUnit& gdm = old.state.units.at("gdm");
        CHECK(gdm.actual == Actual::Active);
        CHECK(gdm.job == 4);
        CHECK(gdm.asker == Asker::Nobody);
        CHECK(gdm.owed == Owed::Nothing);
        CHECK_FALSE(gdm.forced);
        CHECK(load("devmux-journal 1 boot-2\nsettled\t.").warnings.empty());
        CHECK(load(kHeader).warnings.empty());
    }

    TEST_CASE("format 2, which did not say what was forced, and over which links / comes") {
        LoadedState old = load("devmux-journal 2 boot-1\nunit\tgdm\ttrue\tfalse\tdown\tactive\tdown\t0\t4\thand\tthen\t.\ncarried\t1\t.");
        CHECK(old.skipped == 0);
        CHECK(old.state.carried == Truth::True);
        CHECK(old.state.carriers.empty());
        CHECK(old.state.units.at("gdm") == SavedUnit{.unit = "gdm", .verdict = Truth::True, .actual = Actual::Active, .hold = Hold::Down,
                                                     .job = 4, .asker = Asker::Hand, .owed = Owed::Then});
        old = load("devmux-journal 2 boot-1\nunit\tgdm\ttrue\tfalse\tup\tactive\tnone\t0\t4\thand\tthen\tlightdm\t.\nsettled\t.");
        CHECK(old.skipped == 0);
        CHECK(old.state.units.at("gdm").script == "lightdm");
        CHECK_FALSE(old.state.units.at("gdm").forced);
    }

    TEST_CASE("which links carry / and /usr: the last word; numbers alone") {
        std::string text = kHeader + line_of(SavedCarried{true, {2, 3}}) + line_of(SavedCarried{true, {3, 40}});
        SavedState state = load(text).state;
        CHECK(state.carriers == std::set<uint64_t>{3, 40});
        CHECK(load(kHeader).state.carried == Truth::Unknown);
        CHECK(load(text_of(load(kHeader).state, kBoot)).state.carried == Truth::Unknown);
        CHECK(load(text_of(load(kHeader + line_of(SavedCarried{false})).state, kBoot)).state.carried == Truth::False);
        CHECK(load(text_of(state, kBoot)).state.carriers == state.carriers);
        CHECK(load(text + line_of(SavedCarried{false})).state.carriers.empty());
        CHECK(load(kHeader + "\ncarried\t1\t2 x\t.\nsettled\t.").skipped == 1);
        CHECK(load(kHeader + "\ncarried\t1\t2  3\t.\nsettled\t.").skipped == 1);
    }

    TEST_CASE("lines that make no sense are skipped, counted, and told of") {
        std::string text = kHeader;
        std::vector<std::string> bad{"x",
                                     "end",
                                     "end\t",
                                     "end\t1",
                                     "end\t1\t",
                                     "end\t1\t.\t.",
                                     "end\t-1\t.",
                                     "end\t+1\t.",
                                     "end\t1x\t.",
                                     "end\t18446744073709551616\t.",
                                     "End\t1\t.",
                                     "mark\t1\t2147483648\t0\t.",
                                     "mark\t1\t5\t9223372036854775808\t.",
                                     "run\t\t/d\t1\t1\t1\t1\t.",
                                     "run\tu\t\t1\t1\t1\t1\t.",
                                     "unit\tu\tmaybe\tfalse\tup\tactive\tnone\t0\t0\t.",
                                     "unit\tu\ttrue\tfalse\tup\tactive\tnone\t2\t0\t.",
                                     "unit\tu\\x\ttrue\tfalse\tup\tactive\tnone\t0\t0\t.",
                                     "unit\tu\\\ttrue\tfalse\tup\tactive\tnone\t0\t0\t.",
                                     "unit\tu\ttrue\tfalse\tup\tactive\tnone\t0\t0\tnobody\tnothing\t\t2\t.",
                                     "last\tx\t.",
                                     "\t\t\t",
                                     "."};
        for (const std::string& line : bad) text += "\n" + line;
        LoadedState loaded = load(text + line_of(SavedEnd{7}));
        CHECK(loaded.skipped == bad.size());
        CHECK(loaded.warnings.size() == 5);
        CHECK(loaded.warnings[0].to_string() == "journal:2: not a record: \"x\"; skipped");
        CHECK(loaded.state.last_job == 7);
        CHECK(loaded.state.units.empty());
        CHECK(loaded.state.runs.empty());
        loaded = load(kHeader + "\n\033[2J" + line_of(SavedEnd{7}));
        CHECK(loaded.warnings.at(0).what.find("\\x1b") != std::string::npos);
    }

    TEST_CASE("a line without end is bounded") {
        std::string text = kHeader + "\n" + std::string(3 << 20, 'x') + line_of(SavedEnd{7});
        LoadedState loaded = load(text, 65536);
        CHECK(loaded.skipped == 1);
        CHECK(loaded.state.last_job == 7);
    }

    TEST_CASE("the oldest of very many runs are forgotten") {
        std::string text = kHeader;
        for (JobId job = 1; job <= kRunsMax + 5; ++job)
            append_line(run_record("/" + std::to_string(job), job, job), text);
        SavedState state = load(text).state;
        CHECK(state.runs.size() == kRunsMax);
        CHECK(state.runs.front().job == 6);
        CHECK(state.runs.back().job == kRunsMax + 5);
    }

    TEST_CASE("files: missing, no file, a link, too large") {
        TempDir dir;
        Descriptor fd(open(dir.path().c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
        auto loaded = read_saved_state(fd.get(), kBoot);
        REQUIRE(loaded);
        CHECK(loaded->state.units.empty());
        CHECK(loaded->warnings.empty());

        dir.write("journal", kHeader + line_of(unit_record("gdm", 1)));
        loaded = read_saved_state(fd.get(), kBoot);
        REQUIRE(loaded);
        CHECK(loaded->state.units.contains("gdm"));

        REQUIRE(truncate((dir / "journal").c_str(), (64 << 20) + 1) == 0);
        loaded = read_saved_state(fd.get(), kBoot);
        REQUIRE(!loaded);
        CHECK(loaded.error().what.find("64 MiB") != std::string::npos);

        std::filesystem::rename(dir / "journal", dir / "elsewhere");
        std::filesystem::create_symlink("elsewhere", dir / "journal");
        CHECK(!read_saved_state(fd.get(), kBoot));
        std::filesystem::remove(dir / "journal");
        REQUIRE(mkfifo((dir / "journal").c_str(), 0600) == 0);
        loaded = read_saved_state(fd.get(), kBoot);
        REQUIRE(!loaded);
        CHECK(loaded.error().what.find("regular file") != std::string::npos);
    }
}
