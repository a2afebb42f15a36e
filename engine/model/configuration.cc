// See configuration.h. The order: classes first, since conditions are read by their names; then
// units, each by itself; then what only shows when all are known (circles).
#include "engine/model/configuration.h"

#include <unistd.h>

#include <algorithm>

#include "conditions/document.h"
#include "conditions/text.h"
#include "engine/model/class_file.h"
#include "engine/model/drop_in.h"
#include "engine/model/service_file.h"
#include "engine/model/unit_file.h"
#include "engine/model/unit_folders.h"
#include "engine/model/unit_order.h"
#include "engine/model/unit_sources.h"

namespace devmux {
namespace {

Error at(const std::string& path, std::string what, std::string hint = "") {
    return {.where = {path, 0, 0}, .what = std::move(what), .source = "", .caret = -1,
            .hint = std::move(hint)};
}

constexpr size_t kChoiceBytes = 4096;

// "/usr/sbin/lightdm" is the program of /etc/init.d/lightdm. Empty: none.
std::string script_chosen_in(std::string_view text) {
    std::string_view line = text.substr(0, text.find('\n'));
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\t')) line.remove_suffix(1);
    line.remove_prefix(line.starts_with('/') ? line.rfind('/') + 1 : line.size());
    return is_script_name(line) ? std::string(line) : "";
}

class Loading {
  public:
    Loading(const ConfigurationDirs& dirs, Trust trust) : dirs_(dirs), trust_(trust) {}

    Configuration load() {
        load_classes();
        load_units();
        refuse_cycles(out_);
        warn_of_missing_units(out_);
        out_.needs = std::make_shared<const AttributeNeeds>(attribute_needs(out_));
        return std::move(out_);
    }

  private:
    void load_classes() {
        std::map<std::string, std::string> files;  // name -> path of who won
        for (const std::string& dir : dirs_.units)
            for (const std::string& name : safe_names_in(dir + "/classes.d"))
                files[name] = dir + "/classes.d/" + name;
        auto classes = std::make_shared<ClassSet>();
        for (const auto& [name, path] : files) {
            if (is_mask(path)) continue;
            auto text = read_trusted(path, kDocumentBytes, trust_, folders_);
            if (!text) {
                out_.errors.push_back(text.error());
                continue;
            }
            auto c = read_class(*text, path);
            if (!c) out_.errors.push_back(c.error());
            else if (auto error = classes->add(std::move(*c))) out_.errors.push_back(std::move(*error));
        }
        for (Error& error : classes->finish()) out_.errors.push_back(std::move(error));
        out_.classes = std::move(classes);
    }

    // Who may write in a folder says what is in it: which links, and what is masked.
    bool is_safe(const std::string& folder) {
        if (trust_ == Trust::Waive || access(folder.c_str(), F_OK) != 0) return true;
        const std::string& why = folders_.trouble(folder);
        if (why.empty()) return true;
        out_.errors.push_back(at(folder, why + ": not read", "everything above a unit file must be root's alone"));
        return false;
    }

    std::vector<std::string> safe_names_in(const std::string& folder) {
        return is_safe(folder) ? names_in(folder, ".yaml", out_.errors) : std::vector<std::string>{};
    }

    void load_units() {
        auto sources = unit_sources(dirs_.units, [this](const std::string& folder) { return is_safe(folder); }, out_.errors);
        for (const auto& [name, unit] : sources) {
            if (unit.files.empty()) {
                if (!unit.drop_ins.empty())
                    out_.errors.push_back(at(unit.drop_ins.begin()->second.back(),
                                             "adds to the unit " + quoted(printable(name)) + ", which does not exist"));
                continue;
            }
            const std::string& path = unit.files.back();
            if (!is_unit_name(name))
                out_.broken[printable(name)] = {at(path, "a unit's name has 1 to 64 characters of letters, "
                                                         "digits and ._:@-")};
            else if (is_mask(path)) out_.masked.insert(name);
            else load_unit(name, path, unit.drop_ins);
        }
    }

    void load_unit(const std::string& name, const std::string& path,
                   const std::map<std::string, std::vector<std::string>>& drop_ins) {
        auto document = read_file(path);
        if (!document) {
            out_.broken[name] = {document.error()};
            return;
        }
        for (const auto& [file, paths] : drop_ins) {
            const std::string& drop_in = paths.back();
            if (is_mask(drop_in)) continue;
            auto addition = read_file(drop_in);
            if (!addition) {
                out_.broken[name] = {addition.error()};
                return;
            }
            merge_drop_in(*document, std::move(*addition));
        }
        UnitReading reading = read_unit(*document, name, *out_.classes);
        if (reading.unit) out_.units.emplace(name, with_choice(std::move(reading.unit)));
        else out_.broken[name] = std::move(reading.errors);
    }

