// See log.h. Each line is one write(2), so that lines of several writers do not mix.
#include "engine/status/log.h"

#include <unistd.h>

#include <array>
#include <cstdio>

#include "conditions/text.h"

namespace devmux {

void Log::write(const Report& report, Time now) {
    // A report may have several lines (an error with its caret): each gets its place in the log.
    size_t at = 0;
    while (at <= report.text.size()) {
        size_t end = std::min(report.text.find('\n', at), report.text.size());
        line(report.level, report.unit, printable(std::string_view(report.text).substr(at, end - at)), false, now);
        at = end + 1;
    }
}

void Log::output(const std::string& unit, const std::string& text, Time now) {
    line(Report::Level::Info, unit, text, true, now);
}

void Log::line(Report::Level level, const std::string& unit, const std::string& text, bool output,
               Time now) {
    std::string out;
    if (style_.priorities)
        out += level == Report::Level::Error ? "<3>" : level == Report::Level::Warning ? "<4>" : "<6>";
    else {
        std::array<char, 32> stamp{};
        double seconds = std::chrono::duration<double>(now - start_).count();
        snprintf(stamp.data(), stamp.size(), "%9.3f ", seconds);
        out += stamp.data();
    }
    const char* color = !style_.color ? "" : level == Report::Level::Error ? "\033[31m"
                        : level == Report::Level::Warning ? "\033[33m" : output ? "\033[2m" : "";
    out += color;
    if (!unit.empty()) out += unit + (output ? " | " : ": ");
    out += text;
    if (*color) out += "\033[0m";
    out += '\n';
    // A log that cannot be written must not keep a machine from booting.
    [[maybe_unused]] ssize_t written = ::write(fd_, out.data(), out.size());
}

}  // namespace devmux
