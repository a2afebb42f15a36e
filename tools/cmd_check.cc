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
#include "conditions/text.h"
#include "engine/model/configuration.h"
#include "engine/status/status_json.h"
#include "tools/command.h"
#include "tools/default_dirs.h"
#include "tools/early_units.h"
#include "tools/output.h"

namespace devmux {
namespace {

namespace fs = std::filesystem;

// Notes are about this machine, and not about the file: they are not counted.
enum class Severity : unsigned char { Error, Warning, Note };

struct Finding {
    Severity severity = Severity::Error;
    std::string unit;  // empty: of a class or a folder
    Error what;
};

const char* word_of(Severity severity) {
    return severity == Severity::Error ? "error" : severity == Severity::Warning ? "warning" : "note";
}

struct Findings {
    std::vector<Finding> list;
    size_t units = 0;  // that were read and are good

    void add(Severity severity, const std::string& unit, const Error& what) {
        list.push_back({severity, unit, what});
    }
    size_t count(Severity severity) const {
        return static_cast<size_t>(
            std::count_if(list.begin(), list.end(), [&](const Finding& f) { return f.severity == severity; }));
    }
};

// The folders to read, and what of them is asked about: everything at or below `subject`.
struct Question {
    ConfigurationDirs dirs;
    Trust trust = Trust::Require;
    std::string subject;  // empty: everything
    std::string unit;     // whose file that is; a drop-in of another folder may be what breaks it
    std::string root{};   // of the machine that is asked about; empty: this one
};

// Of a class that takes the name of another one, the error stands at the one that is read later.
bool speaks_of(const Error& error, const std::string& subject) {
    return !subject.empty() && error.what.find("(" + subject + ")") != std::string::npos;
}

bool concerns(const std::string& subject, const std::string& file) {
    if (subject.empty() || file == subject) return true;
    // A folder holds it; or it is a drop-in of the unit file.
    return file.starts_with(subject + "/") || file.starts_with(subject + ".d/");
}

bool asks_for(const Condition& condition, const std::string& file) {
    bool found = false;
    each_leaf(condition, [&](const Condition& leaf) {
        found |= leaf.kind == Condition::Kind::Fact && leaf.fact.kind == FactKind::File && leaf.fact.name == file;
    });
    return found;
}

// What a unit starts and this machine has not; empty: it is there, or its absence is provided for: by if-missing, or
// by a condition that waits for it.
std::string lacks(const Unit& unit, const std::string& root) {
    const Service& service = unit.service;
    std::error_code bad;
    if (service.may_be_missing) return "";
    const bool script = service.kind == Service::Kind::InitScript;
    std::string path = script ? "/etc/init.d/" + service.init_script : service.start.empty() ? "" : service.start[0];
    if (path.empty() || fs::exists(root + path, bad) || asks_for(unit.condition, path)) return "";
    for (const char* folder : {"/etc/systemd/system/", "/run/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/"})
        if (script && fs::exists(root + folder + service.init_script + ".service", bad)) return "";
    return path;
}

void collect(const Question& question, Findings& findings) {
    Configuration c = load_configuration(question.dirs, question.trust);
    if (c.classes->classes().empty())
        findings.add(Severity::Warning, "", Error{.where = {question.dirs.units[0], 0, 0}, .what = "no class of devices is known: there is no "
                                      "classes.d in the folders that are read", .source = "", .caret = -1,
                                      .hint = "devmux is not installed? classes.d of its units.d belongs beside your units"});
    for (const Error& error : c.errors)
        if (concerns(question.subject, error.where.file) || speaks_of(error, question.subject)) findings.add(Severity::Error, "", error);
    for (const auto& [name, errors] : c.broken)
        for (const Error& error : errors)
            if (name == question.unit || concerns(question.subject, error.where.file))
                findings.add(Severity::Error, name, error);
    for (const auto& [name, unit] : c.units) {
        if (name != question.unit && !concerns(question.subject, unit->file)) continue;
        ++findings.units;
        for (const Error& warning : unit->warnings) findings.add(Severity::Warning, name, warning);
        if (std::string path = lacks(*unit, question.root); !path.empty())
            findings.add(Severity::Note, name, {.where = {unit->file, 0, 0}, .what = path + " is not there on this machine",
                                                .source = "", .caret = -1, .hint = unit->each_event ? "" : "if-missing: skip, if it need not be"});
    }
    for (const auto& [name, warning] : early_units(c, question.root))
        if (concerns(question.subject, warning.where.file)) findings.add(Severity::Warning, name, warning);
}

Error path_error(const std::string& path, std::string what, std::string hint = "") {
    return {.where = {path, 0, 0},
            .what = std::move(what),
            .source = "",
            .caret = -1,
            .hint = std::move(hint)};
}

std::vector<std::string> unit_dirs_in(const std::string& root) {
    std::vector<std::string> dirs = default_unit_dirs();
    for (std::string& dir : dirs) dir.insert(0, root);
    return dirs;
}

// How to ask about a path; or what is wrong with asking.
Result<Question> question_of(const std::string& given, const std::string& root) {
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

    Question question{{unit_dirs_in(root), root}, Trust::Waive, path, "", root};
    if (!folder && units == fs::path(path).parent_path())
        question.unit = fs::path(path).stem().string();
    if (fs::path of = fs::path(path).parent_path(); !folder && of.extension() == ".d" && of.stem().extension() == ".yaml")
        question.unit = of.stem().stem().string();  // a drop-in: the unit that it adds to
    std::erase(question.dirs.units, units.string());
    question.dirs.units.push_back(
        units.string());  // the strongest: nothing may hide what is asked about
    return question;
}

void print_findings(const Findings& findings) {
    for (const Finding& f : findings.list) {
        std::string word = word_of(f.severity);
        Error shown = f.what;
        shown.what = word + ": " + shown.what;
        // A file that is not trusted yet is escaped like a device; only our own word gets a colour.
        std::string text = printable_lines(shown.to_string());
        text.replace(text.find(word + ": "), word.size(),
                     painted(f.severity == Severity::Error ? Colour::Bad : Colour::Doubt, word));
        print_line(text);
    }
    size_t errors = findings.count(Severity::Error), warnings = findings.count(Severity::Warning);
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
                        {"severity", word_of(f.severity)},
                        {"unit", printable_lines(f.unit)},
                        {"what", printable_lines(f.what.what)},
                        {"source", printable_lines(f.what.source)},
                        {"caret", f.what.caret},
                        {"hint", printable_lines(f.what.hint)}});
    print_json({{"units", findings.units},
                {"errors", findings.count(Severity::Error)},
                {"warnings", findings.count(Severity::Warning)},
                {"findings", std::move(list)}});
}

}  // namespace

