// See recorder.h.
#include "engine/recording/recorder.h"

#include <utility>

#include "engine/decision.h"
#include "engine/recording/checkpoint_text.h"
#include "engine/recording/configuration_text.h"
#include "engine/recording/event_text.h"
#include "engine/recording/line_text.h"
#include "engine/recording/times_text.h"
#include "engine/run/saved_state.h"

namespace devmux {

Recorder::Recorder(const std::string& version, Write write) : write_(std::move(write)) {
    text_ = "devmux-trace 1\nrecorded " + escaped_word(version) + "\n";
}

void Recorder::head(const Engine& engine) {
    text_ += "times " + times_text(engine.times()) + "\n";
    text_ += "cmdline " + escaped(engine.world().kernel_command_line) + "\n";
    append_configuration(*engine.configuration(), text_);
}

void Recorder::at(Time now) {
    if (std::exchange(now_, now) != now) text_ += "@" + seconds_text(now) + "\n";
}

void Recorder::begin(const Engine& engine, const SavedState& saved, Time now) {
    flush();
    head(engine);
    std::string records = text_of(saved, "-");
    for (size_t from = records.find('\n'); from != records.npos;) {
        size_t end = records.find('\n', from + 1);
        text_ += "saved " + escaped(std::string_view(records).substr(from + 1, end - from - 1)) + "\n";
        from = end;
    }
    at(now);
    text_ += "begin\n";
}

void Recorder::checkpoint(const Engine& engine, Time now) {
    head(engine);
    Checkpoint checkpoint = engine.checkpoint();
    for (const Managed& m : checkpoint.planner.units)
        if (m.job)
            jobs_[m.job] = {m.unit->name, to_string(m.state.actual == Actual::Stopping ? Verb::Stop : Verb::Start), now};
    for (const Managed& m : checkpoint.planner.units) {
        if (m.daemon) jobs_[m.daemon] = {m.unit->name, to_string(Verb::Start), now};
        if (m.refreshing.job) jobs_[m.refreshing.job] = {m.unit->name, to_string(Verb::Reload), now};
    }
    for (const auto& lane : checkpoint.planner.runs.lanes)
        if (lane.running) jobs_[lane.running] = {lane.unit, to_string(Verb::Run), now};
    append_checkpoint(checkpoint, text_);
    at(now);
    text_ += "begin\n";
    flush();
}

void Recorder::fed(const Event& event, Time now) {
    flush();
    at(now);
    std::string whose;
    Duration took{};
    if (const auto* end = std::get_if<JobEnded>(&event)) {
        auto job = jobs_.find(end->job);
        if (job != jobs_.end()) {
            whose = " " + escaped_word(job->second.unit) + " " + std::string(job->second.verb);
            took = now - job->second.since;
            jobs_.erase(job);
        }
    }
    if (const auto* fresh = std::get_if<NewConfiguration>(&event)) append_configuration(*fresh->configuration, text_);
    append_event(event, whose, took, text_);
}

void Recorder::decided(const PlanAction& action, Time now) {
    if (const auto* run = std::get_if<RunJob>(&action)) jobs_[run->job] = {run->unit->name, to_string(run->verb), now};
    if (const auto* adopted = std::get_if<AdoptJob>(&action)) jobs_[adopted->job] = {adopted->unit, "start", now};
    if (auto text = decision_text(action)) text_ += "= " + escaped(*text) + "\n";
}

void Recorder::flush() {
    if (!text_.empty()) write_(text_);
    text_.clear();
}

void Recorder::end(std::string_view why) {
    flush();
    write_("end " + std::string(why) + "\n");
}

}  // namespace devmux
