// What was fed about init, as words and back. See event_text.h, and event_text.cc for the way out.
#include <algorithm>

#include "conditions/terms.h"
#include "conditions/text.h"
#include "engine/recording/event_text.h"

namespace devmux {
namespace {

bool is_level(char c) { return (c >= '0' && c <= '9') || c == 'S'; }

// "2345", or "-" for none.
std::optional<std::string> levels_of(std::string_view word) {
    if (word == "-") return "";
    bool good = !word.empty() && word.size() <= 16 && std::all_of(word.begin(), word.end(), is_level);
    return good ? std::optional(std::string(word)) : std::nullopt;
}

}  // namespace

std::optional<RunlevelSeen> runlevel_of(std::string_view word) {
    if (word == "unknown") return RunlevelSeen{};
    return word.size() == 1 && is_level(word[0]) ? std::optional(RunlevelSeen{std::string(word)}) : std::nullopt;
}

std::string script_text(const ScriptSeen& seen) {
    auto levels = [](const std::string& text) { return text.empty() ? "-" : text; };
    return "script " + escaped_word(seen.script) + " " + levels(seen.runlevels.starts) + " " +
           levels(seen.runlevels.stops) + (seen.runlevels.by_links ? " links" : "");
}

std::optional<ScriptSeen> script_of(std::string_view words) {
    std::vector<std::string_view> w = words_of(words);
    bool links = w.size() == 4 && w[3] == "links";
    if (w.size() != 3 && !links) return std::nullopt;
    auto script = unescaped(w[0]);
    auto starts = levels_of(w[1]), stops = levels_of(w[2]);
    if (!script || !starts || !stops) return std::nullopt;
    return ScriptSeen{*script, {.starts = *starts, .stops = *stops, .by_links = links}};
}

std::optional<Error> EventReader::of_init(const TraceLine& line, ReadEvent& out) {
    std::string_view word = line.word(), rest = line.rest();
    if (word == "runlevel") {
        auto seen = runlevel_of(rest);
        if (!seen) return cursor_.wrong(line, "expected \"runlevel N\", 0 to 9 or S, or unknown");
        out.event = *seen;
    } else if (word == "script") {
        auto seen = script_of(rest);
        if (!seen)
            return cursor_.wrong(line, "expected \"script NAME STARTS STOPS\", like \"script gdm3 2345 016\"",
                                 "- is no runlevel; \"links\" at the end says that init has links of it");
        out.event = *seen;
    } else if (word == "mode") {
        if (!rest.empty() && !is_mode_name(rest)) return cursor_.wrong(line, "expected \"mode NAME\", or \"mode\" for none");
        out.event = ModeSet{std::string(rest)};
    } else {
        if (!rest.empty() && rest != "cancelled") return cursor_.wrong(line, "expected \"shutdown\", or \"shutdown cancelled\"");
        out.event = ShutdownAsked{rest.empty()};
    }
    return std::nullopt;
}

}  // namespace devmux
