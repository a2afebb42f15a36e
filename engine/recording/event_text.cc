// See event_text.h.
#include "engine/recording/event_text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "conditions/text.h"
#include "engine/intake/uevent.h"
#include "engine/recording/event_links.h"
#include "engine/recording/event_mounts.h"

namespace devmux {
namespace {

constexpr std::array<std::pair<InDoubt::Why, std::string_view>, 7> kDoubts{{
    {InDoubt::Why::Overrun, "overrun"},
    {InDoubt::Why::Truncated, "truncated"},
    {InDoubt::Why::Malformed, "malformed"},
    {InDoubt::Why::Udev, "udev"},
    {InDoubt::Why::Resumed, "resumed"},
    {InDoubt::Why::Continued, "continued"},
    {InDoubt::Why::Switched, "switched"},
}};

std::string variable(std::string_view key, std::string_view value) {
    return std::string(key) + "=" + std::string(value) + '\0';
}

// Every event begins with these two, every block of a uevent file that was read with the second.
std::string usual_head(std::string_view action, std::string_view devpath) {
    return (action.empty() ? "" : variable("ACTION", action)) + variable("DEVPATH", devpath);
}

// `usual` is left out where it can be put back without a doubt; else the lines are the whole block.
void append_block(Block block, const std::string& usual, std::string& out) {
    if (block.starts_with(usual)) return append_variables(block.substr(usual.size()), out);
    out += "  whole\n";
    append_variables(block, out);
}

void append_standing(const Standing& s, const Standing& usual, std::string& out) {
    if (s.exists != usual.exists || s.device != usual.device || s.bare != usual.bare ||
        s.orphan != usual.orphan)
        append_detail("standing", std::string(s.exists ? "there" : "gone") + (s.device ? ",device" : "") +
                                      (s.bare ? ",bare" : "") + (s.orphan ? ",orphan" : ""), out);
    append_generation(s.generation, out);
    if (!s.driver.empty()) append_detail("driver", s.driver, out);
    append_attributes(s.attributes, out);
}

const Standing kFound{.exists = true, .device = true};

void append_found(const FoundDevice& found, std::string& out) {
    append_standing(found.standing, kFound, out);
    append_block(found.block, usual_head("", found.devpath), out);
    if (find_in(found.block, "SUBSYSTEM").value_or("") != found.subsystem)
        append_detail("subsystem", found.subsystem, out);
    if (found.udev) append_record(*found.udev, out);
}

struct Writer {
    std::string& out;
    const std::string& whose;
    Duration took;

