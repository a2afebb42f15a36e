// Words are separated by blanks; a value may stand in double quotes (kernel/params.c, next_arg()).
#include "engine/plan/kernel_arguments.h"

namespace devmux {

std::vector<std::string> kernel_arguments(std::string_view line) {
    std::vector<std::string> out;
    for (size_t at = 0; at < line.size(); ++at) {
        std::string word;
        bool quoted = false;
        for (; at < line.size() && (quoted || (line[at] != ' ' && line[at] != '\n')); ++at) {
            if (line[at] == '"') quoted = !quoted;
            else word += line[at];
        }
        out.push_back(std::move(word));
    }
    return out;
}

}  // namespace devmux
