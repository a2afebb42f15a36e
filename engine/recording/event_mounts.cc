// See event_mounts.h.
#include "engine/recording/event_mounts.h"

#include <array>
#include <span>
#include <vector>

#include "engine/recording/line_text.h"

namespace devmux {

std::string mount_text(const MountSeen& seen) {
    std::string out = escaped_word(seen.path);
    std::array<const Mount*, 2> both{&seen.now, &seen.listed};
    // What is not listed, or not known, is left out at the end.
    size_t count = seen.listed != Mount{} ? 2 : seen.now != Mount{} ? 1 : 0;
    for (const Mount* mount : std::span(both).first(count))
        for (const std::string& part : {mount->point, mount->type, mount->source}) out += " " + escaped_word(part);
    return seen.now.server.empty() ? out : out + " " + escaped_word(seen.now.server);
}

std::optional<MountSeen> mount_of(std::string_view words) {
    std::vector<std::string> w;
    for (std::string_view word : words_of(words)) {
        auto text = unescaped(word);
        if (!text) return std::nullopt;
        w.push_back(std::move(*text));
    }
    bool served = w.size() == 5 || w.size() == 8;
    if (!served && w.size() != 1 && w.size() != 4 && w.size() != 7) return std::nullopt;
    MountSeen out{w[0], {}, {}};
    if (w.size() >= 4) out.now = {w[1], w[2], w[3], served ? w.back() : ""};
    if (w.size() >= 7) out.listed = {w[4], w[5], w[6]};
    return out;
}

}  // namespace devmux
