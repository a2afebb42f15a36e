// See trace_text.h for the format.
#include "tools/trace_text.h"

#include <algorithm>
#include <array>
#include <optional>

#include "conditions/text.h"
#include "engine/recording/event_text.h"
#include "tools/trace_jobs.h"

namespace devmux {
namespace {

class Player {
  public:
    Player(std::string_view text, const std::string& file, const ConfigurationLoader& load)
        : load_(load), cursor_(text, file) {}

    // Goes on with a machine that runs already.
    std::optional<Error> play_on(std::unique_ptr<Simulation>& simulation) {
        goes_on_ = true;
        simulation_ = std::move(simulation);
        std::optional<Error> error;
        while (!error && !cursor_.at_end()) error = step(cursor_.take());
        simulation = std::move(simulation_);
        return error;
    }

    Result<std::vector<std::string>> play() {
        if (cursor_.at_end() || cursor_.line().text != "devmux-trace 1")
            return wrong(cursor_.at_end() ? Line{} : cursor_.line(), "expected \"devmux-trace 1\" in the first line");
        cursor_.take();
        while (!cursor_.at_end())
            if (auto error = step(cursor_.take())) return *error;
        begin();
        return simulation_->lines();
    }

  private:
    using MaybeError = std::optional<Error>;
    using Line = TraceLine;

    Error wrong(const Line& line, std::string what, std::string hint = "") const {
        return cursor_.wrong(line, std::move(what), std::move(hint));
    }

