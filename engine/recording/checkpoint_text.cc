// See checkpoint_text.h. The fields of each struct are listed once, in checkpoint_fields.h.
#include "engine/recording/checkpoint_text.h"

#include "engine/recording/checkpoint_fields.h"
#include "engine/recording/event_links.h"
#include "engine/recording/event_mounts.h"
#include "engine/recording/event_text.h"
#include "engine/run/saved_state.h"

namespace devmux {
namespace {

std::string pair_text(const std::string& a, const std::string& b) { return escaped_word(a) + " " + escaped_word(b); }

void append_slots(const char* key, const Memory& memory, std::string& out) {
    for (size_t i = 0; i < memory.slots.size(); ++i) {
        const Memory::Slot& slot = memory.slots[i];
        if (!slot.latch && !slot.true_since && !slot.by && !slot.doubted) continue;
        auto witness = [](const std::optional<Witness>& w) { return w ? field_text(*w) : "-"; };
        out += std::string("  ") + key + "=" + std::to_string(i) + " " +
               (slot.true_since ? seconds_text(*slot.true_since) : "-") + (slot.doubted ? " doubted " : " - ") +
               witness(slot.latch) + " " + witness(slot.by) + "\n";
    }
}

void append_known(const DeviceTableCheckpoint::Known& k, std::string& out) {
    out += "known " + escaped_word(k.devpath) + "\n";
    Block block = k.block;
    append_variables(block.substr(0, k.kernel_bytes), out);
    if (k.kernel_bytes < k.block.size()) append_record(block.substr(k.kernel_bytes), out);
    append_generation(k.generation, out);
    if (!k.driver.empty()) append_detail("driver", k.driver, out);
    if (find_in(k.block, "SUBSYSTEM").value_or("") != k.subsystem) append_detail("subsystem", k.subsystem, out);
    append_attributes(k.attributes, out);
    auto copy = k;
    fields(copy, FieldWriter(out));
    if (!k.classes) return;
    std::string classes;
    for (const auto& [name, unsure] : *k.classes) classes += (classes.empty() ? "" : ", ") + name + (unsure ? "?" : "");
    append_detail("classes", classes, out);
}

void append_managed(const Managed& m, std::string& out) {
    if (m.orphaned) append_unit("orphan", *m.unit, out);
    const std::string& of = m.unit->of;
    out += (of.empty() ? "managed " : "managed-one ") + escaped_word(m.unit->name) +
           (of.empty() ? "" : " " + escaped_word(of)) + "\n";
    Managed copy = m;
    fields(copy, FieldWriter(out));
    append_slots("slot", m.memory, out);
    append_slots("stop_slot", m.stop_memory, out);
    append_slots("boot_slot", m.boot_memory, out);
    append_variables(m.start_block, out);
    if (!m.instance) return;
    out += "for-device " + escaped_word(m.unit->name) + "\n";
    InstanceDevice it = *m.instance;
    fields(it, FieldWriter(out));
    append_variables(it.last, out);
}

void append_events(const PlannerCheckpoint& p, std::string& out) {
    for (const auto& lane : p.runs.lanes) {
        out += "lane " + pair_text(lane.unit, lane.devpath) + "\n";
        auto copy = lane;
        fields(copy, FieldWriter(out));
        for (EventRuns::Run run : lane.waiting) {
            out += "queued " + std::to_string(run.job) + "\n";
            if (run.devpath == lane.devpath) run.devpath.clear();
            fields(run, FieldWriter(out));
            append_variables(run.block, out);
        }
    }
    for (size_t lane : p.runs.ready) out += "turn " + std::to_string(lane) + "\n";
    for (const auto& l : p.runs.left) out += "last-run " + pair_text(l.unit, l.devpath) + " " + std::to_string(l.last) + "\n";
    for (const auto& h : p.handled)
        out += "handled " + pair_text(h.unit, h.devpath) + " " + field_text(h.generation) + "\n";
    for (PlannerCheckpoint::WaitingRun w : p.waiting) {
        out += "waiting " + pair_text(w.unit, w.devpath) + "\n";
        fields(w, FieldWriter(out));
        append_variables(w.block, out);
    }
    for (const auto& r : p.ran_upto) out += "ran " + pair_text(r.unit, r.devpath) + " " + std::to_string(r.seqnum) + "\n";
}

template <class Line>
void append_line_of(const char* word, const Line& units, std::string& out) {
    if (units.empty()) return;
    out += word;
    for (UnitIndex unit : units) out += " " + std::to_string(unit);
    out += "\n";
}

std::string ranges_text(const History::Checkpoint::Ranges& ranges) {
    std::string out;
    for (auto [first, last] : ranges)
        out += (out.empty() ? "" : " ") + std::to_string(first) + (last == first ? "" : "-" + std::to_string(last));
    return out;
}

}  // namespace

void append_checkpoint(const Checkpoint& c, std::string& out) {
    out += "checkpoint\n";
    Checkpoint copy = c;
    fields(copy, FieldWriter(out));
    out += "history\n  highest=" + std::to_string(c.history.highest) + "\n  seen=" + ranges_text(c.history.seen) +
           "\n  ready=" + ranges_text(c.history.ready) + "\n";
    for (const auto& [path, truth] : c.files)
        out += "known-file " + escaped_word(path) + " " + field_text(truth) + "\n";
    for (const auto& [path, seen] : c.mounts) out += "known-mount " + mount_text(seen) + "\n";
    for (const auto& [ifindex, link] : c.links.links) out += "known-link " + link_text(link) + "\n";
    for (const auto& [to, route] : c.links.routes) out += "known-route " + route_text(route) + "\n";
    for (const auto& [script, runlevels] : c.scripts) out += "known-" + script_text({script, runlevels}) + "\n";
    for (const auto& known : c.table.devices) append_known(known, out);
    for (const DeviceTableCheckpoint::Grave& grave : c.table.graves)
        out += "grave " + escaped_word(grave.devpath) + " " + std::to_string(grave.seqnum) + " " +
               std::to_string(grave.inode) + " " + field_text(grave.at) + "\n";
    for (const auto& due : c.late)
        out += "late " + escaped_word(due.devpath) + " " + seconds_text(due.at) + " " + seconds_text(due.delay) + " " +
               seconds_text(due.expected) + " " + (due.last ? "last" : "more") + "\n";
    for (const std::string& devpath : c.last_looks) out += "last-look " + escaped_word(devpath) + "\n";
    for (const Managed& m : c.planner.units) append_managed(m, out);
    for (JobLimits::Job job : c.limits) {
        out += "running " + std::to_string(job.job) + "\n";
        fields(job, FieldWriter(out));
    }
    append_line_of("queue", c.planner.queue, out);
    append_line_of("pending", c.planner.begin, out);
    append_line_of("slot", c.planner.for_slot, out);
    for (const auto& coming : c.planner.comings) out += "coming " + pair_text(coming.unit, coming.devpath) + "\n";
    append_events(c.planner, out);
    std::string absent = text_of(c.planner.absent, kAbsentBoot);
    for (size_t at = absent.find('\n'); at != absent.npos;) {
        size_t end = std::min(absent.find('\n', at + 1), absent.size());
        out += "absent " + escaped(std::string_view(absent).substr(at + 1, end - at - 1)) + "\n";
        at = end < absent.size() ? end : absent.npos;
    }
}

}  // namespace devmux
