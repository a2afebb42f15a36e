// See storm_trace.h.
#include "tests/plan/storm_trace.h"

#include "conditions/text.h"

namespace devmux::test {

Daemon::Observer StormTrace::observer() {
    return {.fed = [this](const Event& event, Time now) { fed(event, now); },
            .said = [this](const std::string& what, Time now) { line(now, what); },
            .decided = [this](const PlanAction& action, Time now) {
                if (const auto* run = std::get_if<RunJob>(&action)) {
                    units_[run->job] = run->unit->name;
                    line(now, "# run " + run->unit->name + " " + std::string(to_string(run->verb)) + " " + run->action +
                                  " DEVPATH=" + std::string(find_in(run->block, "DEVPATH").value_or("")) + " GEN=" +
                                  std::string(find_in(run->block, "GEN").value_or("")) + " SEQNUM=" +
                                  std::string(find_in(run->block, "SEQNUM").value_or("")));
                } else if (const auto* look = std::get_if<LookAgain>(&action)) {
                    line(now, "# look " + look->devpath);
                } else if (const auto* report = std::get_if<Report>(&action)) {
                    line(now, "# " + report->unit + ": " + report->text);
                }
            }};
}

void StormTrace::line(Time now, const std::string& text) {
    if (now > last_)
        text_ += "+" + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(now - last_).count()) + "ms\n";
    last_ = std::max(last_, now);
    text_ += text + "\n";
}

void StormTrace::variables(Block block) {
    while (!block.empty()) {
        std::string_view one = block.substr(0, block.find('\0'));
        block.remove_prefix(std::min(one.size() + 1, block.size()));
        bool of_line = one.starts_with("ACTION=") || one.starts_with("DEVPATH=") || one.starts_with("DEVPATH_OLD=") ||
                       one.starts_with("SEQNUM=") || one.starts_with("SYNTH_UUID=");
        if (!of_line) text_.append("  ").append(one).append("\n");
    }
}

void StormTrace::found(const FoundDevice& device, const std::string& indent) {
    std::string before = std::exchange(text_, "");
    variables(device.block);
    text_ += "  inode=" + std::to_string(device.standing.generation.inode) + "\n";
    for (const Attribute& a : device.standing.attributes) text_ += "  attr." + a.name + (a.text ? "=" + *a.text : "") + "\n";
    if (device.udev) {
        text_ += "  udev\n";
        std::string_view record = *device.udev;
        while (!record.empty()) {
            text_.append("  udev.").append(record.substr(0, record.find('\0'))).append("\n");
            record.remove_prefix(record.find('\0') + 1);
        }
    }
    std::string details = std::exchange(text_, before);
    for (size_t at = 0; at < details.size();) {
        size_t end = details.find('\n', at) + 1;
        text_ += indent + details.substr(at, end - at);
        at = end;
    }
}

void StormTrace::fed(const Event& event, Time now) {
    if (const auto* e = std::get_if<DeviceEvent>(&event)) {
        const Uevent& u = e->uevent;
        std::string via = e->via == Transport::Kernel ? "" : std::string(to_string(e->via)) + " ";
        line(now, via + std::string(u.action_word) + " " + std::string(u.devpath));
        variables(u.block);
        text_ += "  seqnum=" + std::to_string(u.seqnum) + "\n";
        if (!u.devpath_old.empty()) text_ += "  from=" + std::string(u.devpath_old) + "\n";
        if (u.synthetic) text_ += "  synthetic\n";
        if (e->standing.generation.inode) text_ += "  inode=" + std::to_string(e->standing.generation.inode) + "\n";
        else if (u.action == Action::Add && !u.synthetic) text_ += "  gone\n";
    } else if (const auto* s = std::get_if<Snapshot>(&event)) {
        for (const FoundDevice& device : s->devices) {
            line(now, "device " + device.devpath);
            found(device, "");
        }
        line(now, "snapshot behind\n# of " + std::to_string(s->seqnum));
    } else if (const auto* look = std::get_if<LookedAt>(&event)) {
        line(now, (look->found ? "# looked at " : "# looked, gone: ") + look->devpath + " as of " + std::to_string(look->seqnum));
        if (look->found) found(*look->found, "# ");
    } else if (const auto* read = std::get_if<AttributesRead>(&event)) {
        line(now, "# read " + read->devpath + " of " + std::to_string(read->generation.inode));
        for (const Attribute& a : read->attributes) text_ += "#   attr." + a.name + (a.text ? "=" + *a.text : "") + "\n";
    } else if (std::get_if<CaughtUp>(&event)) line(now, "caught-up");
    else if (std::get_if<ColdplugComplete>(&event)) line(now, "complete");
    else if (std::get_if<InDoubt>(&event)) line(now, "lost");
    else if (const auto* udev = std::get_if<UdevSeen>(&event)) {
        line(now, udev->presence == UdevPresence::Absent      ? "udevd absent"
                  : udev->presence == UdevPresence::Installed ? "udevd down"
                  : udev->idle                                ? "udevd idle" : "udevd busy");
    } else if (const auto* end = std::get_if<JobEnded>(&event)) {
        std::string how = end->code == 0 ? "ok" : end->code ? "exit " + std::to_string(*end->code) : "unseen";
        line(now, "job " + units_[end->job] + " " + how);
    } else if (std::get_if<NewConfiguration>(&event)) line(now, "# reload");
}

}  // namespace devmux::test