    // The script of the program that was chosen; where nobody has chosen, the unit's own.
    std::shared_ptr<const Unit> with_choice(std::shared_ptr<const Unit> unit) {
        const std::string& file = unit->service.chosen_by;
        if (file.empty() || !dirs_.root || access((*dirs_.root + file).c_str(), F_OK) != 0) return unit;
        auto copy = std::make_shared<Unit>(*unit);
        auto text = read_trusted(*dirs_.root + file, kChoiceBytes, trust_, folders_);
        std::string script = text ? script_chosen_in(*text) : "";
        copy->is_chosen = !script.empty();
        if (copy->is_chosen) copy->service.init_script = script;
        else copy->warnings.push_back(text ? at(*dirs_.root + file, "names no program in its first line: " + unit->service.init_script + " it is",
                                                "the path of one: /usr/sbin/lightdm") : text.error());
        return copy;
    }

    Result<Node> read_file(const std::string& path) {
        auto text = read_trusted(path, kDocumentBytes, trust_, folders_);
        if (!text) return text.error();
        return read_document(*text, path);
    }

    const ConfigurationDirs& dirs_;
    Trust trust_;
    FolderTrust folders_;
    Configuration out_;
};

void note_needs(const Predicate& predicate, const std::vector<std::string>& subsystems, AttributeNeeds& needs) {
    each_comparison(predicate, [&](const Predicate& c) {
        if (c.field != Predicate::Field::Attribute) return;
        if (!c.parent.empty()) needs.need(c.parent, c.key);
        else if (subsystems.empty()) needs.need("", c.key);
        else for (const std::string& subsystem : subsystems) needs.need(subsystem, c.key);
    });
}

void note_needs(const DeviceTerm& term, const ClassSet& classes, AttributeNeeds& needs) {
    const DeviceClass& c = classes.classes()[term.class_id];
    const auto& subsystems = c.includes.empty() ? c.subsystems : std::vector<std::string>{};
    note_needs(term.predicate, subsystems, needs);
    note_needs(term.have, subsystems, needs);
}

}  // namespace

Configuration load_configuration(const ConfigurationDirs& dirs, Trust trust) {
    return Loading(dirs, trust).load();
}

std::set<std::string> keep_last_good(Configuration& fresh, const Configuration& old) {
    std::set<std::string> kept;
    for (auto& [name, errors] : fresh.broken) {
        auto it = old.units.find(name);
        if (it == old.units.end()) continue;
        UnitReading again = rebind(*it->second, *fresh.classes);
        if (!again.unit) continue;  // its class is gone, too
        fresh.units.emplace(name, std::move(again.unit));
        kept.insert(name);
    }
    // An old unit and a new one may ask for each other.
    refuse_cycles(fresh);
    std::erase_if(kept, [&](const std::string& name) { return !fresh.units.contains(name); });
    fresh.needs = std::make_shared<const AttributeNeeds>(attribute_needs(fresh));
    return kept;
}

bool add_needs(const Condition& condition, const ClassSet& classes, AttributeNeeds& needs) {
    size_t before = needs.size();
    each_leaf(condition, [&](const Condition& leaf) {
        if (leaf.kind == Condition::Kind::Device) note_needs(leaf.device, classes, needs);
    });
    return needs.size() != before;
}

AttributeNeeds attribute_needs(const Configuration& configuration) {
    AttributeNeeds needs;
    for (const DeviceClass& c : configuration.classes->classes()) note_needs(c.match, c.subsystems, needs);
    for (const auto& [name, unit] : configuration.units) {
        add_needs(unit->condition, *configuration.classes, needs);
        if (unit->stop_when) add_needs(*unit->stop_when, *configuration.classes, needs);
        if (unit->for_each) note_needs(unit->for_each->devices, *configuration.classes, needs);
        if (unit->boot_if) add_needs(*unit->boot_if, *configuration.classes, needs);
        if (unit->each_event) note_needs(unit->each_event->devices, *configuration.classes, needs);
        if (unit->refresh) note_needs(*unit->refresh, *configuration.classes, needs);
    }
    return needs;
}

}  // namespace devmux
