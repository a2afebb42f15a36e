// See trace_jobs.h.
#include "tools/trace_jobs.h"

#include <vector>

#include "engine/recording/line_text.h"

namespace devmux {

std::optional<JobLine> job_line_of(std::string_view text) {
    std::vector<std::string_view> w = words_of(text);
    if (w.size() < 2 || w.size() > 3) return std::nullopt;
    JobLine line{.unit = std::string(w[0]), .how = {}, .ready = w[1] == "ready"};
    JobEnded& how = line.how;
    if (w.size() == 3) {
        auto number = number_of(w[2]);
        if (!number || (w[1] != "exit" && w[1] != "signal")) return std::nullopt;
        (w[1] == "exit" ? how.code : how.signal) = static_cast<int>(*number);
        return line;
    }
    if (w[1] == "ok" || line.ready) how.code = 0;
    else if (w[1] == "runs-already") how = {.code = 0, .found_running = true};
    else if (w[1] == "down") how.found_down = true;
    else if (w[1] == "missing") how = {.error = "not installed", .missing = true};
    else if (w[1] == "no-action") how = {.code = 0, .no_action = true};
    else if (w[1] == "runs-error") how = {.error = "the service runs already", .found_running = true};
    else if (w[1] != "unseen") return std::nullopt;
    return line;
}

}  // namespace devmux
