// How jobs read in sentences: "gdm3 start was killed by signal 9 (Killed)". The words are put after
// a subject, and are the same in the log, in `status` and in `explain`.
#include "engine/plan/job.h"

#include <cstring>

namespace devmux {

std::string_view to_string(Verb verb) {
    switch (verb) {
        case Verb::Start: return "start";
        case Verb::Stop: return "stop";
        case Verb::Run: return "run";
        case Verb::Reload: return "reload";
    }
    return "run";
}

std::string_view to_string(ServiceSeen::State state) {
    switch (state) {
        case ServiceSeen::State::Running: return "running";
        case ServiceSeen::State::Stopped: return "stopped";
        case ServiceSeen::State::Failed: return "failed";
    }
    return "failed";
}

std::string_view to_string(ServiceSeen::How how) {
    switch (how) {
        case ServiceSeen::How::Alone: return "alone";
        case ServiceSeen::How::ByHand: return "by-hand";
        case ServiceSeen::How::Unseen: return "unseen";
    }
    return "unseen";
}

std::string describe(const JobEnded& end) {
    if (end.missing) return end.error;
    if (!end.error.empty()) return "could not be started: " + end.error;
    if (end.found_running) return "was not run: the service runs already";
    if (end.code) return "exited with status " + std::to_string(*end.code);
    if (end.found_down) return "ended while nobody watched, and the service does not run";
    if (!end.signal) return "ended while nobody watched; its exit status is unknown";
    // sigdescr_np(3): the English text, without locale and without a shared buffer.
    const char* name = sigdescr_np(*end.signal);
    std::string text = "was killed by signal " + std::to_string(*end.signal);
    return name ? text + " (" + name + ")" : text;
}

}  // namespace devmux
