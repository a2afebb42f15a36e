// See configuration_text.h. Every key is one line: values are quoted texts and lists in brackets, so
// that the blanks in front of a line mean nothing.
#include "engine/recording/configuration_text.h"

#include <algorithm>
#include <utility>

#include "conditions/document.h"
#include "conditions/text.h"
#include "engine/model/class_file.h"
#include "engine/model/unit_file.h"

namespace devmux {
namespace {

// A text in YAML: single quotes take everything but control characters as it is.
std::string yaml(std::string_view text) {
    bool control = std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    });
    std::string out(1, control ? '"' : '\'');
    for (char c : text) {
        constexpr std::string_view kHex = "0123456789abcdef";
        auto byte = static_cast<unsigned char>(c);
        if (!control) out.append(c == '\'' ? 2 : 1, c);
        else if (byte < 0x20 || byte == 0x7F) out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
        else out += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
    }
    return out + out[0];
}

std::string yaml(const std::vector<std::string>& texts) {
    std::string out;
    for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + yaml(text);
    return "[" + out + "]";
}

class Lines {
  public:
    void text(const char* key, const std::string& value) {
        if (!value.empty()) put(key, yaml(value));
    }
    void list(const char* key, const std::vector<std::string>& values) {
        if (!values.empty()) put(key, yaml(values));
    }
    void put(const char* key, const std::string& value) { out_ += std::string(key) + ": " + value + "\n"; }
    std::string done() { return std::move(out_); }

  private:
    std::string out_;
};

std::vector<std::string> words_of(const std::set<Action>& actions) {
    std::vector<std::string> out;
    for (Action action : actions) out.emplace_back(to_string(action));
    return out;
}

void append_below(std::string_view word, const std::string& name, const std::string& file,
                  const std::string& text, std::string& out) {
    out += std::string(word) + " " + escaped_word(name) + "\n";
    if (!file.empty()) out += "  # " + escaped(file) + "\n";
    for (size_t at = 0; at < text.size();) {
        size_t end = text.find('\n', at);
        out += "  " + escaped(std::string_view(text).substr(at, end - at)) + "\n";
        at = end + 1;
    }
}

}  // namespace

std::string class_file_text(const DeviceClass& c) {
    Lines lines;
    lines.text("class", c.name);
    lines.text("plural", c.plural);
    lines.list("aliases", c.aliases);
    lines.text("description", c.description);
    lines.text("supplied-by", c.supplied_by);
    lines.list("subsystem", c.subsystems);
    lines.list("includes", c.includes);
    std::string hardware;
    for (const Hardware& h : c.hardware)
        hardware += (hardware.empty() ? "" : ", ") + yaml(h.name) + ": " + yaml(to_string(h.match));
    if (!hardware.empty()) lines.put("hardware", "{" + hardware + "}");
    bool any = c.match.kind == Predicate::Kind::Always;
    // A class of everything: a predicate that always holds has no text, this one holds as well.
    if (!any) lines.text("match", to_string(c.match));
    else if (c.subsystems.empty() && c.includes.empty()) lines.text("match", "name ~ \"*\"");
    return lines.done();
}

std::string unit_file_text(const Unit& unit) {
    Lines lines;
    lines.text("description", unit.description);
    lines.list("documentation", unit.documentation);
    if (unit.condition_kind == ConditionKind::When) lines.text("when", unit.condition_text);
    if (unit.condition_kind == ConditionKind::While) lines.text("while", unit.condition_text);
    lines.text("stop-when", unit.stop_when_text);
    lines.text("boot-if", unit.boot_if_text);
    if (unit.linger != Duration{}) lines.put("linger", to_string(unit.linger));
    if (unit.for_each) {
        lines.text("for-each", to_string(unit.for_each->devices));
        lines.put("instances", std::to_string(unit.for_each->most));
    }
    if (unit.each_event) {
        lines.text("each-event", to_string(unit.each_event->devices));
        lines.list("actions", words_of(unit.each_event->actions));
        if (unit.each_event->synthetic) lines.put("synthetic", "true");
    }
    const Service& s = unit.service;
    if (s.kind == Service::Kind::InitScript) lines.text("init-script", s.init_script);
    else if (s.kind == Service::Kind::Scripts) lines.text("scripts", s.scripts);
    else if (s.kind == Service::Kind::Systemd) lines.text("systemd", s.systemd);
    else if (s.kind == Service::Kind::Daemon) lines.list("daemon", s.start);
    else lines.put("command", "{start: " + yaml(s.start) + (s.stop.empty() ? "" : ", stop: " + yaml(s.stop)) +
                                  (s.reload.empty() ? "" : ", reload: " + yaml(s.reload)) +
                                  (s.status.empty() ? "" : ", status: " + yaml(s.status)) + "}");
    lines.text("chosen-by", s.chosen_by);
    if (s.may_be_missing) lines.put("if-missing", "skip");
    for (const LinkKey& key : link_keys()) lines.list(key.key, unit.links.*key.list);
    if (unit.task) lines.put("task", "true");
    lines.text("takes-down", unit.keeps_links ? "no" : unit.takes_down ? to_string(*unit.takes_down) : "");
    if (unit.limits) lines.put("timeout", time_limits_text(*unit.limits));
    lines.text("user", unit.user);
    if (s.notifies) lines.put("ready", "notify");
    if (s.reloads) lines.put("reload", "signal");
    if (unit.refresh) lines.text("refresh", to_string(*unit.refresh));
    if (unit.restart != Restart{})
        lines.put("restart", "{policy: " + std::string(to_string(unit.restart.policy)) + ", delay: " +
                                 to_string(unit.restart.delay) + ", limit: " + std::to_string(unit.restart.limit) + "}");
    if (unit.if_never) lines.put("if-never", *unit.if_never == IfNever::Start ? "start" : "skip");
    if (unit.if_running != IfRunning::Skip) lines.put("if-running", std::string(to_string(unit.if_running)));
    std::string environment;
    for (const std::string& variable : unit.environment) {
        size_t equals = variable.find('=');
        environment += (environment.empty() ? "" : ", ") + variable.substr(0, equals) + ": " +
                       yaml(std::string_view(variable).substr(equals + 1));
    }
    if (!environment.empty()) lines.put("environment", "{" + environment + "}");
    return lines.done();
}

