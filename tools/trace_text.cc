// See trace_text.h for the format.
#include "tools/trace_text.h"

#include <charconv>
#include <optional>

#include "conditions/text.h"

namespace devmux {
namespace {

struct Line {
    int number = 0;
    bool indented = false;
    std::string word, rest;  // the first word, and what follows it
};

std::vector<Line> lines_of(std::string_view text) {
    std::vector<Line> lines;
    for (int number = 1; !text.empty(); ++number) {
        size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        size_t begin = line.find_first_not_of(" \t\r");
        if (begin == std::string_view::npos || line[begin] == '#') continue;
        Line out{number, begin > 0, "", ""};
        line.remove_prefix(begin);
        line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
        size_t space = out.indented ? line.size() : std::min(line.find(' '), line.size());
        out.word = line.substr(0, space);
        out.rest = space < line.size() ? line.substr(space + 1) : "";
        lines.push_back(std::move(out));
    }
    return lines;
}

std::optional<uint64_t> number_of(std::string_view text) {
    uint64_t n = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return n;
}

class Player {
  public:
    Player(std::string_view text, const std::string& file, const ConfigurationLoader& load)
        : file_(file), load_(load), lines_(lines_of(text)) {}

    Result<std::vector<std::string>> play() {
        if (lines_.empty() || lines_[0].word != "devmux-trace" || lines_[0].rest != "1")
            return wrong(lines_.empty() ? Line{} : lines_[0], "expected \"devmux-trace 1\" in the first line");
        for (at_ = 1; at_ < lines_.size();) {
            if (auto error = step(lines_[at_++])) return *error;
        }
        begin();
        return simulation_->lines();
    }

  private:
    using MaybeError = std::optional<Error>;

    Error wrong(const Line& line, std::string what, std::string hint = "") const {
        return {.where = {file_, line.number, 0}, .what = std::move(what), .source = "", .caret = -1,
                .hint = std::move(hint)};
    }

    void begin() {
        if (simulation_) return;
        simulation_ = std::make_unique<Simulation>(load_(""), command_line_);
        simulation_->jobs_end_at_once = !by_hand_;
        simulation_->start();
    }

    struct Details {
        TracedDevice device;
        TracedHow how;
    };

    MaybeError read_details(Details& d) {
        for (; at_ < lines_.size() && lines_[at_].indented; ++at_) {
            const std::string& text = lines_[at_].word;
            size_t equals = std::min(text.find('='), text.size());
            std::string key = text.substr(0, equals);
            std::string value = equals < text.size() ? text.substr(equals + 1) : "";
            bool has_value = equals < text.size();
            if (key.starts_with("attr."))
                d.device.attributes.push_back({key.substr(5), has_value ? std::optional(value) : std::nullopt});
            else if (key == "synthetic") d.how.synthetic = true;
            else if (key == "gone") d.how.gone = true;
            else if (key == "from") d.how.devpath_old = value;
            else if (text == "udev") d.device.udev = d.device.udev.value_or("");
            else if (key.starts_with("udev.") && has_value)
                d.device.udev = d.device.udev.value_or("") + text.substr(5) + '\0';
            else if (key == "inode" || key == "seqnum") {
                auto n = number_of(value);
                if (!n) return wrong(lines_[at_], "expected a number, found " + quoted(printable(value)));
                (key == "inode" ? d.device.inode : d.how.seqnum) = *n;
            } else if (has_value) d.device.variables.push_back(text);
            else return wrong(lines_[at_], "expected KEY=VALUE, found " + quoted(printable(text)));
        }
        return std::nullopt;
    }

    MaybeError step(const Line& line) {
        const std::string& w = line.word;
        if (line.indented) return wrong(line, "an indented line belongs below a device or an event");
        if (w == "cmdline" || w == "jobs") {
            if (simulation_) return wrong(line, quoted(w) + " must come before anything happens");
            if (w == "cmdline") command_line_ = line.rest;
            else if (line.rest == "by-hand") by_hand_ = true;
            else return wrong(line, "expected \"jobs by-hand\"");
            return std::nullopt;
        }
        if (w == "device") {
            Details d;
            d.device.devpath = line.rest;
            auto error = read_details(d);
            devices_.push_back(std::move(d.device));
            return error;
        }
        begin();
        Simulation& s = *simulation_;
        if (w.starts_with('+')) {
            auto by = parse_duration(std::string_view(w).substr(1));
            if (!by) return wrong(line, "expected a time like +500ms, found " + quoted(printable(w)));
            s.advance(*by);
        } else if (w == "snapshot") {
            s.snapshot(devices_, line.rest == "behind");
            devices_.clear();
        } else if (w == "caught-up") {
            s.caught_up();
        } else if (w == "complete") s.coldplug_complete();
        else if (w == "lost") s.feed(InDoubt{});
        else if (w == "udevd") return udevd(line);
        else if (w == "sysfs") return sysfs(line);
        else if (w == "reads") return reads(line);
        else if (w == "modules") s.modules_loading = line.rest == "loading";
        else if (w == "restart") s.start();
        else if (w == "crash") s.crash(words(line.rest));
        else if (w == "reload") s.configure(load_(line.rest));
        else if (w == "start") s.feed(HandRequest{line.rest, UnitEvent::HandStart, false});
        else if (w == "stop") s.feed(HandRequest{line.rest, UnitEvent::HandStop, false});
        else if (w == "reset") s.feed(HandRequest{line.rest, UnitEvent::Reset, false});
        else if (w == "reset-latch") s.feed(HandRequest{line.rest, UnitEvent::Reset, true});
        else if (w == "file") return file(line);
        else if (w == "job") return job(line);
        else return event(line);
        return std::nullopt;
    }

