// The vocabulary that the grammar needs from the classes that are loaded, and no more of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/facts.h"
#include "conditions/hardware.h"

namespace devmux {

class ClassNames {
  public:
    virtual ~ClassNames() = default;
    struct Match {
        ClassId id = 0;
        size_t words = 0;  // how many of the words the name took
    };
    // The longest class name, alias or plural at the head of `words` (lower case).
    virtual std::optional<Match> longest(const std::vector<std::string>& words) const = 0;
    virtual const std::string& class_name(ClassId id) const = 0;  // canonical
    virtual std::vector<std::string> all_names() const = 0;       // for "did you mean"
    // Why a device of the class may be missing, and what brings it; for `explain`.
    virtual const std::string& supplied_by(ClassId id) const = 0;
    // Whether its devices are network interfaces, all of them.
    virtual bool has_links(ClassId) const { return false; }
    // What on a bus could become one, if a driver took it; of all classes that it includes, too.
    virtual const std::vector<Hardware>& hardware(ClassId) const {
        static const std::vector<Hardware> none;
        return none;
    }
};

}  // namespace devmux