void add_check(CLI::App& app, Commands& commands) {
    struct Options {
        std::vector<std::string> paths;
        std::string root;
    };
    auto options = std::make_shared<Options>();
    CLI::App* sub =
        app.add_subcommand("check", "look for mistakes in unit and class files; needs no daemon");
    sub->add_option("--root", options->root, "of the machine in this folder, which does not run")->type_name("DIR");
    sub->add_option("path", options->paths,
                    "unit files, class files or folders of units; default: what the daemon reads")
        ->type_name("PATH");
    commands.push_back({sub, [options](const Session& session) {
                            Findings findings;
                            std::string root = options->root;
                            while (root.ends_with('/')) root.pop_back();
                            if (std::error_code bad; !root.empty() && !fs::is_directory(root, bad))
                                throw CLI::ValidationError("--root", devmux::quoted(printable(options->root)) + " is no folder that is there");
                            if (options->paths.empty())
                                collect({{unit_dirs_in(root), root}, Trust::Require, "", "", root}, findings);
                            for (const std::string& path : options->paths) {
                                auto question = question_of(path, root);
                                if (question) collect(*question, findings);
                                else findings.add(Severity::Error, "", question.error());
                            }
                            if (session.json) print_findings_json(findings);
                            else print_findings(findings);
                            return findings.count(Severity::Error) == 0 ? Exit::Ok : Exit::No;
                        }});
}

}  // namespace devmux
