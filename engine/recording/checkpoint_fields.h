// The fields of what a checkpoint is made of, each struct's listed once for writer and reader. What
// needs more than one value in a line (blocks, attributes, memory of conditions) is written beside it.
#pragma once

#include <algorithm>
#include <tuple>

#include "engine/checkpoint.h"
#include "engine/recording/field_text.h"

namespace devmux {

// A condition of 4096 bytes has fewer parts than this.
inline constexpr size_t kConditionSlots = 4096;
// Of the units that are not in force, which are written as the saved state is: of no boot.
inline constexpr const char* kAbsentBoot = "-";

template <class F>
void fields(DeviceTableCheckpoint::Known& k, F&& f) {
    f("number", k.seqnum);
    f("event_number", k.event_seqnum);
    f("told", k.told);
    f("here", k.here);
    f("born", k.born);
    f("ready_number", k.ready_seqnum);
    f("since", k.since);
    f("came", k.came);
    f("expected", k.expected);
    f("ready", k.ready, true);
    f("lenient", k.lenient);
    f("walked", k.walked);
    f("in_doubt", k.in_doubt);
    f("rereading", k.rereading);
    f("succeeds", k.succeeds);
}

template <class F>
void fields(Managed& m, F&& f) {
    f("wanted", m.state.wanted);
    f("actual", m.state.actual);
    f("hold", m.state.hold);
    f("again", m.state.again);
    f("was_true", m.was_true);
    f("never", m.never);
    f("job", m.job);
    f("asker", m.asker);
    f("owed", m.owed);
    f("overdue", m.overdue);
    f("yields", m.yields);
    f("on_its_way", m.on_its_way);
    f("waits_for", m.waits_for);
    f("kept", m.kept);
    f("forced", m.forced);
    f("up_reason", m.up_reason);
    f("daemon", m.daemon);
    f("since", m.since);
    f("starts", m.starts);
    f("reason", m.reason);
    f("last_end", m.last_end);
    f("script", m.script);
    f("script_at", m.script_at);
    f("now", m.now, Truth::Unknown);
    f("boots", m.boots, Truth::Unknown);
    f("verdict", m.verdict);
    f("stop_verdict", m.stop_verdict);
    f("resumed", m.memory.resumed);
    f("stop_resumed", m.stop_memory.resumed);
    f("witness", m.witness);
    f("loss_due", m.loss_due, kNever);
    f("loss_left", m.loss_left);
    f("deadline", m.deadline, kNever);
    f("held_until", m.held_until, kNever);
    f("tries", m.tries);
    f("retry_at", m.retry_at, kNever);
    Refreshing& r = m.refreshing;
    std::string devices = joined(r.devices);
    f("refresh_devices", devices);
    r.devices = split(devices);
    f("refresh_known", r.known);
    f("refresh_due", r.due);
    f("refresh_gap", r.gap);
    f("refresh_job", r.job);
    f("refresh_reason", r.reason);
    f("refresh_last", r.last);
    f("refresh_failed", r.failed);
    f("refresh_ended", r.ended);
    f("refresh_due_since", r.due_since);
    f("refresh_quick", r.quick);
    f("refresh_paused", r.paused);
    f("refresh_held_until", r.held_until, kNever);
    std::string script = m.chosen ? m.unit->service.init_script : "";
    f("runs_script", script);
    m.keep_script(script);
    f("vacant", m.vacant);
    f("crowded", m.crowded);
    bool flapping = m.flapping != nullptr;
    f("flapping", flapping);
    if (flapping && !m.flapping) m.flapping = std::make_unique<Flapping>();
    if (m.flapping) m.flapping->fields(f);
}

template <class F>
void fields(InstanceDevice& it, F&& f) {
    f("at", it.device.devpath);
    f("generation", it.device.generation);
    f("name", it.name);
    f("successor", it.successor);
}

template <class F>
void fields(EventRuns::Checkpoint::Lane& lane, F&& f) {
    f("running", lane.running);
    f("remembered", lane.remembered);
    f("held", lane.held, kNever);
    f("rested", lane.rested, kNever);
    f("last_here", lane.last_here);
    lane.echo.fields(f);
}

template <class F>
void fields(EventRuns::Run& run, F&& f) {
    f("generation", run.generation);
    f("action", run.action);
    f("remembered", run.remembered);
    f("devpath", run.devpath);  // where it is not the lane's
    f("behind", run.behind[0]);
    f("behind_too", run.behind[1]);
}

template <class F>
void fields(PlannerCheckpoint::WaitingRun& run, F&& f) {
    f("action", run.action);
    f("number", run.seqnum);
    f("requested", run.synthetic);
    f("for_udev", run.for_udev);
    f("at", run.at);
}

template <class F>
void fields(JobLimits::Job& job, F&& f) {
    f("unit", job.unit);
    f("verb", job.verb);
    f("of_device", job.device);
    f("began", job.began);
    f("stage", job.stage);
    f("due", job.due, kNever);
    f("asked", job.asked);
    f("ended", job.ended);
    f("module", job.driver);
    f("text", job.text);
    f("spared", job.spared);
    f("pause", job.pause);
    f("foreign", job.foreign);
}

template <class F>
void fields(Carriers& c, F&& f) {
    f("carriers_before", c.before);
    for (auto [path, former, since] : {std::tuple{kRootPath, "carriers_root", "carriers_root_since"},
                                       std::tuple{kUsrPath, "carriers_usr", "carriers_usr_since"}}) {
        auto it = std::find_if(c.carried.begin(), c.carried.end(), [path = path](const Carried& of) { return of.path == path; });
        Carried fresh, &carried = it == c.carried.end() ? fresh : *it;
        fresh.path = path;
        f(former, carried.former);
        f(since, carried.since, kNever);
        if (!fresh.former.empty() || fresh.since != kNever) c.carried.push_back(std::move(fresh));
    }
}

template <class F>
void fields(Checkpoint& c, F&& f) {
    f("coldplug", c.coldplug);
    f("doubted", c.doubted);
    f("settled", c.settled);
    f("links_known", c.links.known);
    f("runlevel", c.runlevel);
    f("mode", c.mode);
    f("going_down", c.going_down);
    bool carried = c.carried == Truth::True, unsure = c.carried == Truth::Unknown;
    f("carried", carried);
    f("carried_unknown", unsure);
    c.carried = unsure ? Truth::Unknown : truth_of(carried);
    fields(c.carriers, f);
    f("down_since", c.down_since, kNever);
    f("unready", c.unready);
    f("forgotten_upto", c.table.forgotten_upto);
    f("walked_upto", c.table.walked_upto);
    f("all_in_doubt", c.table.all_in_doubt);
    f("awaits_udev", c.table.awaits_udev);
    f("udev", c.udev.presence);
    f("udev_gave_up", c.udev.gave_up);
    f("udev_down_since", c.udev.down_since);
    f("udev_asked", c.udev.asked);
    f("settle_start", c.planner.settle.start);
    f("settle_last", c.planner.settle.last);
    f("settle_retry", c.planner.settle.retry);
    f("settle_unready", c.planner.settle.unready);
    f("settle_coldplug", c.planner.settle.coldplug);
    f("settle_reached", c.planner.settle.settled);
    f("held", c.planner.held);
    f("last_job", c.planner.last_job);
    f("runs_full", c.planner.runs.full);
    f("runs_displaced", c.planner.runs.displaced);
}

}  // namespace devmux
