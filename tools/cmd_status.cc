// devmux status [UNIT]: what runs, what waits, and for which facts. Without a unit one line per
// unit below one line about the engine; what was lost since it started is said, not hidden.
#include <initializer_list>
#include <utility>

#include "tools/command.h"
#include "tools/output.h"

namespace devmux {
namespace {

std::string on_or_off(const Json& engine, const char* key, const char* yes, const char* no) {
    return engine.at(key).get<bool>() ? yes : no;
}

// "2 adds, 1 removes": counters and their words; only those of more than nothing, unless all are asked for.
std::string numbers(const Json& counters, std::initializer_list<std::pair<const char*, const char*>> list, bool all = true) {
    std::string out;
    for (const auto& [key, words] : list)
        if (uint64_t n = counters.at(key).get<uint64_t>(); n > 0 || all)
            out += (out.empty() ? "" : ", ") + std::to_string(n) + " " + words;
    return out;
}

void print_counters(const Json& c) {
    if (c.at("received").get<uint64_t>() > 0)
        print_line("events: " + numbers(c, {{"received", "received"}}) + " (" +
                   numbers(c, {{"received_kernel", "of the kernel"}, {"received_udev", "of udev"},
                               {"received_hotplug", "of helpers"}}) + "), " +
                   numbers(c, {{"duplicate", "duplicate"}, {"late", "late"}}));
    // What was lost, turned away or not understood.
    std::string losses = numbers(c, {{"lost", "events lost"}, {"links_lost", "times messages about links"}, {"refused", "events refused"},
                                     {"malformed", "events malformed"}, {"unready", "devices without a word of udev's"},
                                     {"dropped_runs", "runs dropped"}, {"unsaved", "records unsaved"}}, false);
    if (!losses.empty()) print_line(painted(Colour::Doubt, "lost or turned away: " + losses));
    if (c.at("resyncs").get<uint64_t>() > 0)
        print_line("verified by walking sysfs: " + numbers(c, {{"resyncs", "times"}}) + ", and found " +
                   numbers(c, {{"resync_adds", "adds"}, {"resync_removes", "removes"}, {"resync_changes", "changes"}}));
}

void print_engine(const Json& e) {
    print_line(
        "devmux " + e.at("version").get<std::string>() + ", up " + age(e.at("uptime_s")) + ": " +
        std::to_string(e.at("devices").get<uint64_t>()) + " devices, " +
        on_or_off(e, "coldplug_complete", "coldplug complete, ", "coldplug is not complete, ") +
        on_or_off(e, "settled", "settled", "not settled yet") +
        (e.at("network") == "" ? "" : ", the network is " + e.at("network").get<std::string>()) +
        "; sources: " + (e.at("sources").empty() ? "none" : joined(e.at("sources"))));
    if (e.at("in_doubt").get<bool>())
        print_line(painted(Colour::Doubt, "events were lost, and all of sysfs is being looked at again: until then "
                                          "nothing is certain, and nothing is started or stopped"));
    if (uint64_t waiting = e.at("waiting_for_udev").get<uint64_t>(); waiting > 0)
        print_line(painted(Colour::Doubt, std::to_string(waiting) + " devices are seen and wait for udev" +
                                              (e.at("udev") == "down" ? ", which is installed and does not run"
                                                                      : "")));
    if (e.at("dry_run").get<bool>())
        print_line(painted(Colour::Doubt, "dry run: nothing is started or stopped"));
    for (const Json& carrier : e.at("carriers")) print_line(carrier.get<std::string>());
    if (std::string mode = e.at("mode"); !mode.empty()) print_line("mode " + mode);
    if (e.at("going_down").get<bool>())
        print_line(painted(Colour::Doubt, "the machine is going down: nothing is started any more"));
    print_counters(e.at("counters"));
    for (const Json& error : e.at("errors"))
        print_line(painted(Colour::Bad, error.get<std::string>()));
    size_t units = 0, classes = 0;
    for (const auto& [what, names] : e.at("on_disk").items()) (what == "classes" ? classes : units) += names.size();
    if (units + classes == 0) return;
    auto counted = [](size_t n, const char* one, const char* more) { return std::to_string(n) + (n == 1 ? one : more); };
    std::string text = units ? counted(units, " unit", " units") : "";
    if (classes) text += (text.empty() ? "" : " and ") + counted(classes, " class", " classes");
    print_line(painted(Colour::Doubt, text + " changed on disk: devmux reload"));
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// The rest of a unit's line: of all that is known the one thing that a person wants to know now.
std::string state_remark(const Json& u) {
    std::string state = u.at("state"), hold = u.at("hold");
    if (!u.at("errors").empty()) {
        std::string error = first_line(u.at("errors")[0]);
        return state == "broken"
                   ? error
                   : state == "new" ? "not loaded yet, and broken: " + error
                                    : "its file is broken now, the last good one is in force: " + error;
    }
    if (state == "new") return "";
    if (hold == "down") return "stopped by hand, until `devmux start` or `devmux reset`";
    if (state == "failed") return u.at("last_end");
    if (std::string why = u.at("remark"); !why.empty()) return why;
    if (state == "waiting" && u.contains("missing") && !u.at("missing").empty())
        return "waits for: " + waits_for(u.at("missing"));
    if (u.at("kind") == "each-event" && state == "waiting")
        return "for each event of: " + u.at("condition").get<std::string>();
    if (u.at("kind") == "by hand" && state == "waiting") return "started by hand only";
    if (state == "done") return u.at("last_end");
    if (state == "masked") return "its file is a link to /dev/null";
    if (int pid = u.at("pid"); pid > 0) return "process " + std::to_string(pid);
    return u.at("reason");
}

std::string remark(const Json& u) {
    std::string text = state_remark(u), disk = on_disk_text(u);
    return disk.empty() || !u.at("errors").empty() ? text : text + (text.empty() ? "" : "; ") + disk;
}

// The file that chooses its script, and which one that is.
std::string chosen_text(const Json& u) {
    std::string file = u.value("chosen_by", ""), script = u.value("chosen", ""), service = u.at("service");
    if (file.empty()) return "";
    if (script.empty()) return file + ", which chooses none";
    return file + ", which chooses " + script + (service == "init-script " + script ? "" : ", once this one has stopped");
}

void print_unit(const Json& u) {
    std::string state = u.at("state"), kind = u.at("kind"), hold = u.at("hold");
    print_line(painted(Colour::Bold, u.at("name").get<std::string>()) +
               (u.at("description") == "" ? "" : " – " + u.at("description").get<std::string>()));
    print_field("file", u.at("file").get<std::string>());
    print_field("on disk", on_disk_text(u), Colour::Doubt);
    if (u.at("service") != "")
        print_field("starts", u.at("service").get<std::string>() +
                                  (u.at("task").get<bool>() ? ", a task" : ""));
    print_field("for each", u.at("for_each").get<std::string>());
    print_field("one of", u.at("of").get<std::string>());
    print_field("device", u.at("device").get<std::string>());
    print_field(kind, u.at("condition").get<std::string>());
    print_field("stop-when", u.at("stop_when").get<std::string>());
    print_field("boot-if", u.at("boot_if").get<std::string>());
    print_field("refresh", u.at("refresh").get<std::string>());
    print_field("takes-down", u.value("takes_down", ""));
    print_field("if-missing", u.value("if_missing", ""));
    print_field("chosen-by", chosen_text(u));
    for (const char* key : {"requires", "wants", "after", "before", "conflicts", "provides", "then", "on_failure"})
        print_field(std::string_view(key) == "on_failure" ? "on-failure" : key, joined(u.value(key, Json::array())));
    if (state == "broken" || state == "masked" || state == "new") {
        print_field("state", state, colour_of_state(state));
        for (const Json& error : u.at("errors"))
            print_field("error", error.get<std::string>(), Colour::Bad);
        return;
    }
    if (state == "for-each") {
        for (const Json& instance : u.at("instances")) print_field("instance", instance.get<std::string>());
        print_field("remark", u.at("remark").get<std::string>());
        for (const Json& warning : u.at("warnings")) print_field("warning", warning.get<std::string>(), Colour::Doubt);
        return;
    }
    print_field("state", state + " for " + age(u.at("since_s")), colour_of_state(state));
    print_field("wanted", u.at("wanted").get<std::string>() +
                              (hold.empty() ? "" : ", held " + hold + " by hand") +
                              (u.at("asked_by") == "" ? "" : " (asked by: " + u.at("asked_by").get<std::string>() + ")"));
    if (kind == "when" || kind == "while")
        print_field("condition", u.at("verdict").get<std::string>(),
                    colour_of_truth(u.at("verdict").get<std::string>()));
    if ((state == "waiting" || state == "skipped") && u.contains("missing"))
        print_field("waits for", waits_for(u.at("missing")));
    print_field("reason", u.at("reason").get<std::string>());
    print_field("last end", u.at("last_end").get<std::string>());
    print_field("last reload", u.at("last_reload").get<std::string>(),
                u.at("reload_failed").get<bool>() ? Colour::Bad : Colour::Plain);
    print_field("remark", u.at("remark").get<std::string>());
    if (int pid = u.at("pid"); pid > 0) print_field("process", std::to_string(pid));
    print_field("runs", std::to_string(u.at("starts").get<uint64_t>()));
    if (uint64_t queued = u.at("queued"); queued > 0) print_field("queued", std::to_string(queued));
    for (const Json& error : u.at("errors"))
        print_field("error", error.get<std::string>(), Colour::Bad);
    for (const Json& warning : u.at("warnings"))
        print_field("warning", warning.get<std::string>(), Colour::Doubt);
}

Exit status_of_unit(Client& client, const Session& session, const std::string& name) {
    Reply unit = client.call("Unit", {name});
    if (!unit) return report(unit);
    if (session.json) print_json(unit.value);
    else print_unit(unit.value);
    return unit.value.at("state") == "failed" || unit.value.at("state") == "broken" ? Exit::No
                                                                                    : Exit::Ok;
}

Exit status(Client& client, const Session& session) {
    Reply engine = client.call("Status");
    if (!engine) return report(engine);
    Reply units = client.call("List");
    if (!units) return report(units);
    // Only who waits is asked what for: the list itself carries no explanations.
    for (Json& unit : units.value) {
        if (unit.at("state") != "waiting") continue;
        if (Reply whole = client.call("Unit", {unit.at("name").get<std::string>()}))
            unit = std::move(whole.value);
    }
    if (session.json) {
        engine.value["unit_list"] = std::move(units.value);
        print_json(engine.value);
        return Exit::Ok;
    }
    print_engine(engine.value);
    if (units.value.empty()) {
        print_line("no units: put some into /etc/devmux/units.d, then `devmux reload`");
        return Exit::Ok;
    }
    std::vector<Row> rows;
    for (const Json& u : units.value) {
        std::string state = u.at("state");
        bool bad = state == "failed" || !u.at("errors").empty();
        bool is_run =
            state != "broken" && state != "masked" && state != "new" && state != "for-each";  // the others are in no state since a time
        rows.push_back({{u.at("name")},
                        {state, colour_of_state(state)},
                        {is_run ? age(u.at("since_s")) : "-"},
                        {remark(u), bad ? Colour::Bad : Colour::Plain}});
    }
    print_line("");
    print_table({"NAME", "STATE", "SINCE", ""}, rows);
    return Exit::Ok;
}

}  // namespace

void add_status(CLI::App& app, Commands& commands) {
    auto name = std::make_shared<std::string>();
    CLI::App* sub = app.add_subcommand("status", "what runs, what waits, and for which facts");
    sub->add_option("unit", *name, "all that is known about one unit")->type_name("UNIT");
    commands.push_back({sub, [name](const Session& session) {
                            Client client(session.runtime_dir);
                            return name->empty() ? status(client, session)
                                                 : status_of_unit(client, session, *name);
                        }});
}

}  // namespace devmux
