// What is asked before a job's program is started, one after the other: may it be started at all
// (policy-rc.d), and does the service run already (`status`)? Each question is a program whose exit
// status is the answer. The runner asks (runner.h); here is what, and what the answers mean.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conditions/result.h"
#include "engine/plan/job.h"
#include "engine/run/spawner.h"

namespace devmux {

struct Question {
    enum class Kind : unsigned char {
        Policy,  // policy-rc.d: is this action allowed?
        Status,  // the service's own word
    };
    Kind kind = Kind::Policy;
    std::vector<std::string> argv;
    std::string about;  // for sentences: "start of gdm3 (runlevel 2)", "/etc/init.d/gdm3 status"
};

struct Answer {
    enum class Kind : unsigned char { GoOn, Refused, Running };
    Kind kind = Kind::GoOn;
    std::string text;  // Refused: why; GoOn: a warning, or empty
};

struct Surroundings {
    std::string init_dir;  // with the root in force
    std::string policy;    // policy-rc.d, likewise; it need not be there
    std::string runlevel;  // empty: unknown
};

// In the order in which they are to be asked; none: run it.
std::vector<Question> questions_before(const RunJob& job, const Surroundings& where);

// Whether a start would find nothing that it could start, and that is no failure (if-missing: skip).
bool is_missing(const Unit& unit, const std::string& init_dir);

// Whether its service runs; nothing where nobody knows, or wants to.
std::optional<Question> status_question(const Unit& unit, const std::string& init_dir);

Answer answer_to(const Question& question, const Exit& exit);

// Whether an init script has an action `status`. Scripts that have none answer as they like, some of
// them with 0: those are not asked. It has one if `status` stands among the patterns of a `case`, or if
// it is run by Debian's init-d-script(5), which has it built in.
bool has_status_action(const std::string& script_text);

// What an init script is called with for a reload: "reload", or "force-reload" of one that has no other; ""
// of one that has neither. Debian's init-d-script(5) has the latter built in, and restarts where it must.
std::string reload_action(const std::string& script_text);

// The action of an init script that a job is, "" for none.
std::string action_of(const RunJob& job, const std::string& init_dir);

}  // namespace devmux
