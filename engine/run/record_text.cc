// See record_text.h. Fields stand in the order of the structs in engine/plan/saved.h. A change to
// them needs a new number in the header line (saved_state.cc), so that an older engine leaves the journal
// alone instead of skipping the lines that it cannot read. New fields stand last and may be missing: an engine
// that is started after an upgrade goes on with the old one's journal.
#include "engine/run/record_text.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "conditions/terms.h"
#include "conditions/text.h"
#include "engine/run/record_fields.h"

namespace devmux {
namespace {

// ---- Writing ------------------------------------------------------------------------------------

void put(std::string_view text, std::string& out) {
    out += '\t';
    for (char c : text) {
        switch (c) {
            case '\t': out += "\\t"; break;
            case '\n': out += "\\n"; break;
            case '\\': out += "\\\\"; break;
            case '\0': out += "\\0"; break;
            default: out += c;
        }
    }
}

void put(uint64_t number, std::string& out) {
    char digits[24];
    out += '\t';
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void put(const Generation& generation, std::string& out) {
    put(generation.inode, out);
    put(generation.ifindex, out);
    put(generation.diskseq, out);
}

struct Writer {
    std::string& out;

    void operator()(const SavedUnit& unit) const {
        out += "\nunit";
        put(unit.unit, out);
        put(to_string(unit.verdict), out);
        put(to_string(unit.stop_verdict), out);
        put(to_string(unit.wanted), out);
        put(to_string(unit.actual), out);
        put(to_string(unit.hold), out);
        put(uint64_t{unit.again}, out);
        put(unit.job, out);
        put(to_string(unit.asker), out);
        put(to_string(unit.owed), out);
        put(unit.script, out);
        put(uint64_t{unit.forced}, out);
    }
    void operator()(const SavedLatch& latch) const {
        out += "\nlatch";
        put(latch.unit, out);
        put(latch.leaf, out);
        put(latch.winner.devpath, out);
        put(latch.winner.generation, out);
        put(uint64_t{latch.cleared}, out);
    }
    void operator()(const SavedRun& run) const {
        out += "\nrun";
        put(run.unit, out);
        put(run.devpath, out);
        put(run.generation, out);
        put(run.job, out);
    }
    void operator()(const SavedMark& mark) const {
        std::array<char, kMarkMax> line;
        size_t size = format_mark(line, mark.job, mark.pid, mark.at);
        out.append(line.data(), size - 2);  // the end is put on by append_line()
    }
    void operator()(const SavedEnd& end) const {
        out += "\nend";
        put(end.job, out);
    }
    void operator()(const SavedSettled&) const { out += "\nsettled"; }
    void operator()(const SavedGoingDown& end) const {
        out += "\ngoing-down";
        put(uint64_t{end.down}, out);
    }
    void operator()(const SavedDaemon& daemon) const {
        out += "\ndaemon";
        put(daemon.unit, out);
        put(daemon.job, out);
    }
    void operator()(const SavedRefresh& refresh) const {
        out += "\nrefresh";
        put(refresh.unit, out);
        put(refresh.job, out);
        put(uint64_t{refresh.due}, out);
        put(uint64_t{refresh.known}, out);
        put(refresh.devices, out);
    }
    void operator()(const SavedInstance& instance) const {
        out += "\ninstance";
        put(instance.unit, out);
        put(instance.of, out);
        put(instance.device.devpath, out);
        put(instance.device.generation, out);
        put(instance.block, out);
    }
    void operator()(const SavedNever& never) const {
        out += "\nnever";
        put(never.unit, out);
        put(uint64_t{never.was_true}, out);
        put(uint64_t{never.acted}, out);
    }
    void operator()(const SavedClaim& claim) const {
        out += "\nclaim";
        put(claim.unit, out);
        put(static_cast<uint64_t>(std::max(claim.pid, 0)), out);
        put(static_cast<uint64_t>(std::max<int64_t>(claim.started.count(), 0)), out);
    }
    void operator()(const SavedCarried& carried) const {
        out += "\ncarried";
        put(uint64_t{carried.carried}, out);
        std::string links;
        for (uint64_t link : carried.links) links += (links.empty() ? "" : " ") + std::to_string(link);
        put(links, out);
    }
    void operator()(const SavedMode& mode) const {
        out += "\nmode";
        put(mode.mode, out);
    }
};

// ---- Reading ------------------------------------------------------------------------------------

std::optional<Truth> truth_of_word(std::string_view word) {
    for (Truth truth : {Truth::False, Truth::Unknown, Truth::True})
        if (word == to_string(truth)) return truth;
    return std::nullopt;
}

template <class T>
std::optional<Record> record_if(const Fields& fields, T&& value) {
    if (!fields.whole()) return std::nullopt;
    return Record(std::forward<T>(value));
}

}  // namespace

void append_line(const Record& record, std::string& out) {
    std::visit(Writer{out}, record);
    out += "\t.";
}

// A braced list is evaluated from left to right: the fields are taken in their order.
std::optional<Record> record_of(std::string_view line) {
    Fields fields(line);
    std::string_view kind = fields.raw();
    if (kind == "unit") {
        SavedUnit unit{.unit = fields.name(),
                       .verdict = fields.word(truth_of_word),
                       .stop_verdict = fields.word(truth_of_word),
                       .wanted = fields.word(wanted_of),
                       .actual = fields.word(actual_of),
                       .hold = fields.word(hold_of),
                       .again = fields.number(1) == 1,
                       .job = fields.number()};
        // Format 1 ended here: an engine that is started after an upgrade goes on with what it finds.
        if (!fields.whole()) {
            unit.asker = fields.word(asker_of);
            unit.owed = fields.word(owed_of);
        }
        // … and format 2 here, or behind the script, which it had got without a number of its own.
        if (!fields.whole()) unit.script = fields.text();
        if (!fields.whole()) unit.forced = fields.number(1) == 1;
        return record_if(fields, std::move(unit));
    }
    if (kind == "latch") {
        SavedLatch latch{.unit = fields.name(),
                         .leaf = fields.text(),
                         .winner = {.devpath = fields.text(), .generation = fields.generation()},
                         .cleared = fields.number(1) == 1};
        return record_if(fields, std::move(latch));
    }
    if (kind == "run") {
        SavedRun run{.unit = fields.name(),
                     .devpath = fields.name(),
                     .generation = fields.generation(),
                     .job = fields.number()};
        return record_if(fields, std::move(run));
    }
    if (kind == "mark") {
        SavedMark mark{
            .job = fields.number(),
            .pid = static_cast<int>(fields.number(std::numeric_limits<int>::max())),
            .at = Time(static_cast<int64_t>(fields.number(std::numeric_limits<int64_t>::max())))};
        return record_if(fields, std::move(mark));
    }
    if (kind == "end") {
        SavedEnd end{.job = fields.number()};
        return record_if(fields, std::move(end));
    }
    if (kind == "settled") return record_if(fields, SavedSettled{});
    if (kind == "going-down") {
        SavedGoingDown end{.down = fields.number(1) == 1};
        return record_if(fields, end);
    }
    if (kind == "daemon") {
        SavedDaemon daemon{.unit = fields.name(), .job = fields.number()};
        return record_if(fields, std::move(daemon));
    }
    if (kind == "refresh") {
        SavedRefresh refresh{.unit = fields.name(),
                             .job = fields.number(),
                             .due = fields.number(1) == 1,
                             .known = fields.number(1) == 1,
                             .devices = fields.number()};
        return record_if(fields, std::move(refresh));
    }
    if (kind == "instance") {
        SavedInstance instance{.unit = fields.name(),
                               .of = fields.text(),
                               .device = {.devpath = fields.text(), .generation = fields.generation()},
                               .block = fields.text()};
        return record_if(fields, std::move(instance));
    }
    if (kind == "never") {
        SavedNever never{
            .unit = fields.name(), .was_true = fields.number(1) == 1, .acted = fields.number(1) == 1};
        return record_if(fields, std::move(never));
    }
    if (kind == "claim") {
        SavedClaim claim{
            .unit = fields.name(),
            .pid = static_cast<int>(fields.number(std::numeric_limits<int>::max())),
            .started = Time(static_cast<int64_t>(fields.number(std::numeric_limits<int64_t>::max())))};
        return record_if(fields, std::move(claim));
    }
    if (kind == "carried") {
        SavedCarried carried{.carried = fields.number(1) == 1};
        if (!fields.whole()) carried.links = fields.numbers();  // format 2 ended here
        return record_if(fields, std::move(carried));
    }
    if (kind == "mode") {
        SavedMode mode{.mode = fields.text()};
        if (!mode.mode.empty() && !is_mode_name(mode.mode)) return std::nullopt;
        return record_if(fields, std::move(mode));
    }
    return std::nullopt;
}

void append_last_job(JobId job, std::string& out) {
    out += "\nlast";
    put(job, out);
    out += "\t.";
}

std::optional<JobId> last_job_of(std::string_view line) {
    Fields fields(line);
    if (fields.raw() != "last") return std::nullopt;
    JobId job = fields.number();
    return fields.whole() ? std::optional(job) : std::nullopt;
}

// std::to_chars of integers touches nothing but the buffer: safe between clone and exec.
size_t format_mark(std::array<char, kMarkMax>& out, JobId job, int pid, Time at) {
    char* end = out.data() + out.size();
    char* to = out.data();
    for (char c : std::string_view("\nmark\t")) *to++ = c;
    to = std::to_chars(to, end, job).ptr;
    *to++ = '\t';
    to = std::to_chars(to, end, pid < 0 ? 0 : pid).ptr;
    *to++ = '\t';
    to = std::to_chars(to, end, at.count() < 0 ? 0 : at.count()).ptr;
    *to++ = '\t';
    *to++ = '.';
    return static_cast<size_t>(to - out.data());
}

}  // namespace devmux
