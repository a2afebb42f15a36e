// Which files a unit is made of, and which of them stand behind stronger ones. For the loader, and for
// people who ask (devmux cat).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "conditions/result.h"

namespace devmux {

// Paths. Of several with one name the last one counts: it is read, or masks, if it leads to /dev/null.
struct UnitSources {
    std::vector<std::string> files;                            // NAME.yaml; empty: there are drop-ins alone
    std::map<std::string, std::vector<std::string>> drop_ins;  // by their file names, which is their order
};

// Of all units in these folders, the weakest folder first. `is_safe`: whether what stands in a folder may
// be believed at all.
std::map<std::string, UnitSources> unit_sources(const std::vector<std::string>& folders,
                                                const std::function<bool(const std::string&)>& is_safe, Errors& errors);

}  // namespace devmux
