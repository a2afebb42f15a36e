// See checkpoint_text.h: from lines to a checkpoint. Whatever a line says, what comes out can be lived with:
// lists are in order, indices in their bounds, names known.
#include <algorithm>
#include <utility>

#include "conditions/text.h"
#include "engine/model/unit_file.h"
#include "engine/recording/checkpoint_fields.h"
#include "engine/recording/checkpoint_text.h"
#include "engine/recording/event_links.h"
#include "engine/recording/event_mounts.h"
#include "engine/recording/event_text.h"
#include "engine/run/record_text.h"
#include "engine/run/saved_state.h"

namespace devmux {
namespace {

// In order, none touching the next.
bool read_ranges(std::string_view text, History::Checkpoint::Ranges& ranges) {
    for (std::string_view word : words_of(text)) {
        size_t dash = std::min(word.find('-'), word.size());
        auto first = number_of(word.substr(0, dash));
        auto last = dash < word.size() ? number_of(word.substr(dash + 1)) : first;
        if (!first || !last || *last < *first || (!ranges.empty() && *first <= ranges.back().second)) return false;
        ranges.emplace_back(*first, *last);
    }
    return true;
}

bool read_witness(const std::vector<std::string_view>& words, size_t& at, std::optional<Witness>& out) {
    if (at < words.size() && words[at] == "-") return ++at, true;
    if (at + 4 > words.size()) return false;
    Witness& w = out.emplace();
    bool good = read_field(words[at], w.devpath) && read_field(words[at + 1], w.generation.inode) &&
                read_field(words[at + 2], w.generation.ifindex) && read_field(words[at + 3], w.generation.diskseq);
    at += 4;
    return good;
}

bool read_slot(std::string_view text, Memory& memory) {
    auto words = words_of(text);
    auto index = words.size() > 4 ? number_of(words[0]) : std::nullopt;
    if (!index || *index >= kConditionSlots) return false;
    if (memory.slots.size() <= *index) memory.slots.resize(*index + 1);
    Memory::Slot& slot = memory.slots[*index];
    if (words[1] != "-" && !read_field(words[1], slot.true_since.emplace())) return false;
    slot.doubted = words[2] == "doubted";
    size_t at = 3;
    return read_witness(words, at, slot.latch) && read_witness(words, at, slot.by) && at == words.size();
}

}  // namespace

bool CheckpointReader::knows(std::string_view word) {
    for (std::string_view known : {"checkpoint", "history", "known-file", "known-mount", "known-link", "known-route", "known-script", "known",
                                   "grave", "late", "last-look", "orphan", "managed", "managed-one", "for-device", "running", "queue",
                                   "pending", "slot", "coming", "lane", "queued", "turn", "last-run", "handled", "waiting", "ran", "absent"})
        if (word == known) return true;
    return false;
}

template <class T>
std::optional<Error> CheckpointReader::fields(const TraceLine& line, T& value, DeviceDetails& d) {
    bool good = true;
    auto error = cursor_.details(d, [&](std::string_view key, std::string_view text) {
        FieldReader reader(key, text);
        devmux::fields(value, reader);
        good &= reader.good();
        return reader.known();
    });
    if (error || good) return error;
    return cursor_.wrong(line, "one of the lines below it says no value that it can have");
}

std::optional<Error> CheckpointReader::words(const TraceLine& line, size_t count, Words& out) const {
    for (std::string_view word : words_of(line.rest())) {
        auto text = unescaped(word);
        if (!text) return cursor_.wrong(line, "a backslash stands before \\, & or xNN");
        out.push_back(std::move(*text));
    }
    if (out.size() == count) return std::nullopt;
    return cursor_.wrong(line, "expected " + std::to_string(count) + " words behind " + quoted(line.word()));
}

std::optional<Error> CheckpointReader::known(const TraceLine& line) {
    Words w;
    if (auto error = words(line, 1, w)) return error;
    DeviceTableCheckpoint::Known k;
    DeviceDetails d;
    std::string classes;
    bool has_classes = false, good = true;
    auto error = cursor_.details(d, [&](std::string_view key, std::string_view text) {
        if (key == "classes") return has_classes = true, good &= read_field(text, classes), true;
        FieldReader reader(key, text);
        devmux::fields(k, reader);
        good &= reader.good();
        return reader.known();
    });
    if (error) return error;
    if (!good || w[0].size() < 2 || w[0][0] != '/') return cursor_.wrong(line, "this is no device that can be");
    k.devpath = w[0];
    k.driver = d.standing.driver;
    k.kernel_bytes = d.block.size();
    k.block = d.block + d.udev.value_or("");
    k.subsystem = d.subsystem ? *d.subsystem : std::string(find_in(k.block, "SUBSYSTEM").value_or(""));
    k.generation = d.standing.generation;
    k.attributes = std::move(d.standing.attributes);
    if (has_classes) k.classes.emplace();
    for (size_t at = 0; has_classes && at < classes.size();) {
        size_t end = std::min(classes.find(", ", at), classes.size());
        std::string name = classes.substr(at, end - at);
        bool unsure = name.ends_with('?');
        if (unsure) name.pop_back();
        k.classes->emplace_back(std::move(name), unsure);
        at = end + 2;
    }
    out_.table.devices.push_back(std::move(k));
    return std::nullopt;
}

std::shared_ptr<const Unit> CheckpointReader::unit_of(const std::string& name, const Configuration& configuration) {
    if (auto it = configuration.units.find(name); it != configuration.units.end()) return it->second;
    if (auto it = orphans_.find(name); it != orphans_.end()) return it->second;
    // Of a run that waits, its unit has gone meanwhile: nothing but the name is asked for.
    auto gone = std::make_shared<Unit>();
    gone->name = name;
    return orphans_[name] = gone;
}

// Of a unit that is not in force, its file was given before.
std::shared_ptr<const Unit> CheckpointReader::managed_unit(const Words& w, const Configuration& configuration) {
    auto orphan = orphans_.find(w[0]);
    auto in_force = configuration.units.find(w.back());
    if (w.size() == 1) return orphan != orphans_.end() ? orphan->second : in_force != configuration.units.end() ? in_force->second : nullptr;
    if (orphan != orphans_.end()) {
        auto unit = std::make_shared<Unit>(*orphan->second);
        unit->of = w[1];
        return unit->for_each ? unit : nullptr;
    }
    return in_force != configuration.units.end() && in_force->second->for_each ? instance_unit(*in_force->second, w[0]) : nullptr;
}

std::optional<Error> CheckpointReader::managed(const TraceLine& line, const Configuration& configuration) {
    Words w;
    bool one = line.word() == "managed-one";
    if (auto error = words(line, one ? 2 : 1, w)) return error;
    if (line.word() == "orphan") {
        orphans_.erase(w[0]);
        return files_.unit(line, *configuration.classes, orphans_[w[0]]);
    }
    if (one && !is_instance_name(w[0])) return cursor_.wrong(line, "expected the name of an instance");
    if (!managed_.insert(w[0]).second) return cursor_.wrong(line, "the unit is there already");
    Managed m;
    m.orphaned = orphans_.contains(w[0]);
    m.unit = managed_unit(w, configuration);
    if (!m.unit) return cursor_.wrong(line, "there is no such unit in the configuration");
    DeviceDetails d;
    bool good = true;
    auto error = cursor_.details(d, [&](std::string_view key, std::string_view text) {
        Memory* memory = key == "slot" ? &m.memory : key == "stop_slot" ? &m.stop_memory : key == "boot_slot" ? &m.boot_memory : nullptr;
        if (memory) return good &= read_slot(text, *memory), true;
        FieldReader reader(key, text);
        devmux::fields(m, reader);
        good &= reader.good();
        return reader.known();
    });
    if (error) return error;
    if (!good) return cursor_.wrong(line, "one of the lines below it says no value that it can have");
    m.start_block = std::move(d.block);
    out_.planner.units.push_back(std::move(m));
    return std::nullopt;
}

// Behind the instance that it is of.
std::optional<Error> CheckpointReader::for_device(const TraceLine& line) {
    Words w;
    DeviceDetails d;
    InstanceDevice it;
    if (auto error = words(line, 1, w)) return error;
    if (auto error = fields(line, it, d)) return error;
    auto& units = out_.planner.units;
    bool fits = !units.empty() && units.back().unit->name == w[0] && !units.back().unit->of.empty() && !units.back().vacant;
    if (!fits || it.device.devpath.empty()) return cursor_.wrong(line, "it stands behind an instance, and says where its device is");
    it.last = std::move(d.block);
    units.back().instance = std::make_shared<const InstanceDevice>(std::move(it));
    return std::nullopt;
}

std::optional<Error> CheckpointReader::of_events(const TraceLine& line, const Configuration& configuration) {
    PlannerCheckpoint& p = out_.planner;
    std::string_view word = line.word();
    Words w;
    DeviceDetails d;
    size_t count = word == "handled" ? 5 : word == "ran" || word == "last-run" ? 3 : word == "queued" || word == "turn" ? 1 : 2;
    if (auto error = words(line, count, w)) return error;
    auto bad = [&] { return cursor_.wrong(line, "expected numbers behind " + quoted(word)); };
    if (word == "coming") return p.comings.push_back({w[0], w[1]}), std::nullopt;
    if (word == "lane") {
        EventRuns::Checkpoint::Lane lane;
        lane.unit = w[0];
        lane.devpath = w[1];
        if (auto error = fields(line, lane, d)) return error;
        p.runs.lanes.push_back(std::move(lane));
    } else if (word == "queued") {
        if (p.runs.lanes.empty()) return cursor_.wrong(line, "a run that waits stands below its lane");
        auto& lane = p.runs.lanes.back();
        EventRuns::Run run;
        if (!read_field(w[0], run.job)) return bad();
        if (auto error = fields(line, run, d)) return error;
        run.unit = unit_of(lane.unit, configuration);
        if (run.devpath.empty()) run.devpath = lane.devpath;
        run.block = std::move(d.block);
        lane.waiting.push_back(std::move(run));
    } else if (word == "turn") {
        auto lane = number_of(w[0]);
        if (!lane || *lane >= p.runs.lanes.size()) return cursor_.wrong(line, "there is no such lane");
        p.runs.ready.push_back(*lane);
    } else if (word == "last-run") {
        EventRuns::Checkpoint::Left l{w[0], w[1], 0};
        if (!read_field(w[2], l.last)) return bad();
        p.runs.left.push_back(std::move(l));
    } else if (word == "handled") {
        PlannerCheckpoint::Handled h{w[0], w[1], {}};
        if (!read_field(w[2] + " " + w[3] + " " + w[4], h.generation)) return bad();
        p.handled.push_back(std::move(h));
    } else if (word == "ran") {
        PlannerCheckpoint::RanUpto r{w[0], w[1], 0};
        if (!read_field(w[2], r.seqnum)) return bad();
        p.ran_upto.push_back(std::move(r));
    } else {
        PlannerCheckpoint::WaitingRun run;
        if (auto error = fields(line, run, d)) return error;
        run.unit = w[0];
        run.devpath = w[1];
        run.block = std::move(d.block);
        p.waiting.push_back(std::move(run));
    }
    return std::nullopt;
}

std::optional<Error> CheckpointReader::read(const TraceLine& line, const Configuration& configuration) {
    std::string_view word = line.word();
    Words w;
    DeviceDetails d;
    if (word == "checkpoint") {
        out_ = {};
        orphans_.clear();
        managed_.clear();
        absent_.clear();
        return fields(line, out_, d);
    }
    if (word == "known") return known(line);
    if (word == "managed" || word == "managed-one" || word == "orphan") return managed(line, configuration);
    if (word == "for-device") return for_device(line);
    if (word == "running") {
        JobLimits::Job job;
        if (auto error = words(line, 1, w)) return error;
        if (auto error = fields(line, job, d)) return error;
        // What is added to these stays a time.
        bool good = read_field(w[0], job.job) && job.began >= Time{} && job.began < kNever / 4 &&
                    job.pause >= Duration{} && job.pause < std::chrono::hours(24);
        if (!good) return cursor_.wrong(line, "this is no job that can be");
        out_.limits.push_back(std::move(job));
        return std::nullopt;
    }
    if (word == "history") {
        bool good = true;
        auto error = cursor_.details(d, [&](std::string_view key, std::string_view text) {
            if (key == "highest") good &= read_field(text, out_.history.highest);
            else if (key == "seen" || key == "ready")
                good &= read_ranges(text, key == "seen" ? out_.history.seen : out_.history.ready);
            else return false;
            return true;
        });
        if (!error && !good) return cursor_.wrong(line, "expected ranges of numbers, in order");
        return error;
    }
    if (word == "absent") {
        auto record = unescaped(line.rest());
        if (!record || record->find('\n') != record->npos || !(record_of(*record) || last_job_of(*record)))
            return cursor_.wrong(line, "expected a record of the saved state");
        absent_ += "\n" + *record;
        return std::nullopt;
    }
    if (word == "queue" || word == "pending" || word == "slot") {
        for (std::string_view text : words_of(line.rest())) {
            auto unit = number_of(text);
            if (!unit || *unit >= out_.planner.units.size()) return cursor_.wrong(line, "there is no such unit");
            auto index = static_cast<UnitIndex>(*unit);
            if (word == "slot") out_.planner.for_slot.push_back(index);
            else (word == "queue" ? out_.planner.queue : out_.planner.begin).push_back(index);
        }
        return std::nullopt;
    }
    if (word == "known-mount") {
        auto seen = mount_of(line.rest());
        if (!seen || !take_in(*seen, out_.mounts)) return cursor_.wrong(line, "expected a path and where it lies, once");
        return std::nullopt;
    }
    if (word == "known-link" || word == "known-route") {
        LinksSeen one;
        if (!take_link_line(word.substr(6), line.rest(), one)) return cursor_.wrong(line, "expected " + std::string(kLinkLines));
        for (LinkSeen& link : one.links) out_.links.links[link.ifindex] = std::move(link);
        for (RouteSeen& route : one.routes) out_.links.routes[route.to] = std::move(route);
        return std::nullopt;
    }
    if (word == "known-script") {
        auto seen = script_of(line.rest());
        if (!seen) return cursor_.wrong(line, "expected \"known-script NAME STARTS STOPS\"");
        out_.scripts[seen->script] = seen->runlevels;
        return std::nullopt;
    }
    if (word == "known-file" || word == "grave" || word == "late" || word == "last-look") {
        if (auto error = words(line, word == "grave" ? 4 : word == "late" ? 5 : word == "last-look" ? 1 : 2, w)) return error;
        DeviceTableCheckpoint::Grave grave{w[0]};
        Truth truth{};
        LateAttributes::Due due{{}, w[0], {}, {}, w.size() == 5 && w[4] == "last"};
        if (word == "last-look") out_.last_looks.insert(w[0]);
        else if (word == "grave" && read_field(w[1], grave.seqnum) && read_field(w[2], grave.inode) &&
                 read_field(w[3], grave.at))
            out_.table.graves.push_back(grave);
        else if (word == "known-file" && read_field(w[1], truth)) out_.files[w[0]] = truth;
        else if (word == "late" && read_field(w[1], due.at) && read_field(w[2], due.delay) && due.delay > Duration{} &&
                 due.delay < std::chrono::hours(24) && due.at != kNever && read_field(w[3], due.expected))
            out_.late.push_back(due);
        else return cursor_.wrong(line, "expected other words behind " + quoted(word));
        return std::nullopt;
    }
    return of_events(line, configuration);
}

Checkpoint CheckpointReader::finish() {
    StateReader reader(kAbsentBoot);
    reader.feed(text_of({}, kAbsentBoot) + absent_);
    out_.planner.absent = reader.finish().state;
    return std::exchange(out_, {});
}

}  // namespace devmux
