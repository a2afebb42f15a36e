// See replay.h.
#include "tools/replay.h"

#include <algorithm>

#include "engine/decision.h"

namespace devmux {
namespace {

// Of a core that moves without end; a recording of days has fewer deadlines between two events.
constexpr int kMostSteps = 1'000'000;

}  // namespace

std::unique_ptr<Engine> engine_of(const TraceHead& head) {
    auto engine = std::make_unique<Engine>(head.configuration, head.command_line, head.now, head.times);
    if (head.checkpoint) engine->restore(*head.checkpoint);
    return engine;
}

void Replay::begin(const TraceHead& head) {
    engine_ = engine_of(head);
    now_ = head.now;
    if (!began_) began_ = now_;
    ends_.clear();
    unasked_.clear();
    Actions actions;
    if (!head.checkpoint) engine_->start(head.saved, now_, actions);
    carry_out(actions);
    if (!free_ || !head.checkpoint) return;
    // Jobs under way end as they did.
    for (const Managed& m : head.checkpoint->planner.units) {
        const char* verb = m.state.actual == Actual::Stopping ? "stop" : "start";
        auto it = outcomes_.find({m.unit->name, verb});
        if (m.job == 0 || it == outcomes_.end() || it->second.empty()) continue;
        JobEnded end = it->second.front().end;
        end.job = m.job;
        ends_.emplace(now_ + it->second.front().took, end);
        it->second.pop_front();
    }
}

void Replay::feed(const Event& event, Time now) {
    unasked_.clear();
    if (!engine_) return;
    if (free_) {
        advance(now);
        // Of jobs that were another decision's.
        if (std::holds_alternative<JobEnded>(event) || std::holds_alternative<JobSeen>(event) ||
            std::holds_alternative<JobSignalled>(event) || std::holds_alternative<DaemonReady>(event) ||
            std::holds_alternative<DeadlineReached>(event))
            return;
    }
    now_ = now;
    handle(event);
}

void Replay::advance(Time until) {
    for (int i = 0; free_ && engine_ && i < kMostSteps; ++i) {
        Time due = engine_->next_deadline();
        bool job = !ends_.empty() && ends_.begin()->first <= due;
        if (job) due = ends_.begin()->first;
        if (due > until || due == kNever) break;
        now_ = std::max(now_, due);
        if (!job) {
            handle(DeadlineReached{});
            continue;
        }
        Event end = std::move(ends_.begin()->second);
        ends_.erase(ends_.begin());
        handle(end);
    }
}

void Replay::handle(const Event& event) {
    Actions actions;
    engine_->handle(event, now_, actions);
    carry_out(actions);
}

void Replay::carry_out(const Actions& actions) {
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now_ - *began_).count();
    std::vector<Event> answers;
    for (const PlanAction& action : actions) {
        if (auto text = decision_text(action)) {
            lines_.push_back(std::to_string(ms) + "ms " + *text);
            if (!free_) unasked_.push_back(std::move(*text));
        }
        if (const auto* look = std::get_if<LookAtJob>(&action); look && free_)
            answers.emplace_back(JobSeen{.job = look->job, .text = "what it waited in is not known here"});
        if (const auto* kill = std::get_if<KillJob>(&action); kill && free_)
            answers.emplace_back(JobSignalled{.job = kill->job, .signal = kill->signal, .sent = "its processes"});
        const auto* run = free_ ? std::get_if<RunJob>(&action) : nullptr;
        const auto* adopted = free_ ? std::get_if<AdoptJob>(&action) : nullptr;
        if (!run && !adopted) continue;
        if (run && run->daemon && run->verb == Verb::Stop) {
            // It is told to end, and does.
            std::erase_if(ends_, [&](const auto& end) {
                const auto* ended = std::get_if<JobEnded>(&end.second);
                return ended && ended->job == run->daemon;
            });
            ends_.emplace(now_, JobEnded{.job = run->daemon, .signal = 15});
            continue;
        }
        bool daemon = run && run->unit->service.kind == Service::Kind::Daemon && run->verb == Verb::Start;
        if (daemon) ends_.emplace(now_, DaemonReady{run->job});
        Outcome outcome{{}, {.code = 0}};
        auto it = run ? outcomes_.find({run->unit->name, std::string(to_string(run->verb))})
                      : outcomes_.find({adopted->unit, "start"});
        bool known = it != outcomes_.end() && !it->second.empty();
        if (daemon && !known) continue;  // it stays
        if (known) {
            outcome = std::move(it->second.front());
            it->second.pop_front();
        }
        outcome.end.job = run ? run->job : adopted->job;
        ends_.emplace(now_ + outcome.took, std::move(outcome.end));
    }
    for (const Event& answer : answers) handle(answer);
}

bool Replay::expect(const std::string& decision) {
    if (unasked_.empty() || unasked_.front() != decision) return false;
    unasked_.pop_front();
    return true;
}

}  // namespace devmux
