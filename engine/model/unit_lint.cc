// See unit_lint.h. Every warning names what will happen, not a rule that was broken.
#include "engine/model/unit_lint.h"

#include <algorithm>
#include <array>

#include "conditions/text.h"

namespace devmux {
namespace {

// Init scripts of Debian that do their work and leave nothing running.
constexpr std::array<std::string_view, 14> kOneShot{
    "alsa-utils", "bootlogs",  "checkroot.sh", "hostname.sh", "hwclock.sh", "ifrename", "kmod",
    "mountall.sh", "mountnfs.sh", "ntpdate", "procps", "rmnologin", "sendsigs", "urandom"};
// Without these a person at the machine can no longer say anything.
constexpr std::array<std::string_view, 6> kInput{"mouse", "keyboard", "touchpad", "touchscreen",
                                                 "tablet", "pointer"};

template <size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

// `mouse and framebuffer bound`: the state binds to the framebuffer alone. Nobody means that a mouse be online.
void lint_states(const Condition& c, const Node& where, Errors& warnings) {
    for (const Condition& part : c.parts) lint_states(part, where, warnings);
    if (c.kind != Condition::Kind::All) return;
    const Condition& last = c.parts.back();
    if (last.kind != Condition::Kind::Device || last.device.state == DeviceState::Present) return;
    for (const Condition& part : c.parts)
        if (&part != &last && part.kind == Condition::Kind::Device &&
            part.device.state == DeviceState::Present &&
            (!is_of_links(last.device.state) || part.device.class_id == last.device.class_id)) {
            warnings.push_back(error_at(where, "in " + quoted(to_string(c)) + " the last word speaks of " +
                                                   quoted(last.device.class_name) + " alone",
                                        "write it behind each device that it is meant for"));
            return;
        }
}

// `when: mouse #1 and disk`: a comment to YAML, and maybe not to its author.
void lint_comment(const Node& where, Errors& warnings) {
    const std::string& comment = where.comment;
    if (comment.empty()) return;
    std::string word = lower(comment.substr(0, comment.find(' ', 1)));
    bool meant = comment[0] != ' ' || word == " and" || word == " or" || word == " for";
    if (meant)
        warnings.push_back(error_at(where, "YAML cuts the condition at \" #\": it reads " + described(where),
                                    "put the whole condition in single quotes, or a blank behind the #"));
}

}  // namespace

void lint(Unit& unit, const Node& document) {
    Errors& out = unit.warnings;
    if (unit.condition_kind == ConditionKind::None && !unit.each_event)
        out.push_back(error_at(document, "the unit has no condition: only `devmux start` starts it",
                               "when: CONDITION starts it by itself"));
    if (unit.description.empty())
        out.push_back(error_at(document, "the unit has no description", "description: what it is"));
    if (unit.service.kind == Service::Kind::InitScript && !unit.task &&
        contains(kOneShot, unit.service.init_script))
        out.push_back(error_at(*document.find("init-script"),
                               quoted(unit.service.init_script) +
                                   " leaves nothing running, and the unit will be called active",
                               "task: true calls it done, and runs it at each false→true again"));
    if (unit.condition_kind == ConditionKind::While) {
        const Node& where = *document.find(document.find("while") ? "while" : "for-each");
        if (unit.task)
            out.push_back(error_at(where, "a task leaves nothing that `while` could stop",
                                   "`when` means the same here"));
        each_leaf(unit.condition, [&](const Condition& leaf) {
            if (leaf.kind == Condition::Kind::Device && leaf.device.quantifier != Quantifier::It && contains(kInput, leaf.device.class_name))
                out.push_back(error_at(where, "unplugging the " + leaf.device.class_name +
                                                  " will stop the service",
                                       "`when` keeps it running"));
        });
    }
    for (std::string_view key : {"when", "while", "stop-when", "boot-if", "each-event"})
        if (const Node* where = document.find(key)) lint_comment(*where, out);
    for (std::string_view key : {"when", "while", "stop-when", "boot-if"})
        if (const Node* where = document.find(key))
            lint_states(key == "stop-when" ? *unit.stop_when : key == "boot-if" ? *unit.boot_if : unit.condition, *where, out);
}

}  // namespace devmux
