// What was fed about jobs, read back. See event_text.h, and event_text.cc for the way out.
#include "conditions/text.h"
#include "engine/recording/event_text.h"
#include "engine/recording/field_text.h"

namespace devmux {
namespace {

constexpr uint64_t kHighestPid = 4194304;  // PID_MAX_LIMIT, include/linux/threads.h

}  // namespace

std::optional<Error> EventReader::ended(const TraceLine& line, ReadEvent& out) {
    std::vector<std::string_view> w = words_of(line.rest());
    auto job = w.empty() ? std::nullopt : number_of(w[0]);
    if (!job || w.size() > 3) return cursor_.wrong(line, "expected \"ended JOB UNIT VERB\"");
    JobEnded end{.job = *job};
    if (w.size() > 1) out.unit = unescaped(w[1]).value_or("");
    if (w.size() > 2) out.verb = w[2];
    bool good = true;
    auto number = [&](std::string_view value) {
        auto n = number_of(value);
        good &= n && *n < 1024;
        return static_cast<int>(n.value_or(0));
    };
    DeviceDetails d;
    auto error = cursor_.details(d, [&](std::string_view key, std::string_view value) {
        if (key == "exit") end.code = number(value);
        else if (key == "signal") end.signal = number(value);
        else if (key == "error") end.error = unescaped(value).value_or("");
        else if (key == "found") end.found_running = value == "running", end.no_action = value == "no-action", end.found_down = value == "down",
                                   end.missing = value == "missing";
        else if (key == "took") {
            auto took = seconds_of(value);
            good &= took && *took >= Duration{} && *took != kNever;
            out.took = took.value_or(Duration{});
        } else return false;
        return true;
    });
    if (error) return error;
    if (!good) return cursor_.wrong(line, "its exit status, signal or time is no number that one can have");
    out.event = std::move(end);
    return std::nullopt;
}

std::optional<Error> EventReader::job_watched(const TraceLine& line, ReadEvent& out) {
    bool seen = line.word() == "job-seen";
    std::vector<std::string_view> w = words_of(line.rest());
    uint64_t job = 0, signal = 0;
    bool good = w.size() == (seen ? 1U : 2U) && read_field(w[0], job) && (seen || read_field(w[1], signal));
    if (!good || signal > 64)
        return cursor_.wrong(line, seen ? "expected \"job-seen JOB\"" : "expected \"job-signalled JOB SIGNAL\"");
    JobSeen look{.job = job};
    JobSignalled signalled{.job = job, .signal = static_cast<int>(signal)};
    DeviceDetails d;
    auto error = cursor_.details(d, [&](std::string_view key, std::string_view value) {
        std::string text = unescaped(value).value_or("");
        if (key == "text") look.text = std::move(text);
        else if (key == "spare") look.in_module_load = true;
        else if (key == "module") look.driver = std::move(text);
        else if (key == "sent") signalled.sent = std::move(text);
        else if (key == "spared") signalled.spared = std::move(text);
        else return false;
        return true;
    });
    if (seen) out.event = std::move(look);
    else out.event = std::move(signalled);
    return error;
}

std::optional<ServiceSeen> service_of(std::string_view words) {
    std::vector<std::string_view> w = words_of(words);
    if (w.size() != 2 && w.size() != 3) return std::nullopt;
    using How = ServiceSeen::How;
    using State = ServiceSeen::State;
    How how = w.size() == 2 ? How::Alone : w[2] == to_string(How::ByHand) ? How::ByHand : How::Unseen;
    auto unit = unescaped(w[0]);
    if (!unit || (how == How::Unseen && w[2] != to_string(How::Unseen))) return std::nullopt;
    for (State state : {State::Running, State::Stopped, State::Failed})
        if (w[1] == to_string(state)) return ServiceSeen{.unit = *unit, .state = state, .how = how, .text = ""};
    return std::nullopt;
}

std::optional<Error> EventReader::service_seen(const TraceLine& line, ReadEvent& out) {
    auto seen = service_of(line.rest());
    if (!seen) return cursor_.wrong(line, "expected \"service UNIT running\", stopped or failed, and by-hand or unseen");
    DeviceDetails d;
    auto error = cursor_.details(d, [&](std::string_view key, std::string_view value) {
        if (key != "text") return false;
        seen->text = unescaped(value).value_or("");
        return true;
    });
    out.event = std::move(*seen);
    return error;
}

std::optional<Error> EventReader::script_started(const TraceLine& line, ReadEvent& out) {
    std::vector<std::string_view> w = words_of(line.rest());
    ScriptStarted seen;
    uint64_t pid = 0;
    bool good = (w.size() == 3 || w.size() == 4) && read_field(w[0], seen.unit) && read_field(w[1], pid) &&
                read_field(w[2], seen.started) && (w.size() == 3 || read_field(w[3], seen.by));
    if (!good || pid > kHighestPid || seen.started < Time{})
        return cursor_.wrong(line, "expected \"boot-script UNIT PID SECONDS\", and the unit that called it");
    seen.pid = static_cast<int>(pid);
    out.event = std::move(seen);
    return std::nullopt;
}

}  // namespace devmux
