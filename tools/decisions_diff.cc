// See decisions_diff.h. A line begins with its moment, so the lists are walked moment by moment: no
// search for a longest common part, however long they are.
#include "tools/decisions_diff.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <map>

namespace devmux {
namespace {

int64_t moment(const std::string& line) {
    int64_t ms = 0;
    std::from_chars(line.data(), line.data() + line.size(), ms);
    return ms;
}

}  // namespace

std::vector<std::string> decisions_diff(const std::vector<std::string>& one, const std::vector<std::string>& other) {
    std::vector<std::string> out;
    for (size_t i = 0, j = 0; i < one.size() || j < other.size();) {
        constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
        int64_t now = std::min(i < one.size() ? moment(one[i]) : kEnd, j < other.size() ? moment(other[j]) : kEnd);
        size_t i_end = i, j_end = j;
        std::map<std::string, int> more;  // how many more `one` has
        while (i_end < one.size() && moment(one[i_end]) == now) ++more[one[i_end++]];
        while (j_end < other.size() && moment(other[j_end]) == now) --more[other[j_end++]];
        // Of what one list has more often, its last ones.
        auto keep = [&](const std::vector<std::string>& lines, size_t from, size_t to, int sign, const char* mark) {
            std::vector<std::string> kept;
            for (size_t at = to; at-- > from;) {
                int& count = more[lines[at]];
                if (count * sign <= 0) continue;
                count -= sign;
                kept.push_back(mark + lines[at]);
            }
            out.insert(out.end(), kept.rbegin(), kept.rend());
        };
        keep(one, i, i_end, 1, "- ");
        keep(other, j, j_end, -1, "+ ");
        i = i_end;
        j = j_end;
    }
    return out;
}

}  // namespace devmux
