// See questions.h. What policy-rc.d is called with, and what it answers, is in README.policy-rc.d of
// Debian's init-system-helpers; what invoke-rc.d(8) makes of it is in its function querypolicy(). What
// `status` answers is in the Linux Standard Base, "Init Script Actions".
#include "engine/run/questions.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "engine/model/service_file.h"
#include "engine/model/unit.h"
#include "engine/system/descriptor.h"

namespace devmux {
namespace {

constexpr size_t kScriptMax = size_t{256} << 10;

std::string text_in(const std::string& path) {
    Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    std::string text(kScriptMax, '\0');
    ssize_t size = fd ? read(fd.get(), text.data(), text.size()) : 0;
    text.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return text;
}

// Whether `action` is one of the patterns of one branch of a `case`: "start|status" of "start|status)".
bool is_branch_of(std::string_view action, std::string_view line) {
    size_t end = line.find(')');
    if (end == line.npos) return false;
    std::string word;
    bool found = false, opened = false;
    for (char c : std::string(line.substr(0, end)) + "|") {
        bool in_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
        if (in_word) word += c;
        else if (c == '|') found |= std::exchange(word, "") == action;
        else if (c == '(' && (opened || !word.empty())) return false;  // a function
        else if (c == '(') opened = true;
        else if (std::string_view(" \t\"'").find(c) == std::string_view::npos) return false;
    }
    return found;
}

bool is_init_d_script(std::string_view text) {
    std::string_view interpreter = text.substr(0, text.find('\n'));
    return interpreter.starts_with("#!") && interpreter.find("/lib/init/init-d-script") != interpreter.npos;
}

bool has_branch(std::string_view text, std::string_view action) {
    for (size_t at = 0; at < text.size();) {
        size_t end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
        if (!line.starts_with('#') && is_branch_of(action, line)) return true;
        at = end + 1;
    }
    return false;
}

std::string runlevel_text(const std::string& runlevel) {
    return runlevel.empty() ? "" : " (runlevel " + runlevel + ")";
}

Answer answer_of_policy(const Question& question, const Exit& exit) {
    auto refused = [&](const std::string& why) { return Answer{Answer::Kind::Refused, why}; };
    if (!exit.code) return refused("policy-rc.d was killed when it was asked about the " + question.about);
    switch (*exit.code) {
        case 0:
        case 104: return {};
        // "When in doubt, invoke-rc.d will assume an action is allowed, but it will warn the user."
        case 1:
        case 105:
            return {Answer::Kind::GoOn, "policy-rc.d has no policy for the " + question.about + ": taken as allowed"};
        case 100: return refused("policy-rc.d does not know the script: " + question.about);
        case 101: return refused("policy-rc.d forbids " + question.about);
        case 106:
            return refused("policy-rc.d forbids " + question.about +
                           ", and allows another action instead, which devmux does not run");
        default:
            return refused("policy-rc.d failed with status " + std::to_string(*exit.code) +
                           " when it was asked about the " + question.about);
    }
}

Answer answer_of_status(const Question& question, const Exit& exit) {
    if (exit.code == 0) return {Answer::Kind::Running, question.about + " says that it runs"};
    // Dead with a pid file, dead with a lock file, not running.
    if (exit.code && *exit.code >= 1 && *exit.code <= 3) return {};
    return {Answer::Kind::GoOn,
            question.about + (exit.code ? " answered " + std::to_string(*exit.code) : " was killed") +
                ", which does not tell whether it runs: started"};
}

}  // namespace

std::vector<Question> questions_before(const RunJob& job, const Surroundings& where) {
    std::vector<Question> out;
    const Unit& unit = *job.unit;
    const Service& service = unit.service;
    const bool script = service.kind == Service::Kind::InitScript;
    const std::string action = script ? action_of(job, where.init_dir) : "";
    // At the machine's end nobody is asked, as invoke-rc.d does not: everything must go down.
    bool going_down = where.runlevel == "0" || where.runlevel == "6";
    if (script && !going_down && access(where.policy.c_str(), X_OK) == 0) {
        Question policy{.kind = Question::Kind::Policy,
                        .argv = {where.policy, service.init_script, action},
                        .about = action + " of " + service.init_script + runlevel_text(where.runlevel)};
        if (!where.runlevel.empty()) policy.argv.push_back(where.runlevel);
        out.push_back(std::move(policy));
    }
    if (job.verb != Verb::Start) return out;
    if (auto status = status_question(unit, where.init_dir)) out.push_back(std::move(*status));
    return out;
}

bool is_missing(const Unit& unit, const std::string& init_dir) {
    const Service& service = unit.service;
    bool script = service.kind == Service::Kind::InitScript;
    if (!service.may_be_missing || (!script && service.start.empty())) return false;
    std::string program = script ? init_dir + "/" + service.init_script : service.start[0];
    return access(program.c_str(), F_OK) != 0 && errno == ENOENT;
}

std::optional<Question> status_question(const Unit& unit, const std::string& init_dir) {
    const Service& service = unit.service;
    if (unit.task || unit.if_running == IfRunning::Run) return std::nullopt;
    Question out{.kind = Question::Kind::Status, .argv = service.status, .about = ""};
    if (service.kind == Service::Kind::InitScript) {
        std::string path = init_dir + "/" + service.init_script;
        if (!is_script_name(service.init_script) || !has_status_action(text_in(path))) return std::nullopt;
        out.argv = {path, "status"};
        out.about = path + " status";
    } else if (!out.argv.empty()) {
        out.about = out.argv[0];
    }
    return out.argv.empty() ? std::nullopt : std::optional(std::move(out));
}

Answer answer_to(const Question& question, const Exit& exit) {
    return question.kind == Question::Kind::Policy ? answer_of_policy(question, exit)
                                                   : answer_of_status(question, exit);
}

bool has_status_action(const std::string& text) { return is_init_d_script(text) || has_branch(text, "status"); }

std::string reload_action(const std::string& text) {
    if (has_branch(text, "reload") && !is_init_d_script(text)) return "reload";
    return is_init_d_script(text) || has_branch(text, "force-reload") ? "force-reload" : "";
}

std::string action_of(const RunJob& job, const std::string& init_dir) {
    if (job.verb == Verb::Reload) return reload_action(text_in(init_dir + "/" + job.unit->service.init_script));
    return job.verb == Verb::Stop ? "stop" : "start";
}

}  // namespace devmux