    // What makes another machine of it, or needs files that are not here.
    static bool is_of_another(std::string_view word) {
        constexpr std::array<std::string_view, 8> kWords{"cmdline",   "jobs",  "device",  "snapshot",
                                                         "caught-up", "crash", "restart", "reload"};
        return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
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

    MaybeError read_details(const Line& line, std::string_view devpath, Details& d) {
        DeviceDetails said;
        if (auto error = cursor_.details(said)) return error;
        auto path = unescaped(devpath);
        if (!path) return wrong(line, "a backslash stands before \\, & or xNN");
        if (!path->starts_with('/'))
            return cursor_.wrong_at(line, devpath, "expected a devpath, found " + (devpath.empty() ? "the end" : quoted(printable(devpath))),
                                    "it begins with a slash, as below /sys: /devices/…");
        d.device.devpath = std::move(*path);
        for (std::string_view block = said.block; !block.empty(); block.remove_prefix(block.find('\0') + 1))
            d.device.variables.emplace_back(block.substr(0, block.find('\0')));
        d.device.attributes = std::move(said.standing.attributes);
        d.device.inode = said.standing.generation.inode;
        d.device.udev = std::move(said.udev);
        d.how.seqnum = said.seqnum;
        d.how.synthetic = said.synthetic;
        d.how.gone = said.gone;
        d.how.devpath_old = std::move(said.from);
        return std::nullopt;
    }

    MaybeError step(const Line line) {
        std::string_view w = line.word();
        std::string rest(line.rest());
        if (line.indented) return wrong(line, "an indented line belongs below a device or an event");
        if (goes_on_ && is_of_another(w))
            return wrong(line, quoted(w) + " cannot be asked of a machine that runs", "simulate plays it");
        if (w == "cmdline" || w == "jobs") {
            if (simulation_) return wrong(line, quoted(w) + " must come before anything happens");
            if (w == "cmdline") command_line_ = unescaped(rest).value_or(rest);
            else if (rest == "by-hand") by_hand_ = true;
            else return wrong(line, "expected \"jobs by-hand\"");
            return std::nullopt;
        }
        if (w == "device") {
            Details d;
            auto error = read_details(line, line.rest(), d);
            devices_.push_back(std::move(d.device));
            return error;
        }
        begin();
        Simulation& s = *simulation_;
        bool alone = w == "complete" || w == "caught-up" || w == "lost" || w == "restart" || w == "snapshot";
        if (alone && !rest.empty() && (w != "snapshot" || rest != "behind"))
            return cursor_.wrong_at(line, line.rest(), std::string("expected nothing ") + (w == "snapshot" ? "or \"behind\" " : "") + "behind " +
                                                           quoted(w) + ", found " + quoted(printable(rest)));
        if (w.starts_with('+')) {
            auto by = parse_duration(line.text.substr(1));
            if (!by) return wrong(line, "expected a time like +500ms, found " + quoted(printable(line.text)));
            s.advance(*by);
        } else if (w == "snapshot") {
            s.snapshot(devices_, rest == "behind");
            devices_.clear();
        } else if (w == "caught-up") s.caught_up();
        else if (w == "complete") s.coldplug_complete();
        else if (w == "lost") s.feed(InDoubt{});
        else if (w == "doubt") return doubt(line);
        else if (w == "udevd") return udevd(line);
        else if (w == "sysfs") return sysfs(line);
        else if (w == "reads") return reads(line);
        else if (w == "modules") return modules(line);
        else if (w == "waits") return waits(line);
        else if (w == "restart") s.start();
        else if (w == "crash") return crash(line);
        else if (w == "reload") s.configure(load_(rest));
        else if (w == "start") return hand(line, UnitEvent::HandStart);
        else if (w == "stop" || w == "force-stop") return hand(line, UnitEvent::HandStop);
        else if (w == "restart-unit" || w == "force-restart") return hand(line, UnitEvent::HandRestart);
        else if (w == "refresh") return hand(line, UnitEvent::Refresh);
        else if (w == "reset" || w == "reset-latch") return hand(line, UnitEvent::Reset);
        else if (w == "file") return file(line);
        else if (w == "mounted" || w == "unmounted" || w == "fstab") return mount(line);
        else if (w == "link" || w == "route" || w == "links") return link(line);
        else if (w == "runlevel" || w == "script" || w == "mode" || w == "shutdown") return of_init(line);
        else if (w == "job") return job(line);
        else if (w == "service") return service(line);
        else if (w == "boot-script") return boot_script(line);
        else if (w == "script-stop") return hand(line, UnitEvent::StoppedElsewhere);
        else return event(line);
        return std::nullopt;
    }

    MaybeError event(const Line& line) {
        std::vector<std::string_view> w = words_of(line.rest());
        bool copy = line.word() == "udev" || line.word() == "hotplug";
        std::string action(copy && !w.empty() ? w[0] : line.word());
        if (action_of(action) == Action::Other && action != "other")
            return wrong(line, "expected an event or one of the words of a trace, found " +
                                   quoted(printable(action)), "man devmux.7 shows the format");
        Details d;
        std::string_view rest = line.rest();
        if (auto error = read_details(line, copy ? rest.substr(std::min(action.size() + 1, rest.size())) : rest, d))
            return error;
        if (copy) d.how.via = line.word() == "udev" ? Transport::Udev : Transport::Hotplug;
        simulation_->event(action, d.device, d.how);
        return std::nullopt;
    }

    MaybeError crash(const Line& line) {
        for (std::string_view unit : words_of(line.rest()))
            if (simulation_->runs() && !simulation_->engine().planner().find(unit))
                return cursor_.wrong_at(line, unit, "there is no unit " + quoted(printable(unit)));
        simulation_->crash(strings(words_of(line.rest())));
        return std::nullopt;
    }

    MaybeError hand(const Line& line, UnitEvent event) {
        if (!simulation_->runs()) return wrong(line, "the engine was killed: nobody hears " + quoted(line.word()));
        std::string unit(line.rest());
        if (unit.empty()) return cursor_.wrong_at(line, line.rest(), "expected the name of a unit behind " + quoted(line.word()));
        const Planner& planner = simulation_->engine().planner();
        if (!planner.find(unit)) {
            std::vector<std::string> known;
            for (const Managed& m : planner.units())
                if (!m.vacant) known.push_back(m.unit->name);
            std::string near = nearest(unit, known);
            return wrong(line, "there is no unit " + quoted(printable(unit)),
                         near.empty() ? "" : "did you mean " + quoted(near) + "?");
        }
        if (planner.units()[*planner.find(unit)].unit->is_template())
            return wrong(line, quoted(unit) + " has instances: name one of them", unit + "@eth0, for example");
        simulation_->feed(HandRequest{unit, event, line.word() == "reset-latch", line.word().starts_with("force-")});
        return std::nullopt;
    }

    MaybeError modules(const Line& line) {
        if (line.rest() != "loading" && line.rest() != "idle") return wrong(line, "expected \"modules loading\" or idle");
        simulation_->modules_loading = line.rest() == "loading";
        return std::nullopt;
    }

    MaybeError waits(const Line& line) {
        std::string_view rest = line.rest();
        auto word = [&rest] {
            std::string_view first = rest.substr(0, rest.find(' '));
            rest.remove_prefix(std::min(first.size() + 1, rest.size()));
            return std::string(first);
        };
        std::string unit = word();
        JobSeen seen;
        if (rest.starts_with("loading ")) {
            word();
            seen.in_module_load = true;
            seen.driver = word();
        }
        seen.text = unescaped(rest).value_or(std::string(rest));
        if (unit.empty() || seen.text.empty())
            return wrong(line, "expected \"waits UNIT in something\", or \"waits UNIT loading MODULE in something\"");
        simulation_->waits[unit] = std::move(seen);
        return std::nullopt;
    }

    MaybeError service(const Line& line) {
        auto seen = service_of(line.rest());
        if (!seen) return wrong(line, "expected \"service UNIT running\", stopped or failed, and by-hand or unseen");
        seen->text = "its unit of systemd " + std::string(seen->state == ServiceSeen::State::Running ? "is " : "has ") +
                     std::string(to_string(seen->state));
        simulation_->feed(*seen);
        return std::nullopt;
    }

    MaybeError boot_script(const Line& line) {
        std::vector<std::string> w = strings(words_of(line.rest()));
        bool ended = w.size() == 2 && w[1] == "ended";
        if (w.size() != 1 && !ended) return wrong(line, "expected \"boot-script UNIT\", and \"ended\" where it has");
        if (!simulation_->boot_script(w[0], !ended)) return wrong(line, "there is no unit " + quoted(printable(w[0])));
        return std::nullopt;
    }

    MaybeError doubt(const Line& line) {
        auto why = doubt_of(line.rest());
        if (!why) return wrong(line, "expected \"doubt overrun\", truncated, malformed, udev, resumed, continued or switched");
        simulation_->feed(InDoubt{*why});
        return std::nullopt;
    }

    MaybeError udevd(const Line& line) {
        auto udev = udev_of(line.rest());
        if (!udev) return wrong(line, "expected \"udevd idle\", busy, down or absent");
        simulation_->udevd(*udev);
        return std::nullopt;
    }

    MaybeError sysfs(const Line& line) {
        bool gone = line.rest().starts_with("gone ");
        Details d;
        if (auto error = read_details(line, line.rest().substr(gone ? 5 : 0), d)) return error;
        if (gone) simulation_->vanish_silently(d.device.devpath);
        else simulation_->change_silently(d.device);
        return std::nullopt;
    }

    MaybeError reads(const Line& line) {
        auto time = line.rest().starts_with("take ") ? parse_duration(line.rest().substr(5)) : std::nullopt;
        if (!time) return wrong(line, "expected a time, like \"reads take 20ms\"");
        simulation_->reads_take = *time;
        return std::nullopt;
    }

    MaybeError file(const Line& line) {
        std::vector<std::string_view> w = words_of(line.rest());
        auto path = w.size() == 2 ? unescaped(w[0]) : std::nullopt;
        auto truth = w.size() == 2 ? truth_of_answer(w[1]) : std::nullopt;
        if (!path || !path->starts_with('/') || !truth)
            return wrong(line, "expected \"file PATH yes\", no or unknown, with an absolute path");
        simulation_->feed(FileSeen{*path, *truth});
        return std::nullopt;
    }

    MaybeError mount(const Line& line) {
        std::vector<std::string> w;
        for (std::string_view word : words_of(line.rest())) w.push_back(unescaped(word).value_or(""));
        bool un = line.word() == "unmounted", list = line.word() == "fstab";
        w.resize(std::max<size_t>(w.size(), 4));
        std::string point = normal_path(w[0]);
        bool bind = list && w[3] == "bind", network = list && w[3] == "_netdev";
        std::string server = list || un ? "" : normal_address(w[3]);
        bool odd = !w[3].empty() && !bind && !network && server.empty();
        if (point.empty() || w.size() > 4 || w[1].empty() != un || (un && !w[2].empty()) || odd)
            return wrong(line, un ? "expected \"unmounted PATH\"" : "expected " + quoted(std::string(line.word()) + " PATH TYPE SOURCE"));
        if (list) simulation_->listed({point, w[1], w[2], bind, network});
        else if (!un) simulation_->mounted({point, w[1], w[2], server});
        else if (!simulation_->unmounted(point)) return wrong(line, "nothing is mounted at " + quoted(printable(point)));
        return std::nullopt;
    }

    MaybeError link(const Line& line) {
        auto mistake = simulation_->links(line.word(), line.rest());
        return mistake ? MaybeError(cursor_.wrong_at(line, mistake->at, mistake->what, mistake->hint)) : std::nullopt;
    }

    MaybeError of_init(const Line& line) {
        ReadEvent read;
        if (auto error = EventReader(cursor_).of_init(line, read)) return error;
        simulation_->of_init(read.event);
        return std::nullopt;
    }

    MaybeError job(const Line& line) {
        auto job = job_line_of(line.rest());
        if (!job) return wrong(line, std::string("expected ") + kJobLines);
        bool done = job->ready ? simulation_->daemon_ready(job->unit) : simulation_->end_job(job->unit, job->how);
        return done ? MaybeError() : wrong(line, "no job of " + quoted(printable(job->unit)) + " runs now");
    }

    static std::vector<std::string> strings(const std::vector<std::string_view>& words) {
        return {words.begin(), words.end()};
    }

    const ConfigurationLoader& load_;
    TraceCursor cursor_;
    std::string command_line_;
    bool by_hand_ = false, goes_on_ = false;
    std::vector<TracedDevice> devices_;
    std::unique_ptr<Simulation> simulation_;
};

}  // namespace

Result<Played> play(std::string_view text, const std::string& file, const ConfigurationLoader& load) {
    if (is_recorded(text)) return play_recorded(text, file);
    auto lines = Player(text, file, load).play();
    if (!lines) return lines.error();
    Played played;
    played.lines = std::move(*lines);
    return played;
}

std::optional<Error> play_on(std::string_view text, const std::string& file, std::unique_ptr<Simulation>& simulation) {
    ConfigurationLoader none = [](const std::string&) { return std::make_shared<const Configuration>(); };  // never asked
    return Player(text, file, none).play_on(simulation);
}

}  // namespace devmux