    MaybeError event(const Line& line) {
        std::vector<std::string> w = words(line.rest);
        bool copy = line.word == "udev" || line.word == "hotplug";
        std::string action = copy && !w.empty() ? w[0] : line.word;
        if (action_of(action) == Action::Other && action != "other")
            return wrong(line, "expected an event or one of the words of a trace, found " +
                                   quoted(printable(action)), "man devmux.7 shows the format");
        Details d;
        d.device.devpath = copy ? line.rest.substr(std::min(action.size() + 1, line.rest.size())) : line.rest;
        if (auto error = read_details(d)) return error;
        if (copy) d.how.via = line.word == "udev" ? Transport::Udev : Transport::Hotplug;
        simulation_->event(action, d.device, d.how);
        return std::nullopt;
    }

    MaybeError udevd(const Line& line) {
        UdevSeen udev{UdevPresence::Running, line.rest != "busy"};
        if (line.rest == "absent") udev.presence = UdevPresence::Absent;
        else if (line.rest == "down") udev.presence = UdevPresence::Installed;
        else if (line.rest != "busy" && line.rest != "idle")
            return wrong(line, "expected \"udevd idle\", busy, down or absent");
        simulation_->udevd(udev);
        return std::nullopt;
    }

    MaybeError sysfs(const Line& line) {
        bool gone = line.rest.starts_with("gone ");
        Details d;
        d.device.devpath = gone ? line.rest.substr(5) : line.rest;
        if (auto error = read_details(d)) return error;
        if (gone) simulation_->vanish_silently(d.device.devpath);
        else simulation_->change_silently(d.device);
        return std::nullopt;
    }

    MaybeError reads(const Line& line) {
        auto time = line.rest.starts_with("take ") ? parse_duration(line.rest.substr(5)) : std::nullopt;
        if (!time) return wrong(line, "expected a time, like \"reads take 20ms\"");
        simulation_->reads_take = *time;
        return std::nullopt;
    }

    MaybeError file(const Line& line) {
        std::vector<std::string> w = words(line.rest);
        if (w.size() != 2 || (w[1] != "yes" && w[1] != "no" && w[1] != "unknown"))
            return wrong(line, "expected \"file PATH yes\", no or unknown");
        simulation_->feed(FileSeen{w[0], w[1] == "yes"  ? Truth::True
                                         : w[1] == "no" ? Truth::False : Truth::Unknown});
        return std::nullopt;
    }

    MaybeError job(const Line& line) {
        std::vector<std::string> w = words(line.rest);
        auto number = w.size() == 3 ? number_of(w[2]) : std::nullopt;
        JobEnded how;
        if (w.size() == 2 && w[1] == "ok") how.code = 0;
        else if (number && w[1] == "exit") how.code = static_cast<int>(*number);
        else if (number && w[1] == "signal") how.signal = static_cast<int>(*number);
        else if (w.size() != 2 || w[1] != "unseen")
            return wrong(line, "expected \"job UNIT ok\", exit N, signal N or unseen");
        if (!simulation_->end_job(w[0], how)) return wrong(line, "no job of " + quoted(w[0]) + " runs now");
        return std::nullopt;
    }

    static std::vector<std::string> words(const std::string& text) {
        std::vector<std::string> out;
        for (size_t at = text.find_first_not_of(' '); at != std::string::npos;) {
            size_t end = std::min(text.find(' ', at), text.size());
            out.push_back(text.substr(at, end - at));
            at = text.find_first_not_of(' ', end);
        }
        return out;
    }

    std::string file_;
    const ConfigurationLoader& load_;
    std::vector<Line> lines_;
    size_t at_ = 0;
    std::string command_line_;
    bool by_hand_ = false;
    std::vector<TracedDevice> devices_;
    std::unique_ptr<Simulation> simulation_;
};

}  // namespace

Result<std::vector<std::string>> play_trace(std::string_view text, const std::string& file,
                                            const ConfigurationLoader& load) {
    return Player(text, file, load).play();
}

}  // namespace devmux
