// devmux check [PATH…]: reads units and classes with the daemon's own loader, runs nothing, asks no
// daemon, and says what is wrong and what is allowed but seldom meant.
//
// A PATH is a unit file, a class file in a classes.d, or a folder of units; it is read on top of
// the default folders, so that it may use their classes, and only what concerns it is printed. Such
// a file runs nothing yet, so it need not be root's; the default folders are held to the daemon's
// rules.
#include <algorithm>
#include <filesystem>

#include "conditions/result.h"
#include "engine/model/configuration.h"
#include "engine/status/status_json.h"
#include "tools/command.h"
#include "tools/default_dirs.h"
#include "tools/output.h"

namespace devmux {
namespace {

namespace fs = std::filesystem;

struct Finding {
    bool error = true;
    std::string unit;  // empty: of a class or a folder
    Error what;
};

struct Findings {
    std::vector<Finding> list;
    size_t units = 0;  // that were read and are good

    void add(bool error, const std::string& unit, const Error& what) {
        list.push_back({error, unit, what});
    }
    auto errors() const {
        return static_cast<size_t>(
            std::count_if(list.begin(), list.end(), [](const Finding& f) { return f.error; }));
    }
};

// The folders to read, and what of them is asked about: everything at or below `subject`.
struct Question {
    ConfigurationDirs dirs;
    Trust trust = Trust::Require;
    std::string subject;  // empty: everything
    std::string unit;     // whose file that is; a drop-in of another folder may be what breaks it
};

bool concerns(const std::string& subject, const std::string& file) {
    if (subject.empty() || file == subject) return true;
    // A folder holds it; or it is a drop-in of the unit file.
    return file.starts_with(subject + "/") || file.starts_with(subject + ".d/");
}

void collect(const Question& question, Findings& findings) {
    Configuration c = load_configuration(question.dirs, question.trust);
    if (c.classes->classes().empty())
        findings.add(false, "", Error{.where = {question.dirs.units[0], 0, 0}, .what = "no class of devices is known: there is no "
                                      "classes.d in the folders that are read", .source = "", .caret = -1,
                                      .hint = "devmux is not installed? classes.d of its units.d belongs beside your units"});
    for (const Error& error : c.errors)
        if (concerns(question.subject, error.where.file)) findings.add(true, "", error);
    for (const auto& [name, errors] : c.broken)
        for (const Error& error : errors)
            if (name == question.unit || concerns(question.subject, error.where.file))
                findings.add(true, name, error);
    for (const auto& [name, unit] : c.units) {
        if (!concerns(question.subject, unit->file)) continue;
        ++findings.units;
        for (const Error& warning : unit->warnings) findings.add(false, name, warning);
    }
}

Error path_error(const std::string& path, std::string what, std::string hint = "") {
    return {.where = {path, 0, 0},
            .what = std::move(what),
            .source = "",
            .caret = -1,
            .hint = std::move(hint)};
}

// How to ask about a path; or what is wrong with asking.
Result<Question> question_of(const std::string& given) {
    std::error_code bad;
    // Made absolute but not resolved: a unit's name is that of the link, not of where it leads.
    std::string path = fs::absolute(given, bad).lexically_normal().string();
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    bool folder = fs::is_directory(path, bad);
    if (!folder && !fs::exists(path, bad))
        return path_error(given, "is not there",
                          "a unit file, a class file or a folder of units is wanted");
    if (!folder && !path.ends_with(".yaml"))
        return path_error(given,
                          "is not read by devmux: the names of units and classes end in .yaml");
    fs::path units = folder ? fs::path(path) : fs::path(path).parent_path();
    // The loader knows a class by its folder, which stands in a folder of units.
    if (units.filename() == "classes.d") units = units.parent_path();
    else if (units.extension() == ".d" && units.stem().extension() == ".yaml")
        units = units.parent_path();

    Question question{{default_unit_dirs()}, Trust::Waive, path, ""};
    if (!folder && units == fs::path(path).parent_path())
        question.unit = fs::path(path).stem().string();
    std::erase(question.dirs.units, units.string());
    question.dirs.units.push_back(
        units.string());  // the strongest: nothing may hide what is asked about
    return question;
}

void print_findings(const Findings& findings) {
    for (const Finding& f : findings.list) {
        std::string word = f.error ? "error" : "warning";
        Error shown = f.what;
        shown.what = word + ": " + shown.what;
        // A file that is not trusted yet is escaped like a device; only our own word gets a colour.
        std::string text = printable_lines(shown.to_string());
        text.replace(text.find(word + ": "), word.size(),
                     painted(f.error ? Colour::Bad : Colour::Doubt, word));
        print_line(text);
    }
    size_t errors = findings.errors(), warnings = findings.list.size() - errors;
    print_line(std::to_string(findings.units) +
               (findings.units == 1 ? " unit is good, " : " units are good, ") +
               std::to_string(errors) + (errors == 1 ? " error, " : " errors, ") +
               std::to_string(warnings) + (warnings == 1 ? " warning" : " warnings"));
}

void print_findings_json(const Findings& findings) {
    Json list = Json::array();
    for (const Finding& f : findings.list)
        list.push_back({{"file", printable_lines(f.what.where.file)},
                        {"line", f.what.where.line},
                        {"column", f.what.where.column},
                        {"severity", f.error ? "error" : "warning"},
                        {"unit", printable_lines(f.unit)},
                        {"what", printable_lines(f.what.what)},
                        {"source", printable_lines(f.what.source)},
                        {"caret", f.what.caret},
                        {"hint", printable_lines(f.what.hint)}});
    size_t errors = findings.errors();
    print_json({{"units", findings.units},
                {"errors", errors},
                {"warnings", findings.list.size() - errors},
                {"findings", std::move(list)}});
}

}  // namespace

void add_check(CLI::App& app, Commands& commands) {
    auto paths = std::make_shared<std::vector<std::string>>();
    CLI::App* sub =
        app.add_subcommand("check", "look for mistakes in unit and class files; needs no daemon");
    sub->add_option("path", *paths,
                    "unit files, class files or folders of units; default: what the daemon reads")
        ->type_name("PATH");
    commands.push_back({sub, [paths](const Session& session) {
                            Findings findings;
                            if (paths->empty())
                                collect({{default_unit_dirs()}, Trust::Require, "", ""}, findings);
                            for (const std::string& path : *paths) {
                                auto question = question_of(path);
                                if (question) collect(*question, findings);
                                else findings.add(true, "", question.error());
                            }
                            if (session.json) print_findings_json(findings);
                            else print_findings(findings);
                            return findings.errors() == 0 ? Exit::Ok : Exit::No;
                        }});
}

}  // namespace devmux
