// How an error reads: the place first, as compilers print it, so that editors can jump to it.
#include "conditions/result.h"

namespace devmux {

std::string Error::to_string() const {
    std::string out = where.file;
    if (where.line > 0) {
        out += ":" + std::to_string(where.line);
        if (where.column > 0) out += ":" + std::to_string(where.column);
    }
    if (!out.empty()) out += ": ";
    out += what;
    if (!source.empty() && caret >= 0) {
        out += "\n    " + source + "\n    ";
        // A tab stays a tab, so that the caret stands under its column whatever the tab width is,
        // and the continuation bytes of UTF-8 take no column of their own.
        for (int i = 0; i < caret && i < static_cast<int>(source.size()); ++i) {
            auto c = static_cast<unsigned char>(source[static_cast<size_t>(i)]);
            if (c == '\t') out += '\t';
            else if ((c & 0xC0) != 0x80) out += ' ';
        }
        out += '^';
    }
    if (!hint.empty()) out += "\n    " + hint;
    return out;
}

}  // namespace devmux
