// devmux devices [CLASS]: what is there, as the daemon's table has it and not as sysfs says now.
#include "tools/command.h"
#include "tools/output.h"

namespace devmux {

void add_devices(CLI::App& app, Commands& commands) {
    auto words = std::make_shared<std::vector<std::string>>();
    CLI::App* sub =
        app.add_subcommand("devices", "the devices that are there, all or of one class");
    sub->add_option("class", *words, "a class, such as `mouse` or `network interface`")
        ->type_name("CLASS");
    sub->footer("Properties and attributes are in --json.");
    commands.push_back(
        {sub, [words](const Session& session) {
             Client client(session.runtime_dir);
             Reply devices = client.call("Devices", {sentence(*words)});
             if (!devices) return report(devices);
             if (session.json) {
                 print_json(devices.value);
                 return Exit::Ok;
             }
             std::vector<Row> rows;
             for (const Json& d : devices.value) {
                 std::string link = d.at("link"), carries = d.at("carries"), classes = joined(d.at("classes"));
                 if (!carries.empty()) link += (link.empty() ? "" : ", ") + carries;
                 rows.push_back({{d.at("name")},
                                 {d.at("subsystem")},
                                 {d.at("driver")},
                                 {link.empty() ? classes : classes + " (" + link + ")"},
                                 {d.at("devpath"), Colour::Faint}});
             }
             print_table({"NAME", "SUBSYSTEM", "DRIVER", "CLASSES", "DEVPATH"}, rows);
             return Exit::Ok;
         }});
}

}  // namespace devmux
