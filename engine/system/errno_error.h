// What errno means, for people. strerrordesc_np(3): no locale, no shared buffer.
#pragma once

#include <cstring>
#include <string>
#include <utility>

#include "conditions/result.h"

namespace devmux {

// "No such file or directory".
inline std::string errno_text(int error) {
    const char* text = strerrordesc_np(error);
    return text ? text : "error " + std::to_string(error);
}

// "FILE: what: No such file or directory".
inline Error errno_error(std::string file, std::string what, int error, std::string hint = "") {
    if (!what.empty()) what += ": ";
    return Error{Mark{std::move(file)}, what + errno_text(error), "", -1, std::move(hint)};
}

}  // namespace devmux
