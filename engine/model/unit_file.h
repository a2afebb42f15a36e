// A unit's document -> Unit. The schema is here; the manual is devmux.unit(5).
#pragma once

#include "conditions/class_names.h"
#include "conditions/document.h"
#include "engine/model/unit.h"

namespace devmux {

// All errors at once: who mends a file wants to mend it once.
struct UnitReading {
    std::shared_ptr<const Unit> unit;  // null when there were errors
    Errors errors;
};
UnitReading read_unit(const Node& document, const std::string& name, const ClassNames& classes);

// The same unit under other classes: conditions are bound again by their text. For units whose file
// broke at a reload, and which therefore stay in force as they were.
UnitReading rebind(const Unit& unit, const ClassNames& classes);

// Whether a name can be a unit's: 1 to 64 of [A-Za-z0-9._:@-], not beginning with a dot.
bool is_unit_name(std::string_view name);
// Of an instance, "unit@sysname", to 200 of them: it is no file's.
bool is_instance_name(std::string_view name);

}  // namespace devmux
