// See whatif.h.
#include "tools/whatif.h"

#include <algorithm>
#include <utility>

#include "conditions/text.h"
#include "engine/recording/device_text.h"
#include "tools/trace_text.h"

namespace devmux {
namespace {

constexpr size_t kNamed = 5;  // candidates that an error names

Error wrong(std::string what, std::string hint = "") {
    return {.where = {}, .what = std::move(what), .source = "", .caret = -1, .hint = std::move(hint)};
}

// Words at blanks, unless in double quotes; these are taken off.
std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> out;
    bool quotes = false, inside = false;
    for (char c : text) {
        bool blank = c == ' ' || c == '\n' || c == '\t';
        if (!quotes && blank) {
            inside = false;
            continue;
        }
        if (!std::exchange(inside, true)) out.emplace_back();
        if (c == '"') quotes = !quotes;
        else out.back() += c;
    }
    return out;
}

class Events {
  public:
    Events(const DeviceTable& table) : table_(table) {}

    // The line of a trace, and those below it.
    Result<std::string> lines(const std::string& event) const {
        std::vector<std::string> words = split(event);
        if (words.empty()) return wrong("expected an event", "for example \"remove mouse\"");
        bool copy = words[0] == "udev" || words[0] == "hotplug";
        std::string action = copy && words.size() > 1 ? words[1] : words[0];
        if (action_of(action) == Action::Other) return event + "\n";
        size_t first = copy ? 2 : 1;
        std::vector<std::string> details;
        std::string what;
        for (size_t i = first; i < words.size(); ++i) {
            bool detail = i > first && (words[i].find('=') != std::string::npos || words[i].starts_with("attr.") ||
                                        words[i] == "synthetic" || words[i] == "gone" || words[i] == "udev");
            if (detail) details.push_back(words[i]);
            else what += (what.empty() ? "" : " ") + words[i];
        }
        if (what.empty()) return wrong(quoted(printable(event)) + " says not of which device");
        if (action == "add" && what.starts_with('/')) return line(words[0], copy ? action : "", what, "", details);
        auto devices = named(what, action == "remove");
        if (!devices) return devices.error();
        std::string out;
        for (const Device* device : *devices)
            out += line(words[0], copy ? action : "", std::string(device->devpath()), device->block(), details);
        return out;
    }

  private:
    static std::string line(const std::string& word, const std::string& action, const std::string& devpath,
                            const std::string& block, const std::vector<std::string>& details) {
        std::string out = word + (action.empty() ? "" : " " + action) + " " + escaped(devpath) + "\n";
        bool says_subsystem = false;
        std::string said;
        for (const std::string& detail : details) {
            said += "  " + detail + "\n";
            says_subsystem |= detail.starts_with("SUBSYSTEM=");
        }
        // What is known of it, where it is not said anew.
        std::string rest;
        for (size_t at = 0; at < block.size();) {
            size_t end = std::min(block.find('\0', at), block.size());
            std::string variable = block.substr(at, end - at), key = variable.substr(0, variable.find('=') + 1);
            bool anew = key == "DEVPATH=" || std::any_of(details.begin(), details.end(), [&](const std::string& d) {
                return d.starts_with(key);
            });
            if (!anew) rest += variable + '\0', says_subsystem |= key == "SUBSYSTEM=";
            at = end + 1;
        }
        append_variables(rest, out);
        if (!says_subsystem) out += "  SUBSYSTEM=unknown\n";
        return out + said;
    }

    // The devices that are meant, children before their parents.
    Result<std::vector<const Device*>> named(const std::string& what, bool all_below) const {
        auto with_children = [&](const std::vector<const Device*>& tops) { return all_below ? below(tops) : tops; };
        std::vector<const Device*> found;
        if (const Device* exact = table_.find(what)) return with_children(std::vector<const Device*>{exact});
        if (auto id = table_.classes().find(what)) {
            table_.each_of(*id, "", [&](const DeviceFacts& facts, bool) {
                return found.push_back(table_.find(facts.devpath())), true;
            });
            if (found.empty()) return wrong("there is no device of the class " + quoted(printable(what)));
            return with_children(found);
        }
        table_.each([&](const Device& d) {
            if (d.name() == what || d.devpath().ends_with("/" + what)) found.push_back(&d);
        });
        if (found.size() == 1) return with_children(found);
        std::string names;
        for (size_t i = 0; i < found.size() && i < kNamed; ++i)
            names += (i ? ", " : "") + printable(found[i]->devpath()) + (i + 1 == kNamed && found.size() > kNamed ? " …" : "");
        if (!found.empty())
            return wrong(quoted(printable(what)) + " may be any of " + std::to_string(found.size()) + " devices: " + names,
                         "write more of the devpath");
        std::vector<std::string> known = table_.classes().all_names();
        table_.each([&](const Device& d) { known.emplace_back(d.name()); });
        std::string near = nearest(what, known);
        return wrong(quoted(printable(what)) + " is no device that is there, and no class",
                     near.empty() ? "devmux devices lists them" : "did you mean " + quoted(printable(near)) + "?");
    }

    std::vector<const Device*> below(const std::vector<const Device*>& tops) const {
        std::vector<const Device*> out;
        table_.each([&](const Device& d) {
            for (const DeviceFacts* at = &d; at; at = at->parent())
                for (const Device* top : tops)
                    if (at == top) return out.push_back(&d);
        });
        std::reverse(out.begin(), out.end());
        return out;
    }

    const DeviceTable& table_;
};

}  // namespace

Result<std::vector<std::string>> what_if(const TraceHead& head, const std::vector<std::string>& events) {
    if (!head.checkpoint) return wrong("this is no recording of a daemon that runs");
    auto simulation = std::make_unique<Simulation>(head.configuration, head.command_line, head.times);
    simulation->take_over(head);
    for (const std::string& event : events) {
        auto lines = Events(simulation->engine().world().table).lines(event);
        if (!lines) return lines.error();
        if (auto error = play_on(*lines, "", simulation)) {
            error->where = {};
            error->what = quoted(printable(event)) + ": " + error->what;
            return *error;
        }
    }
    return simulation->lines();
}

}  // namespace devmux
