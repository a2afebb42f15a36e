// The keys of a unit that say what is started: init-script, command, daemon, scripts,
// systemd. One of them stands in each unit.
#pragma once

#include <vector>

#include "conditions/document.h"
#include "engine/model/unit.h"
#include "engine/model/yaml_fields.h"

namespace devmux {

// Reads into `service`, which must outlive the fields.
std::vector<Field> service_fields(Service& service);

// What no single key can tell: none of them, two of them, or one that does not go with the others. What
// leaves nothing running is a task from here on.
void check_service(const Node& document, Unit& unit, Errors& errors);

// skip, run or error.
std::optional<Error> read_if_running(const Node& node, IfRunning& out);

// A word, or {policy: …, delay: …, limit: …}.
std::optional<Error> read_restart(const Node& node, Restart& out);

// A name as in /etc/passwd.
std::optional<Error> read_user(const Node& node, std::string& out);

// Whether a name can be that of a script in /etc/init.d.
bool is_script_name(std::string_view name);

// Whether systemd can be asked to start a unit of this name: as unit_name_is_valid() of systemd's
// src/basic/unit-name.c, without templates, of which instances alone are started.
bool is_systemd_unit_name(std::string_view name);

}  // namespace devmux
