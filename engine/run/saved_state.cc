// See saved_state.h. What is kept of jobs is what somebody may still ask for: marks and ends of
// jobs that a unit or an each-event run still names. Everything else would grow with every event.
#include "engine/run/saved_state.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <set>

#include "conditions/text.h"
#include "engine/run/record_text.h"
#include "engine/system/descriptor.h"
#include "engine/system/errno_error.h"

namespace devmux {
namespace {

constexpr size_t kLineMax = size_t{1} << 20;  // a latch's leaf is the longest thing in it
constexpr size_t kWarningsMax = 5;
constexpr std::string_view kMagic = "devmux-journal ";

// 2: units say who asked for what is wanted of them, and later ones which script they stand for. 3: and that a
// stop was forced, and which links carry / and /usr. What was before is understood, what comes later is not.
constexpr int kFormat = 3;
std::string header_of(std::string_view boot_id, int format = kFormat) {
    return std::string(kMagic) + std::to_string(format) + " " + std::string(boot_id);
}

// The newest kRunsMax, oldest first.
std::vector<SavedRun> newest(std::vector<SavedRun> runs) {
    std::sort(runs.begin(), runs.end(),
              [](const SavedRun& a, const SavedRun& b) { return a.job < b.job; });
    if (runs.size() > kRunsMax)
        runs.erase(runs.begin(), runs.end() - static_cast<std::ptrdiff_t>(kRunsMax));
    return runs;
}

}  // namespace

StateReader::StateReader(std::string_view boot_id) : boot_id_(boot_id) { loaded_.state.carried = Truth::Unknown; }

void StateReader::feed(std::string_view bytes) {
    while (seen_ != Header::Foreign && !bytes.empty()) {
        size_t end = std::min(bytes.find('\n'), bytes.size());
        bool complete = end < bytes.size();
        // Only a line that was cut between two pieces is copied.
        if (partial_.empty() && complete && !too_long_) {
            line(bytes.substr(0, end));
        } else {
            if (partial_.size() + end > kLineMax) too_long_ = true;
            if (!too_long_) partial_ += bytes.substr(0, end);
            if (complete) {
                line(too_long_ ? "(too long)" : std::string_view(partial_));
                partial_.clear();
                too_long_ = false;
            }
        }
        bytes.remove_prefix(complete ? end + 1 : end);
    }
}

LoadedState StateReader::finish() {
    // The journal does not end with a newline: the last line is complete if its own end is there.
    if (seen_ == Header::Expected && !partial_.empty()) line(partial_);
    else if (seen_ == Header::Ours && (record_of(partial_) || last_job_of(partial_)))
        line(partial_);
    partial_.clear();
    SavedState& state = loaded_.state;
    for (auto& [key, latch] : latches_) state.latches.push_back(std::move(latch));
    for (auto& [key, run] : runs_) state.runs.push_back(std::move(run));
    state.runs = newest(std::move(state.runs));
    std::set<JobId> named;
    for (const auto& [name, unit] : state.units) named.insert(unit.job);
    for (const SavedRun& run : state.runs) named.insert(run.job);
    for (const auto& [name, job] : state.daemons) named.insert(job);
    for (const auto& [name, refresh] : state.refreshes) named.insert(refresh.job);
    auto forgotten = [&](const auto& entry) { return !named.contains(entry.first); };
    std::erase_if(state.marks, forgotten);
    std::erase_if(state.ended, forgotten);
    return std::move(loaded_);
}

void StateReader::line(std::string_view text) {
    ++number_;
    if (seen_ == Header::Expected) {
        bool ours = false, known = false;
        for (int format = 1; format <= kFormat; ++format) {
            ours |= text == header_of(boot_id_, format);
            known |= text.starts_with(header_of("", format));
        }
        seen_ = ours ? Header::Ours : Header::Foreign;
        // Another boot's journal says nothing about this one. Anything else was not written by us,
        // or by a devmux that writes another format.
        if (seen_ == Header::Foreign && !known)
            skip("expected \"" + header_of(boot_id_) + "\"; the journal is not used");
        return;
    }
    if (text.empty()) return;
    if (std::optional<Record> record = record_of(text)) return apply(std::move(*record));
    if (std::optional<JobId> job = last_job_of(text)) return saw(*job);
    skip("not a record: \"" + printable(text.substr(0, 80)) + "\"; skipped");
}

void StateReader::apply(Record&& record) {
    SavedState& state = loaded_.state;
    if (auto* unit = std::get_if<SavedUnit>(&record)) {
        saw(unit->job);
        std::string name = unit->unit;
        if (unit->verdict == Truth::True) {
            SavedNever& never = state.never[name];
            never.unit = name;
            never.was_true = true;
        }
        state.units.insert_or_assign(std::move(name), std::move(*unit));
    } else if (auto* latch = std::get_if<SavedLatch>(&record)) {
        Key key{latch->unit, latch->leaf};
        if (latch->cleared) latches_.erase(key);
        else latches_.insert_or_assign(std::move(key), std::move(*latch));
    } else if (auto* run = std::get_if<SavedRun>(&record)) {
        saw(run->job);
        Key key{run->unit, run->devpath};
        // The run that it replaces is named by nobody any more; job 0 replaces it by nothing: the
        // device is gone.
        auto [place, fresh] = runs_.try_emplace(std::move(key));
        if (!fresh && place->second.job != run->job) {
            state.marks.erase(place->second.job);
            state.ended.erase(place->second.job);
        }
        if (run->job == 0) runs_.erase(place);
        else place->second = std::move(*run);
    } else if (auto* mark = std::get_if<SavedMark>(&record)) {
        saw(mark->job);
        if (mark->pid == 0) state.marks.erase(mark->job);
        else state.marks[mark->job] = *mark;
    } else if (auto* end = std::get_if<SavedEnd>(&record)) {
        saw(end->job);
        state.ended[end->job] = true;
    } else if (auto* end = std::get_if<SavedGoingDown>(&record)) {
        state.going_down = end->down;
    } else if (auto* server = std::get_if<SavedCarried>(&record)) {
        state.carried = truth_of(server->carried);
        state.carriers = {server->links.begin(), server->links.end()};
    } else if (auto* mode = std::get_if<SavedMode>(&record)) {
        state.mode = std::move(mode->mode);
    } else if (auto* daemon = std::get_if<SavedDaemon>(&record)) {
        saw(daemon->job);
        if (daemon->job == 0) state.daemons.erase(daemon->unit);
        else state.daemons[daemon->unit] = daemon->job;
    } else if (auto* refresh = std::get_if<SavedRefresh>(&record)) {
        saw(refresh->job);
        std::string name = refresh->unit;
        state.refreshes.insert_or_assign(std::move(name), std::move(*refresh));
    } else if (auto* instance = std::get_if<SavedInstance>(&record)) {
        std::string name = instance->unit;
        if (!instance->of.empty()) {
            state.instances.insert_or_assign(std::move(name), std::move(*instance));
            return;
        }
        // Forgotten, with all that was remembered of it: the next one of that name is another.
        state.instances.erase(name);
        state.units.erase(name);
        state.never.erase(name);
        state.daemons.erase(name);
        state.refreshes.erase(name);
        std::erase_if(latches_, [&](const auto& entry) { return entry.first.first == name; });
    } else if (auto* never = std::get_if<SavedNever>(&record)) {
        std::string name = never->unit;
        state.never.insert_or_assign(std::move(name), std::move(*never));
    } else if (auto* claim = std::get_if<SavedClaim>(&record)) {
        std::string name = claim->unit;
        state.claims.insert_or_assign(std::move(name), std::move(*claim));
    } else {
        state.settled = true;
    }
}

void StateReader::skip(std::string what) {
    ++loaded_.skipped;
    if (loaded_.warnings.size() < kWarningsMax)
        loaded_.warnings.push_back(Error{Mark{kJournalName, number_}, std::move(what)});
}

void StateReader::saw(JobId job) { loaded_.state.last_job = std::max(loaded_.state.last_job, job); }

Result<LoadedState> read_saved_state(int directory_fd, std::string_view boot_id) {
    StateReader reader(boot_id);
    Descriptor fd(openat(directory_fd, kJournalName, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd && errno == ENOENT) return reader.finish();
    struct stat status {};
    if (!fd || fstat(fd.get(), &status) != 0)
        return errno_error(kJournalName, "the saved state cannot be opened", errno);
    if (!S_ISREG(status.st_mode))
        return Error{Mark{kJournalName}, "not a regular file, which the saved state is", "", -1,
                     "remove it"};
    if (static_cast<uint64_t>(status.st_size) > kJournalMax)
        return Error{Mark{kJournalName}, "the saved state is larger than 64 MiB", "", -1,
                     "move it away; what runs already will then be started again"};
    constexpr size_t kPiece = size_t{64} << 10;
    auto piece = std::make_unique<char[]>(kPiece);
    for (size_t total = 0; total <= kJournalMax;) {
        ssize_t size = read(fd.get(), piece.get(), kPiece);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return errno_error(kJournalName, "the saved state cannot be read", errno);
        if (size == 0) break;
        total += static_cast<size_t>(size);
        reader.feed(std::string_view(piece.get(), static_cast<size_t>(size)));
    }
    return reader.finish();
}

std::string text_of(const SavedState& state, std::string_view boot_id) {
    std::string out = header_of(boot_id);
    append_last_job(state.last_job, out);
    for (const auto& [name, instance] : state.instances) append_line(instance, out);
    for (const auto& [name, unit] : state.units) append_line(unit, out);
    for (const auto& [name, never] : state.never) {
        auto unit = state.units.find(name);
        bool said = !never.acted && unit != state.units.end() && unit->second.verdict == Truth::True;
        if (!said) append_line(never, out);
    }
    for (const SavedLatch& latch : state.latches) append_line(latch, out);
    for (const SavedRun& run : state.runs) append_line(run, out);
    for (const auto& [name, job] : state.daemons) append_line(SavedDaemon{name, job}, out);
    for (const auto& [name, refresh] : state.refreshes) append_line(refresh, out);
    for (const auto& [name, claim] : state.claims) append_line(claim, out);
    for (const auto& [job, mark] : state.marks) append_line(mark, out);
    for (const auto& [job, ended] : state.ended)
        if (ended) append_line(SavedEnd{job}, out);
    if (state.settled) append_line(SavedSettled{}, out);
    if (state.going_down) append_line(SavedGoingDown{}, out);
    if (state.carried != Truth::Unknown)
        append_line(SavedCarried{state.carried == Truth::True, {state.carriers.begin(), state.carriers.end()}}, out);
    if (!state.mode.empty()) append_line(SavedMode{state.mode}, out);
    return out;
}

}  // namespace devmux