    void operator()(const DeviceEvent& e) const {
        const Uevent& u = e.uevent;
        // A word that is no action of the kernel's may be one of ours.
        bool plain = e.via == Transport::Kernel && action_of(u.action_word) != Action::Other;
        if (!plain) out += std::string(to_string(e.via)) + " ";
        out += escaped_word(u.action_word) + " " + escaped_word(u.devpath) + "\n";
        append_standing(e.standing, {}, out);
        append_block(u.block, usual_head(u.action_word, u.devpath), out);
    }
    void operator()(const LookedAt& look) const {
        out += "looked " + escaped_word(look.devpath) + "\n";
        if (look.seqnum) append_detail("seqnum", std::to_string(look.seqnum), out);
        if (look.took > Duration{}) append_detail("took", seconds_text(look.took), out);
        if (look.found) append_found(*look.found, out);
        else out += "  gone\n";
    }
    void operator()(const AttributesRead& read) const {
        out += "attributes " + escaped_word(read.devpath) + "\n";
        append_generation(read.generation, out);
        append_attributes(read.attributes, out);
    }
    void operator()(const Snapshot& snapshot) const {
        for (const FoundDevice& found : snapshot.devices) {
            out += "device " + escaped_word(found.devpath) + "\n";
            append_found(found, out);
        }
        out += "snapshot behind\n";
        if (snapshot.seqnum) append_detail("seqnum", std::to_string(snapshot.seqnum), out);
        if (snapshot.took > Duration{}) append_detail("took", seconds_text(snapshot.took), out);
    }
    void operator()(const CaughtUp&) const { out += "caught-up\n"; }
    void operator()(const ColdplugComplete&) const { out += "complete\n"; }
    void operator()(const InDoubt& doubt) const {
        for (const auto& [why, word] : kDoubts)
            if (why == doubt.why) out += "doubt " + std::string(word) + "\n";
    }
    void operator()(const UdevSeen& udev) const { out += "udevd " + udev_text(udev) + "\n"; }
    void operator()(const ModulesSeen& m) const { out += m.loading ? "modules loading\n" : "modules idle\n"; }
    void operator()(const FileSeen& file) const {
        const char* word = file.exists == Truth::True ? "yes" : file.exists == Truth::False ? "no" : "unknown";
        out += "file " + escaped_word(file.path) + " " + word + "\n";
    }
    void operator()(const MountsSeen& seen) const {
        for (const MountSeen& mount : seen.mounts) out += "mount " + mount_text(mount) + "\n";
        out += "mounts\n";
    }
    void operator()(const LinksSeen& seen) const { out += links_text(seen); }
    void operator()(const RunlevelSeen& r) const { out += "runlevel " + (r.level.empty() ? "unknown" : r.level) + "\n"; }
    void operator()(const ScriptSeen& seen) const { out += script_text(seen) + "\n"; }
    void operator()(const ModeSet& set) const { out += set.mode.empty() ? "mode\n" : "mode " + set.mode + "\n"; }
    void operator()(const ShutdownAsked& asked) const { out += asked.down ? "shutdown\n" : "shutdown cancelled\n"; }
    void operator()(const JobEnded& end) const {
        out += "ended " + std::to_string(end.job) + whose + "\n";
        if (end.code) append_detail("exit", std::to_string(*end.code), out);
        if (end.signal) append_detail("signal", std::to_string(*end.signal), out);
        if (!end.error.empty()) append_detail("error", end.error, out);
        if (end.found_running) append_detail("found", "running", out);
        if (end.no_action) append_detail("found", "no-action", out);
        if (end.found_down) append_detail("found", "down", out);
        if (end.missing) append_detail("found", "missing", out);
        if (!whose.empty()) append_detail("took", seconds_text(took), out);
    }
    void operator()(const JobSeen& seen) const {
        out += "job-seen " + std::to_string(seen.job) + "\n";
        append_detail("text", seen.text, out);
        if (seen.in_module_load) out += "  spare\n";
        if (!seen.driver.empty()) append_detail("module", seen.driver, out);
    }
    void operator()(const JobSignalled& s) const {
        out += "job-signalled " + std::to_string(s.job) + " " + std::to_string(s.signal) + "\n";
        if (!s.sent.empty()) append_detail("sent", s.sent, out);
        if (!s.spared.empty()) append_detail("spared", s.spared, out);
    }
    void operator()(const DaemonReady& ready) const { out += "daemon-ready " + std::to_string(ready.job) + "\n"; }
    void operator()(const ServiceSeen& seen) const {
        out += "service " + escaped_word(seen.unit) + " " + std::string(to_string(seen.state)) +
               (seen.how == ServiceSeen::How::Alone ? "" : " " + std::string(to_string(seen.how))) + "\n";
        append_detail("text", seen.text, out);
    }
    void operator()(const ScriptStarted& seen) const {
        out += "boot-script " + escaped_word(seen.unit) + " " + std::to_string(seen.pid) + " " + seconds_text(seen.started) +
               (seen.by.empty() ? "" : " " + escaped_word(seen.by)) + "\n";
    }
    void operator()(const DeadlineReached&) const { out += "deadline\n"; }
    void operator()(const HandRequest& hand) const {
        const char* word = hand.event == UnitEvent::HandStart ? "start "
                           : hand.event == UnitEvent::HandStop ? hand.force ? "force-stop " : "stop "
                           : hand.event == UnitEvent::HandRestart ? hand.force ? "force-restart " : "restart-unit "
                           : hand.event == UnitEvent::Refresh ? "refresh "
                           : hand.event == UnitEvent::StoppedElsewhere ? "script-stop "
                           : hand.clear_latches ? "reset-latch " : "reset ";
        out += word + escaped_word(hand.unit) + "\n";
    }
    void operator()(const NewConfiguration&) const { out += "reload\n"; }
};

}  // namespace

void append_event(const Event& event, const std::string& whose, Duration took, std::string& out) {
    std::visit(Writer{out, whose, took}, event);
}

std::optional<Truth> truth_of_answer(std::string_view word) {
    if (word == "yes") return Truth::True;
    if (word == "no") return Truth::False;
    return word == "unknown" ? std::optional(Truth::Unknown) : std::nullopt;
}

std::optional<InDoubt::Why> doubt_of(std::string_view word) {
    auto it = std::find_if(kDoubts.begin(), kDoubts.end(), [&](const auto& d) { return d.second == word; });
    return it == kDoubts.end() ? std::nullopt : std::optional(it->first);
}

std::optional<UdevSeen> udev_of(std::string_view words) {
    std::vector<std::string_view> w = words_of(words);
    bool busy = !w.empty() && w.back() == "busy";
    if (w.size() > 2 || w.empty() || (w.size() == 2 && !busy)) return std::nullopt;
    if (w[0] == "idle" && w.size() == 1) return UdevSeen{UdevPresence::Running, true};
    if (w[0] == "busy" && w.size() == 1) return UdevSeen{UdevPresence::Running, false};
    if (w[0] == "down") return UdevSeen{UdevPresence::Installed, !busy};
    if (w[0] == "absent") return UdevSeen{UdevPresence::Absent, !busy};
    return std::nullopt;
}

std::string udev_text(const UdevSeen& udev) {
    if (udev.presence == UdevPresence::Running) return udev.idle ? "idle" : "busy";
    return std::string(udev.presence == UdevPresence::Installed ? "down" : "absent") + (udev.idle ? "" : " busy");
}

std::optional<Error> EventReader::found(const TraceLine& line, std::string_view devpath, DeviceDetails& d,
                                        FoundDevice& out) {
    auto path = unescaped(devpath);
    if (!path) return cursor_.wrong(line, "expected a devpath, found " + quoted(printable(devpath)));
    out.devpath = *path;
    if (!d.standing_said) d.standing.exists = d.standing.device = true;
    out.standing = std::move(d.standing);
    out.block = (d.whole ? "" : usual_head("", out.devpath)) + d.block;
    out.subsystem = d.subsystem ? *d.subsystem : std::string(find_in(out.block, "SUBSYSTEM").value_or(""));
    out.udev = std::move(d.udev);
    return std::nullopt;
}

std::optional<Error> EventReader::device_event(const TraceLine& line, ReadEvent& out) {
    std::vector<std::string_view> w = words_of(line.text);
    Transport via = Transport::Kernel;
    if (w[0] == "udev") via = Transport::Udev;
    if (w[0] == "hotplug") via = Transport::Hotplug;
    if (via != Transport::Kernel || w[0] == "kernel") w.erase(w.begin());
    auto action = w.size() == 2 ? unescaped(w[0]) : std::nullopt;
    auto devpath = w.size() == 2 ? unescaped(w[1]) : std::nullopt;
    if (!action || !devpath)
        return cursor_.wrong(line, "expected an event or one of the words of a recording, found " +
                                       quoted(printable(line.text)), "man devmux.7 shows the format");
    DeviceDetails d;
    if (auto error = cursor_.details(d)) return error;
    out.message = std::make_unique<std::string>(*action + "@" + *devpath + '\0');
    if (!d.whole) *out.message += usual_head(*action, *devpath);
    *out.message += d.block;
    auto uevent = parse_uevent(*out.message);
    if (!uevent) return cursor_.wrong(line, "this is no event: " + uevent.error().what);
    out.event = DeviceEvent{*uevent, std::move(d.standing), via};
    return std::nullopt;
}

std::optional<Error> EventReader::read(const TraceLine& line, std::optional<ReadEvent>& result) {
    std::string_view word = line.word(), rest = line.rest();
    ReadEvent out;
    auto text = unescaped(rest);
    auto expected = [&](std::string what) { return cursor_.wrong(line, "expected " + what); };
    std::optional<Duration> took = Duration{};
    auto duration = [&](std::string_view key, std::string_view value) {
        if (key != "took") return false;
        took = seconds_of(value);
        if (took && (*took < Duration{} || *took == kNever)) took.reset();
        return true;
    };
    if (word == "device" || word == "looked" || word == "attributes") {
        DeviceDetails d;
        if (auto error = cursor_.details(d, duration)) return error;
        if (!took) return expected("a duration behind \"took\"");
        FoundDevice device;
        if (auto error = found(line, rest, d, device)) return error;
        if (word == "device") return walked_.push_back(std::move(device)), std::nullopt;
        if (word == "attributes")
            out.event = AttributesRead{device.devpath, device.standing.generation, device.standing.attributes};
        else if (d.gone) out.event = LookedAt{device.devpath, std::nullopt, d.seqnum, *took};
        else out.event = LookedAt{device.devpath, device, d.seqnum, *took};
    } else if (word == "snapshot") {
        DeviceDetails d;
        if (auto error = cursor_.details(d, duration)) return error;
        if (!took) return expected("a duration behind \"took\"");
        out.event = Snapshot{std::exchange(walked_, {}), d.seqnum, *took};
    } else if (word == "caught-up") {
        out.event = CaughtUp{};
    } else if (word == "complete") {
        out.event = ColdplugComplete{};
    } else if (word == "lost") {
        out.event = InDoubt{};
    } else if (word == "doubt") {
        auto why = doubt_of(rest);
        if (!why) return expected("\"doubt overrun\", truncated, malformed, udev, resumed, continued or switched");
        out.event = InDoubt{*why};
    } else if (word == "udevd") {
        auto udev = udev_of(rest);
        if (!udev) return expected("\"udevd idle\", busy, down or absent");
        out.event = *udev;
    } else if (word == "modules") {
        out.event = ModulesSeen{rest == "loading"};
    } else if (word == "file") {
        std::vector<std::string_view> w = words_of(rest);
        auto path = w.size() == 2 ? unescaped(w[0]) : std::nullopt;
        auto truth = w.size() == 2 ? truth_of_answer(w[1]) : std::nullopt;
        if (!path || !truth) return expected("\"file PATH yes\", no or unknown");
        out.event = FileSeen{*path, *truth};
    } else if (word == "mount") {
        auto mount = mount_of(rest);
        if (!mount) return expected("\"mount PATH POINT TYPE SOURCE\"");
        return mounts_.push_back(std::move(*mount)), std::nullopt;
    } else if (word == "mounts") {
        out.event = MountsSeen{std::exchange(mounts_, {})};
    } else if (word == "link" || word == "route") {
        if (!take_link_line(word, rest, links_)) return expected(kLinkLines);
        return std::nullopt;
    } else if (word == "links") {
        links_.known = rest != "unknown";
        out.event = std::exchange(links_, {});
    } else if (word == "runlevel" || word == "script" || word == "mode" || word == "shutdown") {
        if (auto error = of_init(line, out)) return error;
    } else if (word == "daemon-ready") {
        auto job = number_of(rest);
        if (!job) return expected("\"daemon-ready JOB\"");
        out.event = DaemonReady{*job};
    } else if (word == "deadline") {
        out.event = DeadlineReached{};
    } else if (word == "force-stop" || word == "force-restart") {
        if (!text) return expected("the name of a unit");
        out.event = HandRequest{*text, word == "force-stop" ? UnitEvent::HandStop : UnitEvent::HandRestart, false, true};
    } else if (word == "start" || word == "stop" || word == "restart-unit" || word == "refresh" || word == "reset" || word == "reset-latch" ||
               word == "script-stop") {
        if (!text) return expected("the name of a unit");
        UnitEvent event = word == "start"          ? UnitEvent::HandStart
                          : word == "stop"         ? UnitEvent::HandStop
                          : word == "restart-unit" ? UnitEvent::HandRestart
                          : word == "refresh"      ? UnitEvent::Refresh
                          : word == "script-stop"  ? UnitEvent::StoppedElsewhere
                                                   : UnitEvent::Reset;
        out.event = HandRequest{*text, event, word == "reset-latch"};
    } else if (word == "ended") {
        if (auto error = ended(line, out)) return error;
    } else if (word == "service") {
        if (auto error = service_seen(line, out)) return error;
    } else if (word == "boot-script") {
        if (auto error = script_started(line, out)) return error;
    } else if (word == "job-seen" || word == "job-signalled") {
        if (auto error = job_watched(line, out)) return error;
    } else if (auto error = device_event(line, out)) {
        return error;
    }
    result = std::move(out);
    return std::nullopt;
}

}  // namespace devmux