void append_unit(std::string_view word, const Unit& unit, std::string& out) {
    append_below(word, unit.name, unit.file, unit_file_text(unit), out);
}

void append_configuration(const Configuration& configuration, std::string& out) {
    out += "configuration\n";
    for (const DeviceClass& c : configuration.classes->classes())
        append_below("class", c.name, c.file, class_file_text(c), out);
    for (const auto& [name, unit] : configuration.units) append_unit("unit", *unit, out);
    for (const auto& [name, errors] : configuration.broken) out += "broken " + escaped_word(name) + "\n";
    for (const std::string& name : configuration.masked) out += "masked " + escaped_word(name) + "\n";
}

bool ConfigurationReader::knows(std::string_view word) {
    return word == "configuration" || word == "class" || word == "unit" || word == "broken" || word == "masked";
}

Result<std::string> ConfigurationReader::file_below() {
    std::string text;
    while (cursor_.indented()) {
        const TraceLine& line = cursor_.take();
        auto plain = unescaped(line.text);
        if (!plain) return cursor_.wrong(line, "a backslash stands before \\, & or xNN");
        if (text.size() > kDocumentBytes) return cursor_.wrong(line, "the file is longer than 64 KiB");
        text += *plain + "\n";
    }
    return text;
}

std::optional<Error> ConfigurationReader::read(const TraceLine& line) {
    std::string_view word = line.word();
    auto name = unescaped(line.rest());
    if (!name) return cursor_.wrong(line, "expected a name, found " + quoted(printable(line.rest())));
    if (word == "configuration") {
        classes_ = std::make_shared<ClassSet>();
        configuration_ = {};
        classes_done_ = false;
    } else if (word == "class") {
        if (classes_done_) return cursor_.wrong(line, "classes stand before units");
        auto text = file_below();
        if (!text) return text.error();
        auto c = read_class(*text, *name);
        if (!c) return cursor_.wrong(line, "the class cannot be read: " + c.error().what);
        if (auto error = classes_->add(std::move(*c))) return cursor_.wrong(line, error->what);
    } else if (word == "broken") {
        configuration_.broken[*name] = {cursor_.wrong(line, "its file was broken when this was recorded")};
    } else if (word == "masked") {
        configuration_.masked.insert(*name);
    } else {
        if (!std::exchange(classes_done_, true)) configuration_.errors = classes_->finish();
        std::shared_ptr<const Unit> read;
        if (auto error = unit(line, *classes_, read)) return error;
        if (configuration_.units.size() >= kMostUnits) return cursor_.wrong(line, "too many units");
        configuration_.units[*name] = std::move(read);
    }
    return std::nullopt;
}

std::optional<Error> ConfigurationReader::unit(const TraceLine& line, const ClassNames& classes,
                                               std::shared_ptr<const Unit>& out) {
    auto name = unescaped(line.rest());
    if (!name || (!is_unit_name(*name) && !is_instance_name(*name))) return cursor_.wrong(line, "expected the name of a unit");
    auto text = file_below();
    if (!text) return text.error();
    auto document = read_document(*text, *name);
    if (!document) return cursor_.wrong(line, "the unit cannot be read: " + document.error().what);
    UnitReading reading = read_unit(*document, *name, classes);
    if (!reading.unit) return cursor_.wrong(line, "the unit cannot be read: " + reading.errors.at(0).what);
    out = std::move(reading.unit);
    return std::nullopt;
}

std::shared_ptr<const Configuration> ConfigurationReader::finish() {
    if (!classes_done_) configuration_.errors = classes_->finish();
    classes_done_ = false;
    configuration_.classes = std::exchange(classes_, std::make_shared<ClassSet>());
    configuration_.needs = std::make_shared<const AttributeNeeds>(attribute_needs(configuration_));
    return std::make_shared<const Configuration>(std::exchange(configuration_, {}));
}

}  // namespace devmux
